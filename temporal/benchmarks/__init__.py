"""Charades-STA, ActivityNet Captions and TACoS."""
