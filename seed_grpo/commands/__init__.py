"""Commands of `seed-grpo`, a file each; those that read what a run has recorded are in `studies/`."""
