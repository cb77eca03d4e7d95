"""What the command lines do: each module one piece of work from paths to paths."""
