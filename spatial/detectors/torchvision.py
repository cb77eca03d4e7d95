"""People from the object detectors of torchvision: Faster R-CNN, RetinaNet, FCOS, SSD."""

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
from stvg.config import STRICT
from stvg.errors import InputError
from stvg.pickles.torch_file import read_torch_file
from stvg.types import Image

INSTALL = "pip install torch==2.14.1 torchvision==0.29.1 (the two must fit each other)"


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TorchvisionConfig(BatchConfig):
    """People from a detector of torchvision."""

    kind: Literal["torchvision"] = "torchvision"
    name: str = "fasterrcnn_resnet50_fpn_v2"
    """A model of torchvision.models.detection, as list_models gives them."""
    weights: Path | None = None
    """A file of torch.save with the model's weights by name; None: those that torchvision publishes, which it fetches
    at the first use and keeps."""
    num_classes: int = Field(default=91, ge=2)
    """Classes of `weights`, the background among them; 91: COCO as torchvision counts it."""
    person_class: int = 1
    """Index of the class "person"."""
    min_size: int | None = Field(default=None, ge=32)
    """Pixels of the shorter side to which pictures are resized; None: the model's own. SSD's size is fixed."""
    max_size: int | None = Field(default=None, ge=32)
    """Pixels that the longer side may have then; None: the model's own."""


class TorchvisionDetector(BatchDetector):
    """Runs a model of torchvision.models.detection on `device`; see TorchvisionConfig for the other arguments."""

    def __init__(
        self,
        name: str = "fasterrcnn_resnet50_fpn_v2",
        *,
        device: str = "cpu",
        weights: Path | None = None,
        num_classes: int = 91,
        person_class: int = 1,
        min_size: int | None = None,
        max_size: int | None = None,
        threshold: float = 0.2,
        min_side: float = 8.0,
        batch_size: int = 8,
        half: bool = False,
    ) -> None:
        model = _load(name, weights, num_classes)
        _resize(model, name, min_size, max_size)
        watch_heads(model)
        super().__init__(name, threshold=threshold, min_side=min_side, batch_size=batch_size)
        self._model = model.to(device).eval()
        self._device, self._half, self._person = device, half, person_class

    def _find(self, images: Image) -> list[RawPeople]:
        """Return the people of (n, h, w, 3) pictures."""
        import torch

        pixels = torch.tensor(images, device=self._device).permute(0, 3, 1, 2).float() / 255
        with forward_only(self._device, self._half):
            results = self._model(list(pixels))
        return [people_of(result["labels"], result["boxes"], result["scores"], self._person) for result in results]


def _load(name: str, weights: Path | None, num_classes: int) -> Any:
    """Return a model with its weights.

    Raises:
        InputError: no torchvision, no such model, weights of another one, or published weights that cannot be had.
    """
    try:
        from torchvision.models import detection, get_model, get_model_weights, list_models
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision built for another torch
        raise missing_package("torchvision", "the package torchvision", INSTALL, error) from error
    if name not in (known := list_models(module=detection)):
        raise InputError(f"detector torchvision: name: expected one of {', '.join(known)}, got {name!r}")
    if weights is not None:
        model = get_model(name, weights=None, weights_backbone=None, num_classes=num_classes)
        load_strictly(model, read_torch_file(weights), str(weights))
        return model
    published = get_model_weights(name).DEFAULT
    try:
        # Read once as plain tensors: the model's own reading, which follows, would also execute what a file names.
        published.get_state_dict(progress=False, check_hash=True, weights_only=True)
        return get_model(name, weights=published)
    except Exception as error:  # the network, a wrong hash, a damaged file: torch promises no set of exceptions
        reason = " ".join(str(error).split())
        raise InputError(
            f"detector torchvision: expected the published weights {published.url}, got: {reason}; "
            "detector.weights=FILE names a file of yours"
        ) from error


def _resize(model: Any, name: str, min_size: int | None, max_size: int | None) -> None:
    """Set to which size the model brings its pictures.

    Raises:
        InputError: a model whose size is fixed.
    """
    if (min_size, max_size) == (None, None):
        return
    if getattr(model.transform, "fixed_size", None) is not None:
        raise InputError(f"detector torchvision: min_size, max_size: expected none for {name}, whose size is fixed")
    if min_size is not None:
        model.transform.min_size = (min_size,)
    if max_size is not None:
        model.transform.max_size = max_size
