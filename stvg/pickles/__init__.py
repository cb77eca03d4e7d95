"""Safe readers of pickled files."""
