"""Parse the options of each command; workflows and training do the work."""
