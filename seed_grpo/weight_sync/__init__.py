"""Weights from trainer to rollout workers: transports behind one interface, and the canary that proves arrival."""
