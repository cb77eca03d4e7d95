"""Where the clips of training items are kept: in memory while there is room, then in a file."""

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
"""Takes the clips of an item over and returns what gives them back."""


def keep_in_memory(clips: Tensor) -> Callable[[], Tensor]:
    """Return what gives back `clips`."""
    return lambda: clips


class ClipMemory:
    """Keeps clips in memory up to `room_bytes`, first come, first kept; what is beyond that in a file in `folder`.

    The file has no name and ends with the process, even one that is killed. A batch reads its clips from it; the system
    holds of it what fits into memory that nobody else needs.
    """

    def __init__(self, folder: Path, room_bytes: int) -> None:
        self._folder = folder
        self._room = room_bytes
        self._file: IO[bytes] | None = None

    def keep(self, clips: Tensor) -> Callable[[], Tensor]:
        """Return what gives back `clips`, float32 of any shape.

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
            wanted = "room on the disk" if is_disk_full(error) else "a folder that can be written to"
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
