"""Exceptions that a user's input can raise."""


class InputError(ValueError):
    """Input that cannot be used: a file, an argument, an item of a data set or a config value.

    The message is one line that names the file or argument, the item, what was expected and what was found. The
    command lines print it and exit with code 2.
    """


class NobodyFoundError(InputError):
    """A video in which the detector found no person."""
