"""Read MMN-STVG's files of person tubes and their features, in both forms.

Source: STVGDataset and STVGTestset of atao99/MMN-STVG (tan/data/datasets/stvg.py and stvgtest.py), which read the
first form (fromprep=False) and write the second, from which they then train. STEM is a video's name without extension.

As detected:
- tubes, DIR/STEM_tubes.pkl: {0: [[rows (T, 6), score], ...]}, a row being frame, x1, y1, x2, y2, detector's score;
- features, a file for many videos: {STEM: [[row (1 + D,), ...], ...]}, per tube its rows, which begin with a frame.

Prepared:
- tubes, DIR/STEM.pkl: {"tubes": [rows (T, 5), ...], ...};
- features, DIR/STEM.pkl: (tubes, 32, D), the rows brought to unit length and averaged to 32 equal parts of the tube.

The second score of a tube, and what else a prepared file holds, is not read: no more does the official code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stvg.errors import InputError
from stvg.io.files import LARGEST_FLOAT32
from stvg.pickles.plain_pickle import as_array, read_pickle
from stvg.types import Float64Array, FloatArray
from temporal.mmn.clip_features import normalise_features


@dataclass(frozen=True, slots=True, eq=False)
class TubeFile:
    """The tubes of one video: each (T, 5 or more) float64: frame as in the file, x1, y1, x2, y2, perhaps a score."""

    path: Path
    tubes: tuple[Float64Array, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRows:
    """What one kind of features says of a tube: `rows` (R, D) float32, as the official code gives them to the network.

    `frames` (R,) float64 are their frames as in the file; None where the rows are equal parts of the tube.
    """

    rows: FloatArray
    frames: Float64Array | None


class TubeFolders:
    """Folders of tube files, say one for each part of a split."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = folders
        for folder in folders:
            if not folder.is_dir():
                raise InputError(f"{folder}: expected a folder of tube files, found none")

    def read(self, stem: str) -> TubeFile | None:
        """Return the tubes of a video, None where no folder has its file.

        Raises:
            InputError: several folders have it, or it cannot be read.
        """
        names = [f"{stem}_tubes.pkl", f"{stem}.pkl"]
        path = _only([folder / name for folder in self.folders for name in names if (folder / name).is_file()])
        return None if path is None else TubeFile(path, _read_tubes(path))


class FeatureFiles:
    """One kind of features: files for many videos, held in memory, and folders with a file for each.

    Raises:
        InputError: a file cannot be read, or is not of either form.
    """

    def __init__(self, name: str, paths: Sequence[Path]) -> None:
        self.name = name
        self.folders = [path for path in paths if path.is_dir()]
        self.files = {path: _read_features(path) for path in paths if not path.is_dir()}

    def read(self, stem: str) -> tuple[FeatureRows, ...] | None:
        """Return the features of each of a video's tubes, None where they are nowhere.

        Raises:
            InputError: they are in several places, or are not of either form.
        """
        places = [folder / f"{stem}.pkl" for folder in self.folders if (folder / f"{stem}.pkl").is_file()]
        place = _only(places + [path for path, videos in self.files.items() if stem in videos])
        if place is None:
            return None
        if place in self.files:
            where = f"{place}: {stem}"
            tubes = _list(self.files[place][stem], where)
            return tuple(_detected(tube, f"{where}: tube {index}") for index, tube in enumerate(tubes))
        prepared = _floats(read_pickle(place))
        if prepared is None or prepared.ndim != 3 or prepared.shape[1] == 0:
            found = "something else" if prepared is None else prepared.shape
            raise InputError(f"{place}: expected an array (tubes, parts, features), got {found}")
        return tuple(FeatureRows(_finite(rows, f"{place}: tube {k}"), None) for k, rows in enumerate(prepared))


def _only(places: list[Path]) -> Path | None:
    if len(places) > 1:
        raise InputError(f"{places[0]}: expected a video in one place, found it in {places[1]} too")
    return places[0] if places else None


def _read_tubes(path: Path) -> tuple[Float64Array, ...]:
    loaded = read_pickle(path)
    if not isinstance(loaded, dict) or not {0, "tubes"} & loaded.keys():
        raise InputError(
            f'{path}: expected {{0: [[rows, score], ...]}} or {{"tubes": [rows, ...]}}, got {_kind(loaded)}'
        )
    if "tubes" in loaded:
        listed = _list(loaded["tubes"], f"{path}: tubes")
    else:
        listed = [_rows_of_pair(pair, f"{path}: tube {k}") for k, pair in enumerate(_list(loaded[0], f"{path}: 0"))]
    return tuple(_tube(rows, f"{path}: tube {index}") for index, rows in enumerate(listed))


def _rows_of_pair(pair: Any, where: str) -> Any:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise InputError(f"{where}: expected [rows, score], got {_kind(pair)}")
    return pair[0]


def _tube(rows: Any, where: str) -> Float64Array:
    array = _floats(rows)
    if array is None or array.ndim != 2 or array.shape[0] == 0 or array.shape[1] < 5:
        found = _kind(rows) if array is None else array.shape
        raise InputError(f"{where}: expected rows of frame, x1, y1, x2, y2 and perhaps a score, got {found}")
    return np.asarray(_finite(array, where), dtype=np.float64)


def _read_features(path: Path) -> dict[Any, Any]:
    loaded = read_pickle(path)
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: expected {{video: [[row, ...], ...]}}, got {_kind(loaded)}")
    return loaded


def _detected(tube: Any, where: str) -> FeatureRows:
    """Return a tube's rows (1 + D,), the first number of each a frame; the others are brought to unit length."""
    array = _floats(tube)
    if array is None or array.ndim != 2 or array.shape[0] == 0 or array.shape[1] < 2:
        found = _kind(tube) if array is None else array.shape
        raise InputError(f"{where}: expected rows of a frame number and features, got {found}")
    values = _finite(array, where)
    rows = normalise_features(values[:, 1:].astype(np.float32))
    return FeatureRows(np.asarray(rows, dtype=np.float32), np.asarray(values[:, 0], dtype=np.float64))


def _floats(value: Any) -> Any:
    """Return an array, a tensor or a list of such as one array of numbers, None where that cannot be."""
    array = as_array(value)
    if array is None and isinstance(value, (list, tuple)):
        rows = [row if (one := as_array(row)) is None else one for row in value]
        try:
            array = np.array(rows, dtype=np.float64)
        except (ValueError, TypeError, OverflowError):
            return None
    return None if array is None or array.dtype.kind not in "fiu" else array


def _finite(array: Any, where: str) -> Any:
    """Return the array (R, C), all of whose numbers are finite, in 32 bits too."""
    bad = np.flatnonzero(~(np.abs(array) <= LARGEST_FLOAT32).all(axis=1))
    if bad.size:
        raise InputError(f"{where}: expected finite numbers, got others in row {bad[0]}")
    return np.asarray(array, dtype=np.float64 if array.dtype == np.float64 else np.float32)


def _list(value: Any, where: str) -> list[Any]:
    array = as_array(value)
    if array is not None and array.ndim == 3:
        return list(array)
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{where}: expected a list with an entry for each tube, got {_kind(value)}")
    return list(value)


def _kind(value: Any) -> str:
    """Describe a value of a file in an error message."""
    array = as_array(value)
    if array is not None:
        return f"an array {array.shape}"
    if isinstance(value, (dict, list, tuple)):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__
