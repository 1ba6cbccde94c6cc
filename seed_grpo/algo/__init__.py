"""The algorithm: scale, advantage, loss and micro-batching as pure functions on numpy and torch."""
