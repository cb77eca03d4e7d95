"""The demo world: a small drawn HC-STVG with captions and truth."""
