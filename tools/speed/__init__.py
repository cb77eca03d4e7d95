"""Speed and memory of MMN beside the official way of computing it."""
