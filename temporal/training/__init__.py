"""Training loop, items, optimiser and checkpoints."""
