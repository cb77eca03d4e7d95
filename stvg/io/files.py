"""Read JSON with one-line errors; write files atomically."""

import errno
import glob
import json
import math
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from stvg.errors import InputError

_LONGEST_KEY_BYTES = 200
"""File systems allow 255 bytes in a name; the rest is for the suffixes that outputs add."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
LARGEST_FLOAT32 = 3.4028234663852886e38
"""Boxes, scores and features are kept in 32 bits."""
_ROOM = 1 << 16
"""Free bytes below which a disk counts as full."""


def read_json(path: Path) -> Any:
    """Return the data in a UTF-8 JSON file.

    NaN and Infinity are read as such, so that the reader of the format can name the item that holds them.

    Raises:
        InputError: the file cannot be read, is not JSON, or an object in it has the same key twice.
    """
    refuse_pointer(path)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_without_duplicates)
    except OSError as error:
        raise InputError(f"{path}: expected a readable JSON file, got: {error.strerror or error}") from error
    except _DuplicateKeyError as error:
        raise InputError(f"{path}: expected each key once, got {error.args[0]!r} twice") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON, got: {' '.join(str(error).split())}") from error


def refuse_pointer(path: Path) -> None:
    """Refuse the few lines that Git LFS leaves in place of a file that was not fetched.

    Raises:
        InputError: `path` holds such lines. A file that is missing or cannot be read is left to its reader.
    """
    with suppress(OSError), path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise InputError(
                f"{path}: expected the file itself, found a Git LFS pointer, not the file: run git lfs pull"
            )


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it replaces `path` at the end, or is removed if the block fails.

    The suffix stays, since writers of videos and images choose the format by it. Missing folders are made.

    Raises:
        InputError: `path` is a folder, its folder cannot be made or written to, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: expected a folder that can be made, got: {error.strerror or error}") from error
    if path.is_dir():
        raise InputError(f"{path}: expected a file to write, got a folder")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: expected a folder that can be written to, got {path.parent} without permission")
    beside = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        beside.touch()
        mode = beside.stat().st_mode  # of a new file under this umask; some libraries write theirs for the owner alone
        beside.unlink()  # what is written may be a link, which replaces no file
        yield beside
        made = beside.stat()
        if made.st_mode != mode and made.st_nlink == 1:
            beside.chmod(mode)
        beside.replace(path)
    except Exception as error:
        if is_disk_full(error, path.parent):
            raise InputError(f"{path}: expected room for it on the disk, found none left") from error
        raise
    finally:
        beside.unlink(missing_ok=True)


def refuse_overwriting(out: Path, inputs: Iterable[Path]) -> None:
    """Refuse to write to a file, or into a folder, that is read too, under whatever name.

    Raises:
        InputError: `out` is one of `inputs`: the same path, or a link to the same file.
    """
    try:
        found = out.resolve().stat()
    except (OSError, RuntimeError):  # not there yet, or a loop of links: writing it tells what is wrong
        return
    for path in inputs:
        try:
            same = os.path.samestat(found, path.resolve().stat())
        except (OSError, RuntimeError):
            continue
        if same:
            raise InputError(f"{out}: expected another {_kind(out)} to write than the one to read, {path}")


def _kind(path: Path) -> str:
    return "folder" if path.is_dir() else "file"


def remove_leftovers(target: Path) -> None:
    """Remove what killed runs left half-written of a file, or of all files in a folder; only for its lock's holder."""
    folder, name = (target, "*") if target.is_dir() else (target.parent, glob.escape(target.stem))
    suffix = "*" if target.is_dir() else glob.escape(target.suffix)
    for path in folder.glob(f".{name}.????????.part{suffix}"):
        path.unlink(missing_ok=True)


def is_disk_full(error: Exception, folder: Path | None) -> bool:
    """Tell whether writing failed because the disk, the quota or the limit on file sizes was reached.

    HDF5, torch and safetensors raise errors of their own kinds, some with the system's words, some with none: then it
    counts what room `folder` has left, if it is known.
    """
    if isinstance(error, InputError):
        return False
    words = [os.strerror(number) for number in _FULL] + [f"errno = {number}," for number in _FULL]
    found: BaseException | None = error
    while found is not None:  # torch fails again while it closes its file: the reason stands behind that error
        if (isinstance(found, OSError) and found.errno in _FULL) or any(word in str(found) for word in words):
            return True
        found = found.__cause__ or found.__context__
    return isinstance(error, (OSError, RuntimeError)) and folder is not None and _is_full(folder)


def _is_full(folder: Path) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _ROOM


def write_text_atomically(path: Path, text: str) -> None:
    """Write `text` as UTF-8; readers see the old file or the new one, never a part.

    Raises:
        InputError: as `writing`.
    """
    with writing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json_atomically(path: Path, value: Any, indent: int | None = None) -> None:
    """Write plain data as strict JSON (NaN and Infinity are refused), whole or not at all.

    Raises:
        InputError: as `writing`.
        ValueError: a number is not finite.
    """
    write_text_atomically(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent) + "\n")


def key_problem(key: object) -> str | None:
    """Return why a video's key cannot be used as a file name, or None if it can.

    Keys name videos, features and overlays on disk, so no key may lead out of a folder.

    >>> key_problem("55_vfjywN5CN0Y.mp4")
    >>> key_problem("../../x.mp4")
    "expected a plain file name as key, got '../../x.mp4'"
    """
    if not isinstance(key, str):
        return f"expected a string as key, got {key!r}"
    plain = key.strip() == key != "" and key.isprintable() and not any(part in key for part in ("/", "\\", ".."))
    if not plain or key == "." or len(key.encode("utf-8")) > _LONGEST_KEY_BYTES:
        return f"expected a plain file name as key, got {key[:_LONGEST_KEY_BYTES]!r}"
    return None


def is_finite_number(value: object) -> bool:
    """Whether a JSON value is a number (not true or false) that fits a float and is finite.

    >>> [is_finite_number(value) for value in (1, 2.5, True, "3", float("nan"), 10**400)]
    [True, True, False, False, False, False]
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def fits_float32(value: float) -> bool:
    """Whether a number is finite, and still is in 32 bits, as which boxes, scores and features are kept.

    >>> fits_float32(3e38), fits_float32(3.5e38), fits_float32(float("nan"))
    (True, False, False)
    """
    return abs(value) <= LARGEST_FLOAT32


class _DuplicateKeyError(Exception):
    """A JSON object has the same key twice."""


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build one JSON object."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise _DuplicateKeyError(key)
        values[key] = value
    return values
