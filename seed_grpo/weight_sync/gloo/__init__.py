"""Weights over gloo: both ends of the transport, the buckets, and how a model on CPU takes new weights."""
