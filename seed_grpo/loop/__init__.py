"""The loop of SEED-GRPO on interfaces: controller, batch, selection, ledger and queue."""
