"""Data sets: HC-STVG and VidSTG, and the synthetic demo world."""
