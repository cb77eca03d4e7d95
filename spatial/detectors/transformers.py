"""Detect people with transformers: RT-DETR, RT-DETRv2, D-FINE, DETR and others."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal

from pydantic.dataclasses import dataclass
from safetensors import SafetensorError

from spatial.detectors.base import BatchConfig, BatchDetector, NotANumberError, RawPeople, people_of
from stvg.compute.device import usable
from stvg.compute.pretrained import hub_options, refuse_odd_weights
from stvg.config import STRICT
from stvg.errors import InputError
from stvg.types import Image


@dataclass(frozen=True, config=STRICT, kw_only=True)
class PretrainedConfig(BatchConfig):
    """What the configs of detectors of transformers share."""

    name: str
    """A model's name on the hub, such as PekingU/rtdetr_v2_r18vd, or a folder that save_pretrained wrote."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TransformersConfig(PretrainedConfig):
    """People from a detector of transformers."""

    kind: Literal["transformers"] = "transformers"
    person_label: str = "person"
    """The class's name in the model's id2label, in any case."""

    def build(self, device: str) -> "TransformersDetector":
        """Return the detector on `device`.

        Raises:
            InputError: as TransformersDetector, or no such device.
        """
        return TransformersDetector(self, usable(device))


class PretrainedDetector(BatchDetector):
    """Runs a model of transformers with its own processor; a subclass reads people from the outputs."""

    def __init__(self, config: PretrainedConfig, processor: Any, model: Any, device: str) -> None:
        import torch

        super().__init__(config, config.name, config.batch_size)
        self._threshold, self._device = config.threshold, device
        self._dtype = torch.float16 if config.half else torch.float32
        self._processor, self._model = processor, model.to(device=device, dtype=self._dtype).eval()

    def _find(self, images: Image) -> list[RawPeople]:
        """Return the people of (n, h, w, 3) pictures, as the model's own processor reads them."""
        import torch

        inputs = self._processor(images=list(images), return_tensors="pt", **self._texts(len(images))).to(self._device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self._dtype)
        with torch.inference_mode():
            outputs = self._model(**inputs)
        return self._people(outputs, [images.shape[1:3]] * len(images))

    def _texts(self, count: int) -> dict[str, Any]:
        """Return what the processor gets beside `count` pictures."""
        return {}

    @abstractmethod
    def _people(self, outputs: Any, sizes: Sequence[tuple[int, ...]]) -> list[RawPeople]:
        """Return the people in the model's outputs, for pictures of these heights and widths.

        Raises:
            NotANumberError: an output that is not finite.
        """


class TransformersDetector(PretrainedDetector):
    """Runs AutoModelForObjectDetection over the frames of a video on `device`.

    Raises:
        InputError: no transformers, no such model, or a model without the class.
    """

    def __init__(self, config: TransformersConfig, device: str) -> None:
        super().__init__(config, *load_pretrained("transformers", config.name, "an object detector", _load), device)
        self._person = _person_id(self._model.config.id2label, config.person_label, config.name)

    def _people(self, outputs: Any, sizes: Sequence[tuple[int, ...]]) -> list[RawPeople]:
        import torch

        if not torch.isfinite(outputs.logits).all():  # the threshold would drop NaN without a word
            raise NotANumberError
        results = self._processor.post_process_object_detection(outputs, threshold=self._threshold, target_sizes=sizes)
        return [people_of(result["labels"], result["boxes"], result["scores"], self._person) for result in results]


def load_pretrained(kind: str, name: str, expected: str, load: Callable[[str], tuple[Any, Any]]) -> tuple[Any, Any]:
    """Return the processor and model that `load` makes of a hub name or folder, for the detector `kind`.

    Raises:
        InputError: no transformers, or no model of that name that is as `expected`, with finite weights.
    """
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise InputError(f"detector {kind}: expected the package transformers: pip install transformers") from error
    try:
        processor, model = load(name)
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"detector {name}: expected a folder or hub name of {expected}, got: {reason}") from error
    refuse_odd_weights(model.state_dict(), f"detector {name}")
    return processor, model


def _load(name: str) -> tuple[Any, Any]:
    """Return image processor and model."""
    from transformers import AutoImageProcessor, AutoModelForObjectDetection

    options = hub_options(name)
    processor = AutoImageProcessor.from_pretrained(name, **options)
    return processor, AutoModelForObjectDetection.from_pretrained(name, **options)


def _person_id(id2label: dict[int, str], label: str, name: str) -> int:
    """Return the class index of `label`.

    Raises:
        InputError: the model has no such class.
    """
    for index, text in id2label.items():
        if text.lower() == label.lower():
            return int(index)
    some = ", ".join(list(id2label.values())[:5])
    raise InputError(f"detector {name}: expected a class {label!r}, found {len(id2label)} classes: {some} ...")
