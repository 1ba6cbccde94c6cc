"""Prompts: problem files, named data sets, templates, and the order in which a run takes them."""
