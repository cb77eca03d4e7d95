"""Benchmarks of temporal grounding: Charades-STA, ActivityNet Captions and TACoS."""
