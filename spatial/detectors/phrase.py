"""Detect what a phrase names with Grounding DINO, MM-Grounding DINO or OWLv2.

The weights of LLMDet are MM-Grounding DINO's in form, those of OWL-ViT have the form of OWLv2's.
"""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from spatial.detectors.base import NotANumberError, RawPeople
from spatial.detectors.transformers import PretrainedConfig, PretrainedDetector, load_pretrained
from stvg.compute.device import usable
from stvg.compute.pretrained import hub_options
from stvg.config import STRICT
from stvg.errors import InputError

_MODEL_TYPES = ("grounding-dino", "mm-grounding-dino", "owlv2", "owlvit")
"""Values of `model_type` in the configs of models that this detector runs."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class PhraseConfig(PretrainedConfig):
    """People from a zero-shot detector of transformers."""

    kind: Literal["phrase"] = "phrase"
    phrase: str = "person."
    """What to find, in lower or upper case; a full stop ends a phrase, and boxes of several phrases count alike."""

    def build(self, device: str) -> "PhraseDetector":
        """Return the detector on `device`.

        Raises:
            InputError: as PhraseDetector, or no such device.
        """
        return PhraseDetector(self, usable(device))


class PhraseDetector(PretrainedDetector):
    """Runs AutoModelForZeroShotObjectDetection over the frames of a video on `device`.

    Raises:
        InputError: no transformers, no such model, a model of another kind, or a phrase without words.
    """

    def __init__(self, config: PhraseConfig, device: str) -> None:
        self._labels = _labels(config.phrase)
        super().__init__(config, *load_pretrained("phrase", config.name, "a zero-shot detector", _load), device)

    def _texts(self, count: int) -> dict[str, Any]:
        return {"text": [self._labels] * count}

    def _people(self, outputs: Any, sizes: Sequence[tuple[int, ...]]) -> list[RawPeople]:
        import torch

        # Where a text is shorter than the model's longest, logits are -inf; the threshold would drop NaN silently.
        if not (outputs.logits < torch.inf).all() or not torch.isfinite(outputs.pred_boxes).all():
            raise NotANumberError
        results = self._processor.post_process_grounded_object_detection(
            outputs, threshold=self._threshold, target_sizes=sizes
        )
        return [RawPeople(*(one[key].float().cpu().numpy() for key in ("boxes", "scores"))) for one in results]


def _labels(phrase: str) -> list[str]:
    """Return the phrases without their full stops, in lower case, as the processors want them.

    >>> _labels("A man. Woman in red.")
    ['a man', 'woman in red']

    Raises:
        InputError: there is none.
    """
    labels = [part.strip().lower() for part in phrase.split(".") if part.strip()]
    if not labels:
        raise InputError(f"detector phrase: phrase: expected words, such as 'person.', got {phrase!r}")
    return labels


def _load(name: str) -> tuple[Any, Any]:
    """Return processor and model.

    Raises:
        InputError: a model of another kind.
    """
    from transformers import (
        MODEL_FOR_OBJECT_DETECTION_MAPPING,
        AutoConfig,
        AutoModelForZeroShotObjectDetection,
        AutoProcessor,
    )

    options = hub_options(name)
    config = AutoConfig.from_pretrained(name, **options)
    if config.model_type in _MODEL_TYPES:
        processor = AutoProcessor.from_pretrained(name, **options)
        return processor, AutoModelForZeroShotObjectDetection.from_pretrained(name, **options)
    other = "; detector.kind=transformers runs it" if type(config) in MODEL_FOR_OBJECT_DETECTION_MAPPING else ""
    raise InputError(f"detector {name}: expected one of {', '.join(_MODEL_TYPES)}, got {config.model_type}{other}")
