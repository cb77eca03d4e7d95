"""Views of answers: overlay videos, plots and the report page."""
