"""Prompts: problem records, named data sets, templates, the generated arithmetic task, and the cursor."""
