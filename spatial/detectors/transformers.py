"""Detect people with transformers: RT-DETR, RT-DETRv2, D-FINE, DETR and others."""

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
class TransformersConfig(BatchConfig):
    """People from a detector of transformers."""

    kind: Literal["transformers"] = "transformers"
    name: str
    """A model's name on the hub, such as PekingU/rtdetr_v2_r18vd, or a folder that save_pretrained wrote."""
    person_label: str = "person"
    """The class's name in the model's id2label, in any case."""

    def build(self, device: str) -> "TransformersDetector":
        """Return the detector on `device`.

        Raises:
            InputError: as TransformersDetector, or no such device.
        """
        return TransformersDetector(self, usable(device))


class TransformersDetector(BatchDetector):
    """Runs AutoModelForObjectDetection over the frames of a video on `device`.

    Raises:
        InputError: no transformers, no such model, or a model without the class.
    """

    def __init__(self, config: TransformersConfig, device: str = "cpu") -> None:
        import torch

        super().__init__(config, config.name, config.batch_size)
        self._config, self._device, self._dtype = config, device, torch.float16 if config.half else torch.float32
        self._processor, model = _load(config.name)
        self._model = model.to(device=device, dtype=self._dtype).eval()
        self._person = _person_id(self._model.config.id2label, config.person_label, config.name)

    def _find(self, images: Image) -> list[RawPeople]:
        """Return the people of (n, h, w, 3) pictures, as the model's own processor reads them."""
        import torch

        inputs = self._processor(images=list(images), return_tensors="pt").to(self._device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self._dtype)
        with torch.inference_mode():
            outputs = self._model(**inputs)
        if not torch.isfinite(outputs.logits).all():  # the threshold would drop NaN without a word
            raise NotANumberError
        results = self._processor.post_process_object_detection(
            outputs, threshold=self._config.threshold, target_sizes=[images.shape[1:3]] * len(images)
        )
        return [people_of(result["labels"], result["boxes"], result["scores"], self._person) for result in results]


def _load(name: str) -> tuple[Any, Any]:
    """Return image processor and model.

    Raises:
        InputError: neither a folder nor a model that the hub gives.
    """
    try:
        from transformers import AutoImageProcessor, AutoModelForObjectDetection
    except ImportError as error:
        raise InputError(
            "detector transformers: expected the package transformers: pip install transformers"
        ) from error
    try:
        processor = AutoImageProcessor.from_pretrained(name, **hub_options(name))
        model = AutoModelForObjectDetection.from_pretrained(name, **hub_options(name))
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"detector {name}: expected a folder or hub name of an object detector, got: {reason}"
        ) from error
    refuse_odd_weights(model.state_dict(), f"detector {name}")
    return processor, model


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
