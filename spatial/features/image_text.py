"""Embed people and sentences in one space, by a CLIP-like model.

CLIP, SigLIP and their like learnt to give a picture and its caption near embeddings. With them a tube can be compared
with a sentence as it stands (spatial.matching.zero_shot).
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from pydantic.dataclasses import dataclass
from safetensors import SafetensorError

from spatial.features.descriptors.crops import cut_crops, sample_tube
from stvg.compute.device import usable
from stvg.compute.pretrained import hub_options, refuse_odd_weights
from stvg.config import STRICT, Count, NotNegative
from stvg.errors import InputError
from stvg.types import FloatArray, Image, Tube, VideoFrames

_SIDE = 224
"""Width and height of crops, in pixels, for models whose config does not give an image size."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ImageTextConfig:
    """Embeddings in a space that sentences share."""

    kind: Literal["image_text"] = "image_text"
    """Which extractor this is."""
    model: str = "openai/clip-vit-base-patch32"
    """Hub name or folder of a transformers model with get_image_features and get_text_features."""
    batch_size: Count = 32
    """Images encoded at once."""
    margin: NotNegative = 0.1
    """Context around a tube's box, added on each side, as a fraction of its width and height."""

    def build(self, device: str) -> "ImageTextFeatures":
        """Return the extractor with the model on `device`.

        Raises:
            InputError: as load_image_text_model, or no such device.
        """
        return ImageTextFeatures(self, load_image_text_model(self.model, usable(device)))


class ImageTextModel:
    """A CLIP-like model with its processors: pictures and sentences to unit vectors of one space.

    `scale` is the factor by which the model multiplies cosines before a softmax.
    """

    def __init__(self, model: torch.nn.Module, image_processor: Any, tokenizer: Any, *, device: str = "cpu") -> None:
        self._model: Any = model.eval().to(device)
        self._images, self._tokens, self._device = image_processor, tokenizer, device
        self.scale = float(getattr(self._model, "logit_scale", torch.tensor(4.6052)).detach().exp())
        vision = getattr(self._model.config, "vision_config", None)
        self.side = int(getattr(vision, "image_size", _SIDE))

    @torch.inference_mode()
    def embed_images(self, images: Image, batch_size: int) -> FloatArray:
        """Return unit vectors (N, E) float32 of `images` (N, h, w, 3) uint8 RGB."""
        parts = []
        for start in range(0, len(images), batch_size):
            batch = list(images[start : start + batch_size])
            pixels = self._images(images=batch, return_tensors="pt")["pixel_values"].to(self._device)
            parts.append(_unit(self._model.get_image_features(pixel_values=pixels)))
        return np.concatenate(parts)

    @torch.inference_mode()
    def embed_sentences(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors (Q, E) float32 of sentences; what is too long for the model is cut off."""
        text = getattr(self._model.config, "text_config", None)
        length = getattr(text, "max_position_embeddings", None)
        # Padded to the full length always: SigLIP was trained so, and for CLIP it changes nothing.
        tokens = self._tokens(
            list(texts),
            return_tensors="pt",
            padding="max_length" if length else True,
            truncation=True,
            max_length=length,
        ).to(self._device)
        return _unit(self._model.get_text_features(**tokens))


class ImageTextFeatures:
    """Unit embeddings (E columns) of tube crops and of whole pictures."""

    def __init__(self, config: ImageTextConfig, model: ImageTextModel) -> None:
        self._config, self._model = config, model

    def extract(self, video: VideoFrames, tubes: Sequence[Tube]) -> tuple[FloatArray, tuple[FloatArray, ...]]:
        """Return clip features (N, E), a row per sampled frame, and for each tube (T_k, E) rows, float32.

        A tube has one row for each image it covers, at least one.

        Raises:
            ValueError: the video has no pictures.
        """
        clip = self._model.embed_images(video.pictures, self._config.batch_size)
        size, margin = (self._model.side, self._model.side), (self._config.margin, self._config.margin)
        rows = []
        for tube in tubes:
            crops = cut_crops(video.pictures, sample_tube(video, tube), margin, size)
            rows.append(self._model.embed_images(crops, self._config.batch_size))
        return clip, tuple(rows)


def load_image_text_model(model: str, device: str) -> ImageTextModel:
    """Return the model of the hub name or folder `model`.

    Raises:
        InputError: there is no such model, or it does not embed pictures and sentences alike.
    """
    try:
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

        parts = (
            AutoModel.from_pretrained(model, **hub_options(model)),
            AutoImageProcessor.from_pretrained(model, **hub_options(model)),
            AutoTokenizer.from_pretrained(model, **hub_options(model)),
        )
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0][:200]
        raise InputError(
            f"features.model {model}: expected a CLIP-like model, from a folder or from the hub, got: {reason}; where "
            "no hub answers, fetch it elsewhere (hf download NAME --local-dir FOLDER), the detector too, and say "
            "features.model=FOLDER detector.name=FOLDER"
        ) from error
    if not all(hasattr(parts[0], name) for name in ("get_image_features", "get_text_features")):
        raise InputError(
            f"features.model {model}: expected a model that embeds pictures and sentences alike, "
            f"got {type(parts[0]).__name__}"
        )
    refuse_odd_weights(parts[0].state_dict(), f"features.model {model}")
    return ImageTextModel(*parts, device=device)


def _unit(output: Any) -> FloatArray:
    """Return the rows of a tensor, or of an output's pooled one, divided by their lengths."""
    vectors = output if isinstance(output, torch.Tensor) else output.pooler_output
    return np.asarray(torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy(), dtype=np.float32)
