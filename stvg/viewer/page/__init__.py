"""Report page: one static file per split, with its videos beside it."""
