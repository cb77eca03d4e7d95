"""Refuse pickles and torch files that would grow beyond their size.

A pickle is followed opcode by opcode without building anything: of each value only its depth and its size are kept. So
values nested a million deep (freeing or hashing them ends the process), lists that hold themselves, lists of lists of
the same list, keys made to collide in a dict, and compressed members of a zip end before memory or time is spent.
"""

import pickletools
import zipfile
from typing import BinaryIO

_DEEPEST = 64
"""Values inside values; real files have ten at most."""
_GROWTH, _SMALL = 10, 100_000
"""A value may take this many times the bytes of its file, counting what it shares again, and that many always."""
_LARGEST_KEY = 1 << 60
"""Whole numbers from here on can share one hash."""
_ODD_KEYS = 1000
"""Keys of tuples or such numbers, and values in each of them."""
_LEGACY_PICKLES = 5
"""Pickles one after another in a file of torch.save before 1.6: magic number, version, system, values, storages."""
_MEMBERS = 100_000


class TooMuchError(Exception):
    """A file would grow beyond its size; the text says how."""


class _Value:
    """What is known of a value: how deep it is, how large, whether it may be a key, and whether it still may grow."""

    __slots__ = ("depth", "is_key", "is_open", "size")

    def __init__(self, depth: int = 0, size: int = 1, *, is_key: bool = True, is_open: bool = False) -> None:
        self.depth, self.size, self.is_key, self.is_open = depth, size, is_key, is_open


_SCALAR, _BIG_NUMBER, _MARK = _Value(), _Value(is_key=False), _Value()


def check_pickle(data: BinaryIO, length: int) -> None:
    """Follow the pickle that begins where `data` stands, up to its end; `length` is the size of its file in bytes.

    Raises:
        TooMuchError: it would grow beyond its size.
        ValueError, IndexError, KeyError: it is damaged.
    """
    follower = _Follower(_GROWTH * length + _SMALL)
    for opcode, argument, _ in pickletools.genops(data):
        follower.step(opcode.name, argument)


def check_torch(data: BinaryIO, length: int) -> None:
    """Check a file of torch.save of either form, `length` bytes long; `data` stands at its beginning, and is left so.

    Raises:
        TooMuchError: a member of the zip is compressed, members overlap, or a pickle would grow beyond its size.
        ValueError, IndexError, KeyError, zipfile.BadZipFile: it is damaged.
    """
    if data.read(4) == b"PK\x03\x04":
        with zipfile.ZipFile(data) as archive:
            members = archive.infolist()
            for member in members:
                if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                    raise TooMuchError(f"a compressed member {member.filename[:60]!r}")
            if len(members) > _MEMBERS or sum(member.file_size for member in members) > length:
                raise TooMuchError("members that are larger than the file")
            for member in members:
                if member.filename.endswith(".pkl"):
                    with archive.open(member) as file:
                        check_pickle(file, length)  # type: ignore[arg-type]
    else:
        data.seek(0)
        for _ in range(_LEGACY_PICKLES):
            if data.tell() < length:
                check_pickle(data, length)
    data.seek(0)


class _Follower:
    """The stack and the memo of an unpickler, with sizes in place of values."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._stack: list[_Value] = []
        self._memo: dict[int, _Value] = {}
        self._opcodes = 0
        self._odd_keys = 0
        self._marks = 0

    def step(self, name: str, argument: object) -> None:
        """Do what an opcode does."""
        self._opcodes += 1
        if name in _SCALARS:
            self._stack.append(_scalar(argument))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._put(argument)
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            found = self._memo[int(str(argument))]
            found.is_open = False  # what holds itself is fetched before it is filled
            self._stack.append(found)
        elif name == "MARK":
            self._marks += 1
            if self._marks > _DEEPEST:
                raise TooMuchError(f"values more than {_DEEPEST} deep in each other")
            self._stack.append(_MARK)
        elif name in _OPEN:
            self._stack.append(_Value(1, is_key=False, is_open=True))
        elif name in _MADE_OF:
            parts = self._taken(_MADE_OF[name])
            self._count_odd(parts[::2] if name == "DICT" else [])
            self._stack.append(self._made(parts, is_open=name in ("LIST", "DICT")))
        elif name in _FILLED_WITH:
            self._fill(name, self._taken(_FILLED_WITH[name]))
        elif name in _CALLED_WITH:
            made = self._made(self._taken(_CALLED_WITH[name]), is_open=True)
            made.is_key = True  # no function that is admitted returns what is slow to compare
            self._stack.append(made)
        elif name == "POP":
            self._stack.pop()
        elif name == "POP_MARK":
            self._taken(None)
        elif name == "DUP" or name in _SETS:
            raise TooMuchError(f"the opcode {name}, which plain data does without")

    def _put(self, argument: object) -> None:
        number = len(self._memo) if argument is None else int(str(argument))
        if number > self._opcodes:
            raise ValueError(f"object {number} after {self._opcodes} opcodes")
        self._memo[number] = self._stack[-1]

    def _taken(self, count: int | None) -> list[_Value]:
        """Take `count` values from the stack; None: all above the last mark."""
        if count is None:
            taken: list[_Value] = []
            while (value := self._stack.pop()) is not _MARK:
                taken.append(value)
            self._marks -= 1
            return taken[::-1]
        return [self._stack.pop() for _ in range(count)][::-1]

    def _made(self, parts: list[_Value], *, is_open: bool) -> _Value:
        made = _Value(1, is_key=False, is_open=is_open)
        self._grow(made, parts)
        return made

    def _fill(self, name: str, parts: list[_Value]) -> None:
        """Put parts into the value below them; those of a dict are keys and values in turn."""
        whole = self._stack[-1]
        if name == "BUILD" and whole.depth == 0:
            self._stack[-1] = self._made([whole, *parts], is_open=True)
            return
        if not whole.is_open and name != "BUILD":
            raise TooMuchError("a value that holds itself")
        if name in ("SETITEM", "SETITEMS"):
            self._count_odd(parts[::2])
        self._grow(whole, parts)

    def _count_odd(self, keys: list[_Value]) -> None:
        odd = [key for key in keys if not key.is_key]
        self._odd_keys += len(odd)
        if self._odd_keys > _ODD_KEYS or any(key.size > _ODD_KEYS for key in odd):
            raise TooMuchError(f"more than {_ODD_KEYS} keys other than text and numbers")

    def _grow(self, whole: _Value, parts: list[_Value]) -> None:
        for part in parts:
            part.is_open = False
            whole.depth = max(whole.depth, 1 + part.depth)
            whole.size += part.size
        if whole.depth > _DEEPEST:
            raise TooMuchError(f"values more than {_DEEPEST} deep in each other")
        if whole.size > self._limit:
            raise TooMuchError(f"more than {_GROWTH} times its size, by naming the same values again and again")


def _scalar(argument: object) -> _Value:
    if isinstance(argument, int) and not -_LARGEST_KEY < argument < _LARGEST_KEY:
        return _BIG_NUMBER
    if isinstance(argument, (str, bytes, bytearray)) and len(argument) > 1:
        return _Value(size=len(argument))
    return _SCALAR


_SCALARS = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "FLOAT",
        "BINFLOAT",
        "GLOBAL",
        "PERSID",
        "EXT1",
        "EXT2",
        "EXT4",
    ]
)
"""Opcodes that put one value on the stack, made of their argument alone."""
_SETS = frozenset(("EMPTY_SET", "ADDITEMS", "FROZENSET"))
_OPEN = frozenset(("EMPTY_LIST", "EMPTY_DICT"))
_MADE_OF: dict[str, int | None] = {
    "EMPTY_TUPLE": 0,
    "TUPLE1": 1,
    "TUPLE2": 2,
    "TUPLE3": 3,
    "TUPLE": None,
    "LIST": None,
    "DICT": None,
}
"""How many values these opcodes join; None: all above the last mark."""
_FILLED_WITH: dict[str, int | None] = {"APPEND": 1, "APPENDS": None, "SETITEM": 2, "SETITEMS": None, "BUILD": 1}
_CALLED_WITH: dict[str, int | None] = {
    "REDUCE": 2,
    "NEWOBJ": 2,
    "NEWOBJ_EX": 3,
    "STACK_GLOBAL": 2,
    "BINPERSID": 1,
    "INST": None,
    "OBJ": None,
}
