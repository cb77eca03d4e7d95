"""Training loop of every MMN, with optimiser, checkpoints and resuming."""
