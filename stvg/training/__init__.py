"""Train both stages and the joint weights; the loop is temporal/training."""
