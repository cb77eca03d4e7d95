"""Arithmetic on boxes, spans and tubes."""
