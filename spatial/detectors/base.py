"""Run detectors in batches and check their weights and outputs."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass as plain_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic.dataclasses import dataclass
from torch import nn

from spatial.detectors.postprocess import BoxFilterConfig, clean_detections
from stvg.compute.pretrained import refuse_odd_weights
from stvg.config import STRICT, Count
from stvg.errors import InputError
from stvg.types import Detections, Image, VideoFrames

_HEAD = re.compile(r"(^|\.)(box_predictor|bbox_head|rpn_head|head)(\.\d+)?$")
"""Matches the names of modules that output boxes and scores in torchvision, mmdet and detectron2."""


@plain_dataclass(frozen=True, slots=True, eq=False)
class RawPeople:
    """What a network found in one picture: `boxes_xyxy` (N, 4) in pixels of the picture, `scores` (N,) in [0, 1]."""

    boxes_xyxy: npt.NDArray[Any]
    scores: npt.NDArray[Any]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class BatchConfig(BoxFilterConfig):
    """What the configs of detectors that run in torch share."""

    batch_size: Count = 8
    """Frames per forward pass."""
    half: bool = False
    """Compute in float16, for GPUs: transformers throughout, the others where torch.autocast holds that to be safe."""


class NotANumberError(Exception):
    """A network gave NaN or infinity."""


class BatchDetector(ABC):
    """Finds people in batches of pictures; a subclass says in `_find` what it finds in one batch.

    `config` says which boxes are kept; `source` names the detector in errors; `batch_size` is the most pictures at
    once.
    """

    def __init__(self, config: BoxFilterConfig, source: str, batch_size: int = 1) -> None:
        self._filter, self._source, self._batch = config, source, batch_size

    def detect(self, video: VideoFrames) -> list[Detections]:
        """Return the people of each sampled frame, boxes in pixels of the original video.

        Raises:
            InputError: a result that is not finite, or cannot be read.
        """
        height, width = video.pictures.shape[1:3]
        to_video = np.array([video.meta.width / width, video.meta.height / height] * 2, dtype=np.float32)
        found: list[Detections] = []
        for start in range(0, len(video.pictures), self._batch):
            frames = video.frames[start : start + self._batch].tolist()
            try:
                people = self._find(video.pictures[start : start + self._batch])
            except NotANumberError as error:
                raise InputError(
                    f"{video.meta.path}: frames {frames[0]} to {frames[-1]}: expected finite scores from "
                    f"{self._source}, got NaN or infinity"
                ) from error
            found.extend(
                clean_detections(
                    frame, one.boxes_xyxy * to_video, one.scores, video.meta, source=self._source, keep=self._filter
                )
                for frame, one in zip(frames, people, strict=True)
            )
        return found

    @abstractmethod
    def _find(self, images: Image) -> list[RawPeople]:
        """Return the people of (n, h, w, 3) RGB pictures, n <= `batch_size`.

        Raises:
            NotANumberError: a result that is not finite.
        """


def people_of(labels: torch.Tensor, boxes_xyxy: torch.Tensor, scores: torch.Tensor, person: int) -> RawPeople:
    """Return what a network found in one picture, those alone whose label is `person`.

    `labels` (N,) class indices, `boxes_xyxy` (N, 4) pixels of the picture, `scores` (N,), on any device, floating
    point of any width.
    """
    kept = labels == person
    return RawPeople(boxes_xyxy[kept].float().cpu().numpy(), scores[kept].float().cpu().numpy())


@contextmanager
def forward_only(device: str, half: bool) -> Iterator[None]:
    """Compute without gradients, and with `half` in float16 where torch.autocast holds that to be safe."""
    with torch.inference_mode(), torch.autocast(torch.device(device).type, torch.float16, enabled=half):
        yield


def missing_package(kind: str, packages: str, command: str, error: Exception) -> InputError:
    """Return the error that says in one line what detector `kind` needs and the command that installs it."""
    reason = " ".join(str(error).split())
    return InputError(f"detector {kind}: expected {packages}, got: {reason}; to install: {command}")


def watch_heads(model: nn.Module) -> None:
    """Make the model's heads raise NotANumberError where they give NaN, which any threshold would drop without a word.

    What they give in float16 becomes float32: mmcv's suppression, for one, takes nothing else. Heads are known by
    their names; a model that has none of them is not watched.
    """
    for name, module in model.named_modules():
        if _HEAD.search(name) and not isinstance(module, nn.ModuleList):
            module.register_forward_hook(_watch)


def _watch(module: nn.Module, inputs: object, outputs: object) -> object:
    if any(bool(torch.isnan(tensor).any()) for tensor in _tensors(outputs)):
        raise NotANumberError
    return _as_float32(outputs) if any(tensor.dtype == torch.float16 for tensor in _tensors(outputs)) else None


def _as_float32(value: Any) -> Any:
    """Return nested dicts, lists and tuples with their floating tensors in float32."""
    if isinstance(value, torch.Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: _as_float32(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_as_float32(item) for item in value)
    return value


def _tensors(value: object) -> Iterator[torch.Tensor]:
    """Give the floating tensors in nested dicts, lists and tuples."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def load_strictly(model: nn.Module, state: object, source: str) -> None:
    """Load weights by their names, all of them.

    BatchNorm's counters `num_batches_tracked` may be missing or too many: frozen ones have none, and only training
    reads them. Arrays are taken as tensors.

    Raises:
        InputError: not weights by name, or names or shapes that differ from the model's, or NaN or infinity;
            some are named.
    """
    if not isinstance(state, dict):
        raise InputError(f"{source}: expected weights by name, got {type(state).__name__}")
    tensors = {
        name: torch.as_tensor(value) for name, value in state.items() if isinstance(value, torch.Tensor | np.ndarray)
    }
    refuse_odd_weights(tensors, source)
    try:
        missing, unexpected = model.load_state_dict(tensors, strict=False)
    except RuntimeError as error:  # shapes
        raise InputError(f"{source}: expected weights of this model: {' '.join(str(error).split())[:300]}") from error
    for problem, names in (("missing", missing), ("unexpected", unexpected)):
        names = [name for name in names if not name.endswith("num_batches_tracked")]
        if names:
            raise InputError(
                f"{source}: expected weights of this model, {len(names)} {problem}: {', '.join(names[:3])} ..."
            )
