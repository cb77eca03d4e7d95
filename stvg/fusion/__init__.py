"""Fusion of a moment map and tube maps into one answer."""
