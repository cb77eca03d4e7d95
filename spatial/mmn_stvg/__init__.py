"""Tubes and features published by MMN-STVG."""
