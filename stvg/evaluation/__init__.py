"""Scores, ablations and error analysis."""
