"""The film world: people as the pose features measure them, and the networks trained on them."""
