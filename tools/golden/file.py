"""Golden files: what an official implementation computed, and the error of what we compute instead."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from stvg.errors import InputError

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One recomputed figure: the `quantity` it belongs to, its own name, and its error as the golden README has it."""

    quantity: str
    name: str
    error: float


class _Config(dict[str, Any]):
    """A JSON object whose missing keys are errors of its file."""

    def __init__(self, path: Path, pairs: dict[str, Any]) -> None:
        super().__init__(pairs)
        self._path = path

    def __missing__(self, key: str) -> Any:
        raise InputError(f"{self._path}: config: expected a key {key}, found none")


class GoldenFile:
    """A golden .npz, read without unpickling, and the precision in which to recompute it.

    Raises:
        InputError: not an .npz, or without a config.
    """

    def __init__(self, path: Path, dtype: torch.dtype) -> None:
        self.path, self.dtype = path, dtype
        try:
            # Opened here, since np.load leaves the file open when the archive is broken.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                self._arrays: dict[str, Array] = {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: expected an .npz of plain arrays, got: {error}") from error
        try:
            config = json.loads(str(self["config"]), object_hook=lambda pairs: _Config(path, pairs))
        except json.JSONDecodeError as error:
            raise InputError(f"{path}: config: expected JSON, got: {error}") from error
        if not isinstance(config, _Config):
            raise InputError(f"{path}: config: expected a JSON object, got {type(config).__name__}")
        self.config: dict[str, Any] = config

    def __getitem__(self, key: str) -> Array:
        if key not in self._arrays:
            raise InputError(f"{self.path}: expected an array {key}, found none")
        return self._arrays[key]

    def tensor(self, key: str) -> Tensor:
        """Return an array as a tensor, floating ones in the file's precision."""
        tensor = torch.from_numpy(np.array(self[key]))
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

    def names(self, prefix: str) -> list[str]:
        """Return what follows `prefix` in the keys that begin with it."""
        return [key.removeprefix(prefix) for key in self._arrays if key.startswith(prefix)]

    def count(self, prefix: str) -> int:
        """Return how many keys `prefix`0, `prefix`1, ... there are, at least 1.

        Raises:
            InputError: there is none.
        """
        names = self.names(prefix)
        count = sum(str(index) in names for index in range(len(names)))
        if count == 0:
            raise InputError(f"{self.path}: expected arrays {prefix}0, {prefix}1, ..., found none")
        return count

    def compare(self, quantity: str, key: str, found: Tensor | Array | float, floor: float = 1e-12) -> Figure:
        """Return the error of `found` against the file's array `key`: max |a - b| / max(max |b|, floor)."""
        expected = self[key]
        actual = found.detach().numpy() if isinstance(found, Tensor) else np.asarray(found)
        if actual.shape != expected.shape:
            return Figure(quantity, key, float("inf"))
        wanted, got = expected.astype(np.float64), actual.astype(np.float64)
        largest = np.abs(wanted).max(initial=0.0)
        error = float(np.abs(got - wanted).max(initial=0.0) / max(largest, floor))
        return Figure(quantity, key, error if np.isfinite(error) else float("inf"))
