"""Worker pools: started, polled, given jobs, scaled, and replaced."""
