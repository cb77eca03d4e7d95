"""From tracklets to tubes: the parts of the offline linker (spatial.tracking.tracklet_linker)."""
