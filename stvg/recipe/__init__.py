"""Recipes, and the objects that they describe."""
