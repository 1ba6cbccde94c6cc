"""The system on Ray: placement, pools, the group queue, supervision, the run directory, metrics."""
