"""Load video networks of transformers and torchvision that embed clips."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from stvg.compute.pretrained import hub_options, refuse_odd_weights
from stvg.errors import InputError
from stvg.pickles.torch_file import read_torch_file
from stvg.types import FloatArray, Image

Library = Literal["transformers", "torchvision"]
INSTALL = "pip install torch==2.14.1 torchvision==0.29.1"
_FRAMES, _SIDE = 16, 224
"""Images per clip, and their width and height in pixels, for networks whose config does not give them."""
_HEADS = ("fc", "head", "classifier")
"""Attribute names of the classification layer of torchvision's video networks; its input is the embedding."""


@dataclass(frozen=True, slots=True, eq=False)
class VideoEncoder:
    """A video network: `run` gives vectors (B, E) of normalised clips (B, 3, T, H, W).

    `frames` T and `side` H = W are those that it wants; `mean` and `std` (3,) those of its pixels in [0, 1], RGB.
    """

    run: Callable[[Tensor], Tensor]
    frames: int
    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    device: str

    @torch.inference_mode()
    def embed(self, clips: Image) -> FloatArray:
        """Return vectors (B, E) float32 of `clips` (B, T, H, W, 3) uint8 RGB."""
        pixels = torch.from_numpy(clips).to(self.device).permute(0, 4, 1, 2, 3).float() / 255
        mean, std = (torch.tensor(one, device=self.device)[:, None, None, None] for one in (self.mean, self.std))
        return np.asarray(self.run((pixels - mean) / std).float().cpu().numpy(), dtype=np.float32)


def load_video_encoder(library: Library, model: str, weights: Path | None, device: str) -> VideoEncoder:
    """Return the video network `model`: of transformers a hub name or folder, of torchvision its name there.

    `weights`, of torchvision alone: a file of torch.save with weights by name; None: those that torchvision publishes.

    Raises:
        InputError: the library is missing, there is no such network, or the weights are not its own.
    """
    if library == "torchvision":
        return _from_torchvision(model, weights, device)
    if weights is not None:
        raise InputError("features.weights: expected none with features.library transformers, whose model names them")
    return _from_transformers(model, device)


def _from_transformers(model: str, device: str) -> VideoEncoder:
    try:
        from transformers import AutoImageProcessor, AutoModel

        network = AutoModel.from_pretrained(model, **hub_options(model))
        processor = AutoImageProcessor.from_pretrained(model, **hub_options(model))
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"features.model {model}: expected a video network of transformers, got: {reason}") from error
    vision = getattr(network.config, "vision_config", network.config)
    side, frames = getattr(vision, "image_size", None), getattr(vision, "num_frames", None)
    if frames is None or side is None:
        raise InputError(
            f"features.model {model}: expected a network that takes clips, got {type(network).__name__}; "
            "for one of still pictures say features.kind=image_encoder"
        )
    refuse_odd_weights(network.state_dict(), f"features.model {model}")
    network = network.eval().to(device)

    def run(clips: Tensor) -> Tensor:
        pixels = clips.transpose(1, 2)
        if hasattr(network, "get_video_features"):
            found = network.get_video_features(pixel_values=pixels)
            pooled: Tensor = found if isinstance(found, Tensor) else found.pooler_output
            return pooled
        mean: Tensor = network(pixel_values=pixels).last_hidden_state.mean(dim=1)
        return mean

    means, deviations = tuple(processor.image_mean), tuple(processor.image_std)
    return VideoEncoder(run, int(frames), int(side), means, deviations, device)


def _from_torchvision(model: str, weights: Path | None, device: str) -> VideoEncoder:
    try:
        from torchvision.models import get_model, get_model_weights, list_models, video
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision built for another torch
        reason = " ".join(str(error).split())
        raise InputError(
            f"features.library torchvision: expected the package torchvision, got: {reason}; to install: {INSTALL}"
        ) from error
    if model not in (known := list_models(module=video)):
        raise InputError(f"features.model: expected one of {', '.join(known)}, got {model!r}")
    published = get_model_weights(model).DEFAULT
    network: nn.Module = get_model(model, weights=None)
    source = weights or published.url
    try:
        state = read_torch_file(weights) if weights else published.get_state_dict(progress=False, weights_only=True)
        network.load_state_dict(state)
    except InputError:
        raise
    except Exception as error:  # the network, a damaged file, other names: torch promises no set of exceptions
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"features.weights: expected weights of {model} at {source}, got: {reason}") from error
    refuse_odd_weights(network.state_dict(), f"features.weights: {source}")
    setattr(network, next(name for name in _HEADS if hasattr(network, name)), nn.Identity())
    wanted = published.transforms()
    side = int(wanted.crop_size[0])
    return VideoEncoder(network.eval().to(device), _FRAMES, side, tuple(wanted.mean), tuple(wanted.std), device)
