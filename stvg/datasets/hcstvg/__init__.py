"""Check HC-STVG and VidSTG, and lay them out for recipes."""
