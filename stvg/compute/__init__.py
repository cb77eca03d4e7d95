"""Device, allocator and matrix products of torch."""
