"""Features with a known answer for real annotations."""
