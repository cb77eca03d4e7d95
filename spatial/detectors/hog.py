"""Detect upright people with OpenCV's histogram-of-gradients detector."""

from typing import Literal

import cv2
import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from spatial.detectors.base import BatchDetector, RawPeople
from spatial.detectors.postprocess import BoxFilterConfig, suppress
from stvg.config import STRICT, Share
from stvg.types import Image

_MARGINS = np.array([0.1, 0.07, -0.1, -0.13], dtype=np.float32)
"""Fractions of a window's width and height to add to x1, y1, x2, y2: windows have a margin around the person, which
OpenCV's sample `peopledetect` takes off like this."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class HogConfig(BoxFilterConfig):
    """People found by OpenCV's histogram-of-gradients detector."""

    kind: Literal["hog"] = "hog"
    threshold: Share = 0.6
    """Least score in [0, 1], the logistic function of the margin: 0.5 lies on the decision boundary."""
    nms_iou: Share = 0.5
    """IoU above which the weaker of two boxes is dropped."""
    scale_step: float = Field(default=1.05, ge=1.01, le=100)
    """Ratio of successive sizes that are searched, > 1."""

    def build(self, device: str) -> "HogDetector":
        """Return the detector; it runs on the CPU whatever the `device`."""
        return HogDetector(self)


class HogDetector(BatchDetector):
    """Runs OpenCV's default people detector."""

    def __init__(self, config: HogConfig) -> None:
        super().__init__(config, "hog")
        self._config = config
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())

    def _find(self, images: Image) -> list[RawPeople]:
        return [self._search(image) for image in images]

    def _search(self, image: Image) -> RawPeople:
        """Return the people of one picture (h, w, 3)."""
        window_width, window_height = self._hog.winSize
        if image.shape[0] < window_height or image.shape[1] < window_width:
            return RawPeople(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        boxes_xywh, margins = self._hog.detectMultiScale(
            grey, winStride=(8, 8), scale=self._config.scale_step, groupThreshold=0
        )
        boxes = np.asarray(boxes_xywh, dtype=np.float32).reshape(-1, 4)
        sizes = boxes[:, 2:]
        boxes_xyxy = np.concatenate([boxes[:, :2], boxes[:, :2] + sizes], axis=1) + np.tile(sizes, 2) * _MARGINS
        scores = 1 / (1 + np.exp(-np.asarray(margins, dtype=np.float32).reshape(-1)))
        kept = suppress(boxes_xyxy, scores, self._config.nms_iou)
        return RawPeople(boxes_xyxy[kept], scores[kept])
