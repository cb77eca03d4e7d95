"""Read and check one prepared video of an HDF5 store.

A file may be damaged, foreign, or promise more than it holds: whatever is wrong with it becomes one InputError that
names the file and the item.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from stvg.errors import InputError
from stvg.io.files import is_finite_number, refuse_pointer
from stvg.types import PreparedVideo, Tube, VideoMeta

_HIGHEST = 1 << 31
"""Frames, pixels and numbers of tubes stay below it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What says whether a stored video counts: its recipe, its source, and the video whose arrays it shares."""

    recipe: str
    source: str
    same_as: str | None


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open a file of prepared videos for reading.

    Raises:
        InputError: it is not HDF5, or damaged where it is read.
    """
    refuse_pointer(path)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())  # HDF5 reports damage with any of these
        raise InputError(f"{path}: expected an HDF5 file of prepared videos, got: {reason}") from error


def read_entry(group: object) -> Entry:
    """Return what decides whether a group of an opened file counts.

    Raises:
        InputError: it is no group, or an attribute is missing or of another kind.
    """
    found = _group(group)
    same_as = _text(found, "same_as") if "same_as" in found.attrs else None
    return Entry(_text(found, "recipe"), _text(found, "source"), same_as)


def read_meta(video_id: str, group: h5py.Group) -> VideoMeta:
    """Return what a group says of its video file.

    Raises:
        InputError: as read_entry.
    """
    fps: Any = _attribute(group, "fps")
    if not is_finite_number(fps) or not 0 < fps < _HIGHEST:
        raise _unlike(group, "fps", "a number above 0", fps)
    frames, width, height = (_whole(group, name, 1) for name in ("num_frames", "width", "height"))
    return VideoMeta(video_id, Path(_text(group, "path")), frames, float(fps), width, height)


def read_video(video_id: str, group: h5py.Group) -> PreparedVideo:
    """Return the video of a group that holds its own arrays.

    Raises:
        InputError: as read_entry, or an array is missing, of another shape or kind, or not finite.
    """
    meta, source = read_meta(video_id, group), _text(group, "source")
    tubes, features = [], []
    stored_tubes = _group(group["tubes"]) if "tubes" in group else {}
    for name in sorted(stored_tubes):
        stored = _group(stored_tubes[name])
        boxes = _array(stored, "boxes_xyxy", "f", (None, 4))
        count = len(boxes)
        if count == 0:
            raise _unlike(stored, "boxes_xyxy", "at least one box", boxes.shape)
        arrays = boxes, _array(stored, "scores", "f", (count,)), _array(stored, "observed", "b", (count,))
        tubes.append(Tube(_whole(stored, "tube_id", 0), _whole(stored, "start_frame", 0), *arrays))
        features.append(_array(stored, "features", "f", (None, None)))
        if len(features[-1]) == 0 or features[-1].shape[1] != features[0].shape[1]:
            raise _unlike(stored, "features", f"rows of {features[0].shape[1]} numbers", features[-1].shape)
    clip_features = _array(group, "clip_features", "f", (None, None))
    normalised = "normalised" in group.attrs and bool(_attribute(group, "normalised"))
    return PreparedVideo(meta, clip_features, tuple(tubes), tuple(features), source, normalised)


def _group(value: object) -> h5py.Group:
    if not isinstance(value, h5py.Group):
        name = f"{value.file.filename}: {value.name}" if isinstance(value, h5py.HLObject) else "prepared videos"
        raise InputError(f"{name}: expected a group, found something else")
    return value


def _attribute(group: h5py.Group, name: str) -> Any:
    """Return a single value as a plain one of Python's."""
    if name not in group.attrs:
        raise _unlike(group, name, "an attribute", "none")
    if group.attrs.get_id(name).shape != ():
        raise _unlike(group, name, "a single value", "several")
    value = group.attrs[name]
    return value.item() if isinstance(value, np.generic) else value


def _text(group: h5py.Group, name: str) -> str:
    value = _attribute(group, name)
    if not isinstance(value, str) or not value.isprintable():
        raise _unlike(group, name, "text", value)
    return value


def _whole(group: h5py.Group, name: str, least: int) -> int:
    value = _attribute(group, name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < _HIGHEST:
        raise _unlike(group, name, f"a whole number from {least} to {_HIGHEST - 1}", value)
    return value


def _array(group: h5py.Group, name: str, kind: str, shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
    """Return a data set, numbers as float32; `kind` is NumPy's letter for its type, None in `shape` any length."""
    found = group.get(name)
    wanted = f"an array ({', '.join('any' if length is None else str(length) for length in shape)})"
    if not isinstance(found, h5py.Dataset) or found.dtype.kind != kind or found.shape is None:
        raise _unlike(group, name, f"{wanted} of {'numbers' if kind == 'f' else 'truth values'}", found)
    if len(found.shape) != len(shape) or any(
        want not in (None, got) for want, got in zip(shape, found.shape, strict=True)
    ):
        raise _unlike(group, name, wanted, found.shape)
    if found.id.get_storage_size() < found.nbytes:
        raise _unlike(group, name, f"{found.nbytes} bytes in this file", found.id.get_storage_size())
    with np.errstate(over="ignore", invalid="ignore"):
        array: npt.NDArray[Any] = np.asarray(found).astype(np.bool_ if kind == "b" else np.float32, copy=False)
    if not np.isfinite(array).all():
        raise _unlike(group, name, "finite numbers", "NaN or infinity")
    return array


def _unlike(group: h5py.Group, name: str, expected: str, found: object) -> InputError:
    """Return the error for an item of a group that is not as it should be."""
    shown = repr(found) if isinstance(found, (str, bytes)) else " ".join(str(found).split())
    where = f"{group.file.filename}: {group.name}: {name}"
    return InputError(f"{where}: expected {expected}, as stvg prepare writes it, found {shown[:80]}")
