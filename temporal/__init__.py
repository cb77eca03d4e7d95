"""Temporal grounding by the Mutual Matching Network."""
