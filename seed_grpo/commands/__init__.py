"""Commands of `seed-grpo`, a file each."""
