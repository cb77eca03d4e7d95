"""The Mutual Matching Network."""
