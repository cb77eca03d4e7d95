"""Matching of tubes with sentences, with its training items and losses."""
