"""Training of both stages and of the joint weights."""
