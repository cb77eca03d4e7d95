"""The recipe for filmed people and its networks, which come with the package."""

from pathlib import Path

FILM_RECIPE = Path(__file__).with_name("film.yaml")
"""What is asked where nobody names a recipe."""
