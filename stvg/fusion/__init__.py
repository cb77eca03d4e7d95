"""Moment map and tube maps to one answer."""
