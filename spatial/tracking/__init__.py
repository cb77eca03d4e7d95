"""Detections to tubes."""
