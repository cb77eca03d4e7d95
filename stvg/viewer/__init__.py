"""Answers to look at: overlay videos and pages."""
