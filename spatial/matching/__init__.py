"""Tubes matched with sentences."""
