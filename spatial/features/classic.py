"""Extract features by image processing: colours, gradients, shape and optical flow."""

from collections.abc import Sequence
from dataclasses import dataclass as plain_dataclass
from typing import Literal

import numpy as np
from pydantic.dataclasses import dataclass

from spatial.features.descriptors.bilinear import ACTION_DIM, action_descriptor, bind, signed_sqrt
from spatial.features.descriptors.colour import NUM_BINS, NUM_ZONES, zone_colours
from spatial.features.descriptors.crops import TubeSamples, cut_crops, sample_tube
from spatial.features.descriptors.motion import MOTION_DIM, FlowFields, flow_fields, motion_features
from spatial.features.descriptors.scene import SCENE_DIM, scene_features
from spatial.features.descriptors.shape import (
    CROP_SIZE,
    GEOMETRY_DIM,
    HOG_DIM,
    body_height,
    box_geometry,
    oriented_gradients,
)
from stvg.config import STRICT, Pixels, Positive
from stvg.types import FloatArray, Tube, VideoFrames

APPEARANCE_DIM = 3 * NUM_BINS
"""Colours of head, torso and legs: the appearance that is bound to actions."""
COLOUR_DIM = NUM_ZONES * NUM_BINS
"""Columns of zone colours in a tube's features."""
TUBE_DIM = COLOUR_DIM + HOG_DIM + GEOMETRY_DIM + MOTION_DIM
"""Columns of a tube's features."""
_MARGIN = 0.25
"""Surroundings in the crop on the left and right of a person, as a fraction of the box's width."""
_COLOUR_SCALE, _HOG_SCALE, _GEOMETRY_SCALE, _MOTION_SCALE = 4.0, 8.0, 10.0, 6.0
_SCENE_SCALE, _BOUND_SCALE = 8.0, 1.0
"""Factors that bring the groups of features to about the same mean squared norm."""


@dataclass(frozen=True, config=STRICT)
class ClassicConfig:
    """Features by image processing alone."""

    kind: Literal["classic"] = "classic"
    """Which extractor this is."""
    flow_width: Pixels = 160
    """Width of the images between which optical flow is computed, in pixels."""
    smoothing_s: Positive = 0.3
    """Standard deviation of the window in which a box's velocity is measured, in seconds."""
    bilinear: bool = True
    """Whether clip features bind each person's colours to that person's motion."""

    def build(self, device: str) -> "ClassicFeatures":
        """Return the extractor; it runs on the CPU whatever the `device`."""
        return ClassicFeatures(self)


@plain_dataclass(frozen=True, slots=True, eq=False)
class _Person:
    """One tube's groups of features, one row per image of `samples`."""

    samples: TubeSamples
    colours: FloatArray
    gradients: FloatArray
    geometry: FloatArray
    motion: FloatArray

    def row_features(self) -> FloatArray:
        """Return all groups side by side, scaled each with a mean squared norm of 30 to 64 on people who act."""
        return np.concatenate(
            [
                _COLOUR_SCALE * np.sqrt(self.colours).reshape(len(self.colours), -1),
                _HOG_SCALE * self.gradients,
                _GEOMETRY_SCALE * self.geometry,
                _MOTION_SCALE * self.motion,
            ],
            axis=1,
        ).astype(np.float32)


class ClassicFeatures:
    """Colours by body zone, gradients, form, and motion of each person, and their binding in the whole video.

    `tube_dim` = 340: square roots of zone colours 76, gradients 192, form 6, motion 66. `clip_dim` = 37 + 57 * 25 =
    1462 (37 without `bilinear`): colours, motion by place and the camera's motion of the whole image, then for each
    image the sum over people of zone colours (head, torso, legs) times actions (descriptors.bilinear), signed
    square roots. Every group is scaled to about the same mean squared norm, so that none outweighs the others by its
    number of columns. The person's place is not among them; size is one column of form (height relative to the image).
    """

    def __init__(self, config: ClassicConfig) -> None:
        self._config = config
        self.tube_dim = TUBE_DIM
        self.clip_dim = SCENE_DIM + (APPEARANCE_DIM * ACTION_DIM if config.bilinear else 0)

    def extract(self, video: VideoFrames, tubes: Sequence[Tube]) -> tuple[FloatArray, tuple[FloatArray, ...]]:
        """Return clip features (N, clip_dim), a row per sampled frame, and for each tube (T_k, tube_dim) rows.

        A tube has one row for each image it covers, at least one. All float32 and finite.

        Raises:
            ValueError: the video has no pictures.
        """
        samples = [sample_tube(video, tube) for tube in tubes]
        fields = flow_fields(video, samples, self._config.flow_width)
        people = [self._describe(video, fields, one) for one in samples]
        clip = _SCENE_SCALE * scene_features(video.pictures, fields)
        if self._config.bilinear:
            clip = np.concatenate([clip, _bound_features(people, len(clip))], axis=1)
        return clip, tuple(person.row_features() for person in people)

    def _describe(self, video: VideoFrames, fields: FlowFields, samples: TubeSamples) -> _Person:
        upright = body_height(samples)
        size = video.pictures.shape[2], video.pictures.shape[1]
        side = round(CROP_SIZE[0] * _MARGIN)
        wide = cut_crops(video.pictures, samples, (_MARGIN, 0.0), (CROP_SIZE[0] + 2 * side, CROP_SIZE[1]))
        return _Person(
            samples,
            zone_colours(wide[:, ::2, ::2], _MARGIN),
            oriented_gradients(wide[:, :, side:-side]),
            box_geometry(samples, size, upright),
            motion_features(video, fields, samples, upright, self._config.smoothing_s),
        )


def _bound_features(people: list[_Person], num_images: int) -> FloatArray:
    """Return the pooled products of appearance and action per image, (num_images, APPEARANCE_DIM * ACTION_DIM)."""
    if not people:
        return np.zeros((num_images, APPEARANCE_DIM * ACTION_DIM), dtype=np.float32)
    appearances = [_appearance(person.colours) for person in people]
    actions = [action_descriptor(person.gradients, person.geometry, person.motion) for person in people]
    return _BOUND_SCALE * signed_sqrt(
        bind(appearances, actions, [person.samples.index for person in people], num_images)
    )


def _appearance(colours: FloatArray) -> FloatArray:
    """Return the colours of head, torso and both leg zones together, (R, 57)."""
    legs = colours[:, 2:].mean(axis=1, keepdims=True)
    return np.concatenate([colours[:, :2], legs], axis=1).reshape(len(colours), APPEARANCE_DIM)
