"""Videos to prepared videos, many at once."""
