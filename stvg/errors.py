"""Exceptions that a user's input can raise."""


class InputError(ValueError):
    """Input that cannot be used: a file, an argument, an item of a data set or a config value.

    The message is one line that names the file or argument, the item, what was expected and what was found. The
    command lines print it and exit with code 2. What it quotes may hold anything, so line breaks become spaces, and
    characters that cannot be shown or written become escapes.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(one if one.isprintable() else _shown(one) for one in message))


class NobodyFoundError(InputError):
    """A video in which the detector found no person."""


def _shown(character: str) -> str:
    return " " if character.isspace() else character.encode("unicode_escape").decode("ascii")
