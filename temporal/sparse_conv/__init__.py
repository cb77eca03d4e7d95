"""Map convolution over active cells only."""
