"""Matching of person tubes with sentences."""
