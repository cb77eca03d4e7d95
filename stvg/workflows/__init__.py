"""What the commands do with a split, a data set or the app; each writes its files."""
