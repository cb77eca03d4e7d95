"""Tubes compared with those of online trackers."""
