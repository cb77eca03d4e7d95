"""When: the Mutual Matching Network over the moments of a video."""
