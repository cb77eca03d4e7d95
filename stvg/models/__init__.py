"""Models that need no hub."""
