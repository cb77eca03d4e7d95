"""People from any object detector of Hugging Face transformers: RT-DETR, RT-DETRv2, D-FINE, DETR and their like."""

from typing import Any, Literal

from pydantic.dataclasses import dataclass

from spatial.detectors.clean import clean_detections
from stvg.config import STRICT
from stvg.errors import InputError
from stvg.interfaces import Footage
from stvg.types import Detections


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TransformersConfig:
    """People from a detector of transformers."""

    kind: Literal["transformers"] = "transformers"
    name: str
    """A model's name on the hub, such as PekingU/rtdetr_v2_r18vd, or a folder that save_pretrained wrote."""
    threshold: float = 0.2
    """Least score of a person, in [0, 1]; the tracker starts tracks only from its own, higher one."""
    min_side: float = 8.0
    """Least width and height of a person, in pixels of the original video."""
    person_label: str = "person"
    """The class's name in the model's id2label, in any case."""
    batch_size: int = 8
    """Frames per forward pass."""
    half: bool = False
    """Compute in float16; for GPUs."""


class TransformersDetector:
    """Runs AutoModelForObjectDetection over the footage on `device`; see TransformersConfig for the other arguments."""

    def __init__(
        self,
        name: str,
        *,
        device: str = "cpu",
        threshold: float = 0.2,
        min_side: float = 8.0,
        person_label: str = "person",
        batch_size: int = 8,
        half: bool = False,
    ) -> None:
        import torch

        self._name, self._device, self._batch = name, device, batch_size
        self._threshold, self._min_side = threshold, min_side
        self._dtype = torch.float16 if half else torch.float32
        self._processor, model = _load(name)
        self._model = model.to(device=device, dtype=self._dtype).eval()
        self._person = _person_id(self._model.config.id2label, person_label, name)

    def detect(self, footage: Footage) -> list[Detections]:
        """Return the people of each frame of the footage, boxes in pixels of the original video.

        Raises:
            InputError: a result that is not finite.
        """
        found: list[Detections] = []
        for start in range(0, len(footage.images), self._batch):
            results = self._run(list(footage.images[start : start + self._batch]), footage)
            for frame, result in zip(footage.frames[start : start + self._batch].tolist(), results, strict=True):
                person = (result["labels"] == self._person).cpu().numpy()
                found.append(
                    clean_detections(
                        frame,
                        result["boxes"].float().cpu().numpy()[person],
                        result["scores"].float().cpu().numpy()[person],
                        footage.meta,
                        source=self._name,
                        min_score=self._threshold,
                        min_side=self._min_side,
                    )
                )
        return found

    def _run(self, images: list[Any], footage: Footage) -> list[dict[str, Any]]:
        """Return labels, boxes and scores, as the model's own processor reads them, for one batch of images."""
        import torch

        inputs = self._processor(images=images, return_tensors="pt").to(self._device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self._dtype)
        with torch.inference_mode():
            outputs = self._model(**inputs)
        if not torch.isfinite(outputs.logits).all():  # the threshold would drop NaN without a word
            raise InputError(f"{footage.meta.path}: expected finite scores from {self._name}, got NaN or infinity")
        sizes = [(footage.meta.height, footage.meta.width)] * len(images)
        results: list[dict[str, Any]] = self._processor.post_process_object_detection(
            outputs, threshold=self._threshold, target_sizes=sizes
        )
        return results


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
        return AutoImageProcessor.from_pretrained(name), AutoModelForObjectDetection.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"detector {name}: expected a folder or hub name of an object detector, got: {reason}"
        ) from error


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
