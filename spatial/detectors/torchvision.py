"""Detect people with torchvision: Faster R-CNN, RetinaNet, FCOS, SSD."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from spatial.detectors.base import (
    BatchConfig,
    BatchDetector,
    RawPeople,
    forward_only,
    load_strictly,
    missing_package,
    people_of,
    watch_heads,
)
from stvg.compute.device import usable
from stvg.config import STRICT, Pixels, WholeNumber
from stvg.errors import InputError
from stvg.pickles.torch_file import read_torch_file
from stvg.types import Image

INSTALL = "pip install torch==2.14.1 torchvision==0.29.1 (the two must fit each other)"
"""Command for the error where torchvision is missing."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TorchvisionConfig(BatchConfig):
    """People from a detector of torchvision."""

    kind: Literal["torchvision"] = "torchvision"
    name: str = "fasterrcnn_resnet50_fpn_v2"
    """A model of torchvision.models.detection, as list_models gives them."""
    weights: Path | None = None
    """A file of torch.save with the model's weights by name; None: those that torchvision publishes, which it fetches
    at the first use and keeps."""
    num_classes: int = Field(default=91, ge=2, le=1 << 14)
    """Classes of `weights`, the background among them; 91: COCO as torchvision counts it."""
    person_class: WholeNumber = 1
    """Index of the class "person"."""
    min_size: Pixels | None = None
    """Pixels of the shorter side to which pictures are resized; None: the model's own. SSD's size is fixed."""
    max_size: Pixels | None = None
    """Pixels that the longer side may have then; None: the model's own."""

    def build(self, device: str) -> "TorchvisionDetector":
        """Return the detector on `device`.

        Raises:
            InputError: as TorchvisionDetector, or no such device.
        """
        return TorchvisionDetector(self, usable(device))


class TorchvisionDetector(BatchDetector):
    """Runs a model of torchvision.models.detection on `device`.

    Raises:
        InputError: no torchvision, no such model, weights of another one, or a size for a model whose size is fixed.
    """

    def __init__(self, config: TorchvisionConfig, device: str) -> None:
        super().__init__(config, config.name, config.batch_size)
        model = _load(config)
        _resize(model, config)
        watch_heads(model)
        self._model = model.to(device).eval()
        self._config, self._device = config, device

    def _find(self, images: Image) -> list[RawPeople]:
        """Return the people of (n, h, w, 3) pictures."""
        import torch

        pixels = torch.tensor(images, device=self._device).permute(0, 3, 1, 2).float() / 255
        with forward_only(self._device, self._config.half):
            results = self._model(list(pixels))
        person = self._config.person_class
        return [people_of(result["labels"], result["boxes"], result["scores"], person) for result in results]


def _load(config: TorchvisionConfig) -> Any:
    """Return the model with its weights.

    Raises:
        InputError: no torchvision, no such model, weights of another one, or published weights that cannot be had.
    """
    try:
        from torchvision.models import detection, get_model, get_model_weights, list_models
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision built for another torch
        raise missing_package("torchvision", "the package torchvision", INSTALL, error) from error
    if config.name not in (known := list_models(module=detection)):
        raise InputError(f"detector torchvision: name: expected one of {', '.join(known)}, got {config.name!r}")
    if config.weights is not None:
        model = get_model(config.name, weights=None, weights_backbone=None, num_classes=config.num_classes)
        load_strictly(model, read_torch_file(config.weights), str(config.weights))
        return model
    published = get_model_weights(config.name).DEFAULT
    try:
        # Read once as plain tensors: the model's own reading, which follows, would also execute what a file names.
        published.get_state_dict(progress=False, check_hash=True, weights_only=True)
        return get_model(config.name, weights=published)
    except Exception as error:  # the network, a wrong hash, a damaged file: torch promises no set of exceptions
        reason = " ".join(str(error).split())
        raise InputError(
            f"detector torchvision: expected the published weights {published.url}, got: {reason}; "
            "detector.weights=FILE names a file of yours"
        ) from error


def _resize(model: Any, config: TorchvisionConfig) -> None:
    """Set to which size the model brings its pictures.

    Raises:
        InputError: a model whose size is fixed.
    """
    if (config.min_size, config.max_size) == (None, None):
        return
    if getattr(model.transform, "fixed_size", None) is not None:
        raise InputError(
            f"detector torchvision: min_size, max_size: expected none for {config.name}, whose size is fixed"
        )
    if config.min_size is not None:
        model.transform.min_size = (config.min_size,)
    if config.max_size is not None:
        model.transform.max_size = config.max_size
