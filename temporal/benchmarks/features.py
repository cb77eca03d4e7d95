"""Read clip features of videos from 2D-TAN's HDF5 files.

The file is opened once in each process that reads it. Source of the form: `get_vid_feat` of MCG-NJU/MMN
(mmn/data/datasets/utils.py), which opens it anew for every video.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from stvg.errors import InputError
from stvg.io.files import refuse_pointer
from stvg.types import FloatArray
from temporal.mmn.clip_features import average_clips, normalise_features

_GROWTH = 100
"""A data set may be compressed to no less than this part of its size."""


class FeatureFile:
    """Features (T, D) of each video: the data set `file[video_id]`, or `file[video_id][inner]` (ActivityNet's C3D).

    Raises:
        InputError: the file is not HDF5 or holds no video.
    """

    def __init__(self, path: Path, inner: str | None) -> None:
        self.path = path
        self.inner = inner
        refuse_pointer(path)
        with _undamaged(path):
            self._file = h5py.File(path, "r")
            first = next(iter(self._file), None)
            if first is None:
                raise InputError(f"{path}: expected the features of at least one video, found none")
            self.width = int(self._dataset(first).shape[1])

    def require(self, video_ids: Iterable[str]) -> None:
        """Check that all these videos are in the file.

        Raises:
            InputError: some are not; the message says how many and names the first.
        """
        wanted = list(video_ids)
        with _undamaged(self.path):
            missing = [video_id for video_id in wanted if video_id not in self._file]
        if missing:
            raise InputError(
                f"{self.path}: expected the features of {len(wanted)} videos, {len(missing)} are missing, "
                f"the first of them {missing[0]}"
            )

    def read(self, video_id: str) -> FloatArray:
        """Return the features (T, D) float32 of a video, T >= 1, D = `width`.

        Raises:
            InputError: the video is not in the file, its features have another shape, or hold NaN or infinity.
        """
        with _undamaged(self.path):
            dataset = self._dataset(video_id)
            if dataset.shape[1] != self.width or len(dataset) == 0:
                raise InputError(
                    f"{self.path}: {video_id}: expected features (T, {self.width}), T >= 1, got {dataset.shape}"
                )
            with np.errstate(over="ignore"):
                features: FloatArray = dataset[()].astype(np.float32)
        finite = np.isfinite(features).all(axis=1)
        if not finite.all():
            raise InputError(f"{self.path}: {video_id}: expected finite features, row {int(finite.argmin())} is not")
        return features

    def _dataset(self, video_id: str) -> Any:
        self.require([video_id])
        found = self._file[video_id]
        if self.inner is not None:
            found = found.get(self.inner) if isinstance(found, h5py.Group) else None
        if not isinstance(found, h5py.Dataset) or found.ndim != 2 or found.dtype.kind not in "fiu":
            name = video_id if self.inner is None else f"{video_id}/{self.inner}"
            raise InputError(f"{self.path}: {name}: expected a data set (T, D) of numbers, got {found}")
        if found.nbytes > _GROWTH * self.path.stat().st_size:
            raise InputError(
                f"{self.path}: {video_id}: expected features that are in this file, got {found.shape} of "
                f"{found.dtype} in {self.path.stat().st_size} bytes"
            )
        return found


@contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """Turn what HDF5 raises where a file is damaged into one InputError."""
    try:
        yield
    except InputError:
        raise
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: expected an HDF5 file of features, got: {' '.join(str(error).split())}") from error


class ClipReader:
    """The clips (P, D) of videos from a FeatureFile: rows of unit length averaged to `num_clips` P parts.

    `clamp` is MMN's boundary rule (temporal.mmn.clip_features). What was read stays in memory up to `memory_gib`; when
    that is full, further videos are read from the file each time.
    """

    def __init__(self, file: FeatureFile, num_clips: int, *, clamp: bool, memory_gib: float) -> None:
        self.file = file
        self.num_clips = num_clips
        self.clamp = clamp
        self._room = int(memory_gib * 2**30 / (num_clips * file.width * 4))
        self._kept: dict[str, Tensor] = {}

    def read(self, video_id: str) -> Tensor:
        """Return a video's clips (P, D) float32.

        Raises:
            InputError: as FeatureFile.read.
        """
        kept = self._kept.get(video_id)
        if kept is not None:
            return kept
        clips = clips_of(self.file.read(video_id), self.num_clips, clamp=self.clamp)
        if len(self._kept) < self._room:
            self._kept[video_id] = clips
        return clips


def clips_of(features: FloatArray, num_clips: int, *, clamp: bool) -> Tensor:
    """Return the clips (P, D) float32 of a video's features (T, D): unit rows averaged to `num_clips` P parts."""
    return torch.from_numpy(average_clips(normalise_features(features), num_clips, clamp=clamp).astype(np.float32))
