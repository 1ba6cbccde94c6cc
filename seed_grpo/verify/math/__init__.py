"""Mathematics: what answers are read into, and when two of them mean the same."""
