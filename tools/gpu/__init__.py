"""Agreement, speed and memory measured on a GPU, in one run: tools/gpu/run.py."""
