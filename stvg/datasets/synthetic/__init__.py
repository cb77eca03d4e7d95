"""The demo world: a small, rendered HC-STVG with captions, truth and public detections."""
