"""Agreement with figures of the official implementations."""
