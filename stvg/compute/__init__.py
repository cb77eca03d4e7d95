"""Device, allocator and matrix products."""
