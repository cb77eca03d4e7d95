"""Frames of a planned clip."""
