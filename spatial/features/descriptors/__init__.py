"""Hand-made descriptors of crops and motion."""
