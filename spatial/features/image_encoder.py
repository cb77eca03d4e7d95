"""Extract features with an image encoder of transformers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic.dataclasses import dataclass
from safetensors import SafetensorError

from spatial.features.descriptors.crops import cut_crops, sample_tube
from spatial.features.descriptors.motion import (
    MOTION_DIM,
    append_motion,
    flow_fields,
    motion_features,
    scale_embeddings,
)
from spatial.features.descriptors.scene import CAMERA_MOTION_DIM, scene_motion
from spatial.features.descriptors.shape import body_height
from stvg.compute.device import usable
from stvg.compute.pretrained import hub_options, refuse_odd_weights
from stvg.config import STRICT, Count, NotNegative, Pixels, Positive
from stvg.errors import InputError
from stvg.types import FloatArray, Image, Tube, VideoFrames

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, config=STRICT)
class ImageEncoderConfig:
    """Features from a pretrained image encoder."""

    kind: Literal["image_encoder"] = "image_encoder"
    """Which extractor this is."""
    model: str = "google/vit-base-patch16-224-in21k"
    """Hub name or folder of a transformers vision model; of CLIP, SigLIP and their like the vision part is used."""
    batch_size: Count = 32
    """Images encoded at once."""
    margin: NotNegative = 0.1
    """Context around a tube's box, added on each side, as a fraction of its width and height."""
    flow_width: Pixels = 160
    """Width of the images between which optical flow is computed, in pixels."""
    smoothing_s: Positive = 0.3
    """Standard deviation of the window in which a box's velocity is measured, in seconds."""

    def build(self, device: str) -> "ImageEncoderFeatures":
        """Return the extractor with the model on `device`.

        Raises:
            InputError: as load_image_encoder, or no such device.
        """
        return ImageEncoderFeatures(self, *load_image_encoder(self.model), usable(device))


class ImageEncoderFeatures:
    """Embeddings of crops and of whole images, each with the optical flow that a still image lacks.

    `tube_dim` = E + 66: the embedding of the box with its context, and the tube's motion (descriptors.motion).
    `clip_dim` = E + 18: the embedding of the whole image and its motion (descriptors.scene). E is the encoder's
    width. Embeddings are scaled to norm sqrt(E), motion columns to the same norm per group, so that both weigh alike.
    """

    def __init__(
        self, config: ImageEncoderConfig, encoder: "torch.nn.Module", processor: Any, device: str = "cpu"
    ) -> None:
        self._config, self._encoder, self._processor = config, encoder.eval().to(device), processor
        self._device = device

    def extract(self, video: VideoFrames, tubes: Sequence[Tube]) -> tuple[FloatArray, tuple[FloatArray, ...]]:
        """Return clip features (N, E + 18), a row per sampled frame, and for each tube (T_k, E + 66) rows.

        A tube has one row for each image it covers, at least one. All float32.

        Raises:
            ValueError: the video has no pictures.
        """
        samples = [sample_tube(video, tube) for tube in tubes]
        fields = flow_fields(video, samples, self._config.flow_width)
        clip = append_motion(self._embed(video.pictures), scene_motion(fields), CAMERA_MOTION_DIM)
        side = self._crop_side()
        rows = []
        for one in samples:
            crops = cut_crops(video.pictures, one, (self._config.margin, self._config.margin), (side, side))
            motion = motion_features(video, fields, one, body_height(one), self._config.smoothing_s)
            rows.append(append_motion(self._embed(crops), motion, MOTION_DIM))
        return clip, tuple(rows)

    def _embed(self, images: Image) -> FloatArray:
        """Return the embeddings of `images` (N, h, w, 3) uint8 RGB, (N, E) float32 of norm sqrt(E)."""
        import torch

        parts = []
        with torch.inference_mode():
            for start in range(0, len(images), self._config.batch_size):
                batch = list(images[start : start + self._config.batch_size])
                pixels = self._processor(images=batch, return_tensors="pt")["pixel_values"].to(self._device)
                parts.append(_pooled(self._encoder(pixel_values=pixels)).float().cpu().numpy())
        return scale_embeddings(np.concatenate(parts))

    def _crop_side(self) -> int:
        """Return the side of the crops handed to the processor, which resizes them to what the encoder takes."""
        size = getattr(self._encoder.config, "image_size", 224)
        return int(size if isinstance(size, int) else max(size))


def load_image_encoder(model: str) -> "tuple[torch.nn.Module, Any]":
    """Return the vision encoder and the image processor of the hub name or folder `model`.

    Raises:
        InputError: transformers is missing, or there is no such model, or it does not take images.
    """
    try:
        from transformers import AutoImageProcessor, AutoModel
    except ImportError as error:
        raise InputError(
            "features image_encoder: expected the package transformers, run: pip install transformers"
        ) from error
    try:
        whole = AutoModel.from_pretrained(model, **hub_options(model))
        processor = AutoImageProcessor.from_pretrained(model, **hub_options(model))
    except (OSError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"features.model {model}: expected a transformers vision model, got: {reason}") from error
    encoder: torch.nn.Module = getattr(whole, "vision_model", whole)
    refuse_odd_weights(encoder.state_dict(), f"features.model {model}")
    if getattr(encoder, "main_input_name", "pixel_values") != "pixel_values":
        raise InputError(f"features.model {model}: expected a model that takes images, got {type(whole).__name__}")
    return encoder, processor


def _pooled(output: Any) -> "torch.Tensor":
    """Return one vector per image: the pooled output if the encoder has one, else the mean over tokens or places."""
    pooled: torch.Tensor | None = getattr(output, "pooler_output", None)
    if pooled is not None:
        return pooled.flatten(1)
    hidden: torch.Tensor = output.last_hidden_state
    return hidden.mean(dim=1) if hidden.ndim == 3 else hidden.flatten(2).mean(dim=2)
