"""Studies of recorded runs: what-if replays, audits and experiments."""
