"""`seed-grpo plan`: memory, time and the best split of a number of GPUs, and the page that shows them."""
