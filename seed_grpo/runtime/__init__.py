"""The system on Ray: placement, worker pools, supervision, publishing of weights, checkpoints, assembly."""
