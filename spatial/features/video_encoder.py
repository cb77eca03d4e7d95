"""Extract features with a video network over person-centred clips, and motion.

Appearance: a network trained on actions (Kinetics) over clips that follow one person. Motion: histograms of optical
flow in the person's box, and the box's own motion. Both are concatenated row by row, as the challenge's winner did with
CSN and optical flow; docs/features.md says what differs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic.dataclasses import dataclass

from spatial.features.descriptors.crops import TubeSamples, cut_crops, fit_boxes, sample_tube
from spatial.features.descriptors.flow_histograms import HISTOGRAM_DIM, flow_histograms
from spatial.features.descriptors.motion import (
    MOTION_DIM,
    append_motion,
    flow_fields,
    motion_features,
    scale_embeddings,
)
from spatial.features.descriptors.scene import CAMERA_MOTION_DIM, scene_motion
from spatial.features.descriptors.shape import body_height
from spatial.features.video_backbones import Library, VideoEncoder, load_video_encoder
from stvg.compute.device import usable
from stvg.config import STRICT, Count, NotNegative, Pixels, Positive
from stvg.errors import InputError
from stvg.types import Float64Array, FloatArray, IntArray, Tube, VideoFrames


@dataclass(frozen=True, config=STRICT, kw_only=True)
class VideoNetworkConfig:
    """Features from a pretrained video network and optical flow."""

    kind: Literal["video_network"] = "video_network"
    """Which extractor this is."""
    library: Library = "transformers"
    """Where the network comes from."""
    model: str = "MCG-NJU/videomae-base-finetuned-kinetics"
    """Of transformers a hub name or folder (VideoMAE, TimeSformer, ViViT, X-CLIP); of torchvision a name such as
    r2plus1d_18, s3d, mvit_v2_s or swin3d_t."""
    weights: Path | None = None
    """Of torchvision: a file of torch.save with weights by name; None: those that torchvision publishes."""
    window_s: Positive = 2.0
    """Seconds of a clip, about its middle; the network's number of images are spread over them."""
    every_s: Positive = 0.5
    """Seconds from one clip to the next; rows between take the nearest clip's embedding."""
    batch_size: Count = 4
    """Clips encoded at once."""
    margin: NotNegative = 0.1
    """Context around a tube's box, added on each side, as a fraction of its width and height."""
    flow_width: Pixels = 160
    """Width of the images between which optical flow is computed, in pixels."""
    smoothing_s: Positive = 0.3
    """Standard deviation of the window in which a box's velocity is measured, in seconds."""

    def build(self, device: str) -> "VideoNetworkFeatures":
        """Return the extractor with the network on `device`.

        Raises:
            InputError: as load_video_encoder, or no such device.
        """
        encoder = load_video_encoder(self.library, self.model, self.weights, usable(device))
        return VideoNetworkFeatures(self, encoder)


class VideoNetworkFeatures:
    """Embeddings of person-centred clips beside motion.

    `tube_dim` = E + 108 + 66: embedding, flow histograms, motion of flow and box (spatial.features.descriptors.motion).
    `clip_dim` = E + 18: the embedding of the whole pictures and their motion. Each group has a norm of about sqrt(E).
    """

    def __init__(self, config: VideoNetworkConfig, encoder: VideoEncoder) -> None:
        self._config, self._encoder = config, encoder

    def extract(self, video: VideoFrames, tubes: Sequence[Tube]) -> tuple[FloatArray, tuple[FloatArray, ...]]:
        """Return clip features (N, E + 18), a row per sampled frame, and for each tube (T_k, E + 174) rows.

        A tube has one row for each image it covers, at least one. All float32.

        Raises:
            ValueError: the video has no pictures.
            InputError: the network gives NaN or infinity.
        """
        samples = [sample_tube(video, tube) for tube in tubes]
        fields = flow_fields(video, samples, self._config.flow_width)
        clip = append_motion(self._embed(video, _whole(video), 0.0), scene_motion(fields), CAMERA_MOTION_DIM)
        rows = []
        for one in samples:
            height = body_height(one)
            moving = motion_features(video, fields, one, height, self._config.smoothing_s)
            motion = np.concatenate([flow_histograms(fields, one, height), moving], axis=1)
            seen = self._embed(video, _squared(one), self._config.margin)
            rows.append(append_motion(seen, motion, HISTOGRAM_DIM + MOTION_DIM))
        return clip, tuple(rows)

    def _embed(self, video: VideoFrames, samples: TubeSamples, margin: float) -> FloatArray:
        """Return the embedding of the clip nearest to each row, (R, E) float32 of norm sqrt(E)."""
        seconds = video.frames[samples.index] / video.meta.fps
        middles, nearest = clip_middles(seconds, self._config.every_s)
        side = self._encoder.side
        parts = []
        for start in range(0, len(middles), self._config.batch_size):
            batch = middles[start : start + self._config.batch_size]
            rows = np.stack(
                [clip_rows(seconds, middle, self._config.window_s, self._encoder.frames) for middle in batch]
            )
            chosen = TubeSamples(samples.index[rows.ravel()], samples.boxes_xyxy[rows.ravel()])
            crops = cut_crops(video.pictures, chosen, (margin, margin), (side, side))
            parts.append(self._encoder.embed(crops.reshape(*rows.shape, side, side, 3)))
        embeddings = np.concatenate(parts)
        if not np.isfinite(embeddings).all():
            raise InputError(f"{video.meta.path}: expected finite features from the video network, got NaN or infinity")
        return scale_embeddings(embeddings)[nearest]


def clip_middles(seconds: Float64Array, every_s: float) -> tuple[Float64Array, IntArray]:
    """Return the times of the clips' middles, (M,), for rows at increasing `seconds` (R,), and each row's clip, (R,).

    >>> middles, nearest = clip_middles(np.array([1.0, 1.2, 1.4, 1.6]), 0.5)
    >>> middles.tolist(), nearest.tolist()
    ([1.0, 1.5], [0, 0, 1, 1])
    """
    count = 1 + int(np.floor((seconds[-1] - seconds[0]) / every_s + 1e-6))
    middles = seconds[0] + every_s * np.arange(count)
    return middles, np.abs(seconds[:, None] - middles).argmin(axis=1)


def clip_rows(seconds: Float64Array, middle_s: float, window_s: float, count: int) -> IntArray:
    """Return the rows, out of those at `seconds` (R,), nearest to `count` times spread over the window, (count,).

    At a tube's ends its first or last row is repeated.

    >>> clip_rows(np.arange(5) / 5, 0.0, 0.8, 4).tolist()
    [0, 0, 0, 2]
    """
    times = middle_s + window_s * ((np.arange(count) + 0.5) / count - 0.5)
    return np.asarray(np.abs(seconds[None] - times[:, None]).argmin(axis=1), dtype=np.int64)


def _whole(video: VideoFrames) -> TubeSamples:
    """Return the whole of every image as if it were a tube."""
    height, width = video.pictures.shape[1:3]
    boxes = np.tile(np.array([0, 0, width, height], dtype=np.float32), (len(video.pictures), 1))
    return TubeSamples(np.arange(len(video.pictures)), fit_boxes(boxes, width, height))


def _squared(samples: TubeSamples) -> TubeSamples:
    """Return the boxes enlarged to squares about their centres, so that crops are not distorted."""
    low, high = samples.boxes_xyxy[:, :2], samples.boxes_xyxy[:, 2:]
    centre, half = (low + high) / 2, (high - low).max(axis=1, keepdims=True) / 2
    return TubeSamples(samples.index, np.concatenate([centre - half, centre + half], axis=1))
