"""Many replays: the list of runs, what executes them, their results and the report."""
