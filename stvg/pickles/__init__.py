"""Readers of pickled files that execute nothing."""
