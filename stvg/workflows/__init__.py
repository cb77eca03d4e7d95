"""The work of commands: over a split, a data set, the app."""
