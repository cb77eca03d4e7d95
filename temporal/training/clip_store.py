"""Keep training clips in memory up to a limit, then on disk."""

import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from stvg.errors import InputError
from stvg.io.files import is_disk_full

Keep = Callable[[Tensor], Callable[[], Tensor]]
"""Stores the clips of an item and returns the function that reads them."""


def keep_in_memory(clips: Tensor) -> Callable[[], Tensor]:
    """Return a function that returns `clips`."""
    return lambda: clips


class ClipStore:
    """Keeps the first clips in memory, up to `room_bytes`, and all further ones in an anonymous file in `folder`.

    The system removes the file when the process ends, also when it is killed. Its page cache keeps the file's recently
    read parts in free memory.
    """

    def __init__(self, folder: Path, room_bytes: int) -> None:
        self._folder = folder
        self._room = room_bytes
        self._file: IO[bytes] | None = None

    def keep(self, clips: Tensor) -> Callable[[], Tensor]:
        """Store `clips`, float32 of any shape, and return the function that reads them.

        Raises:
            InputError: the disk is full, or the folder cannot be written to.
        """
        if clips.nbytes <= self._room:
            self._room -= clips.nbytes
            return keep_in_memory(clips)
        try:
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 (closed with this object)
                weakref.finalize(self, _close, self._file)
            offset = self._file.seek(0, 2)
            self._file.write(clips.contiguous().numpy().data)
            self._file.flush()
        except OSError as error:
            wanted = "room on the disk" if is_disk_full(error, None) else "a folder that can be written to"
            raise InputError(
                f"{self._folder}: expected {wanted} for training items beyond data.memory_gib, "
                f"got: {error.strerror or error}"
            ) from error
        return partial(self._read, self._file, offset, tuple(clips.shape))

    def _read(self, file: IO[bytes], offset: int, shape: tuple[int, ...]) -> Tensor:
        clips = np.empty(shape, dtype=np.float32)
        file.seek(offset)
        file.readinto(clips.data)  # type: ignore[attr-defined]
        return torch.from_numpy(clips)


def _close(file: IO[bytes]) -> None:
    with suppress(OSError):  # what a full disk did not take is still to be written
        file.close()
