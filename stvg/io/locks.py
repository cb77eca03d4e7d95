"""Lock an output, so that one run at a time writes there.

The lock ends with the process that holds it, even one that is killed.
"""

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from stvg.errors import InputError


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the lock on an output, a file or a folder, while the block runs.

    The lock is the hidden file `.NAME.lock` beside `target`, held by the system (flock), so that it ends with the
    process however that ends. The file is removed at the end; a killed run leaves it, unlocked, and it does no harm.

    Raises:
        InputError: another run holds it (the message says which), or the folder cannot be written to.
    """
    path = target.with_name(f".{target.name}.lock")
    is_new = not path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _acquire(path)
    except OSError as error:
        raise InputError(
            f"{target}: expected a folder that can be written to, got: {error.strerror or error}"
        ) from error
    if file is None:
        raise InputError(f"{target}: expected no other run that writes here, found one: {_holder(path)}; wait for it")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()
        if is_new:
            with suppress(OSError):  # the run left something there
                path.parent.rmdir()


def _acquire(path: Path) -> TextIO | None:
    """Return the locked file, None where somebody else has it."""
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if _is_still(path, file):
            break
        file.close()  # its holder removed it between our opening and locking it
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}, {Path(sys.argv[0]).name}")
    file.flush()
    return file


def _is_still(path: Path, file: TextIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    """Return what the holder wrote about itself."""
    try:
        return path.read_text(encoding="utf-8") or "unknown"
    except OSError:
        return "unknown"
