"""Cost: what a model takes, counted from its operators and from nothing else."""
