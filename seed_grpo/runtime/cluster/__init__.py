"""The cluster: its connection, placement of workers, calls with deadlines, and jobs."""
