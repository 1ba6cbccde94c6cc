"""Forms: what answers are read into, exact and hashable, and what can be calculated with it."""
