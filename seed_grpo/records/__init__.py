"""Records of a run: the files that it writes and everybody reads."""
