"""Boxes, spans and tubes: arithmetic."""
