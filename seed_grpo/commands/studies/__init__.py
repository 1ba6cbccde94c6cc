"""Commands that read what a run has recorded: its page, its doubtful labels, its replay under other settings."""
