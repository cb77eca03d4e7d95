"""Checkpoints of the official MMN code."""
