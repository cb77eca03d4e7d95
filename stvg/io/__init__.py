"""Files from users and to users."""
