from pathlib import Path

import numpy as np
import pytest

from spatial.tracking.linking.appearance import appearance_of, appearance_ratio
from spatial.tracking.linking.tracklets import Tracklet
from stvg.types import VideoFrames, VideoMeta

COLOURS = {"red": (200, 30, 30), "dark red": (170, 20, 30), "blue": (30, 40, 200), "black": (20, 20, 24)}


def appearance(*names: str, covered: float = 0.0, scale: float = 1.0, count: int = 8):
    """Looks of people in one colour each, side by side in front of a wall, in pictures scaled down by `scale`."""
    rng = np.random.default_rng(0)
    size = round(360 * scale), round(640 * scale)
    images = np.clip(rng.normal((205, 200, 190), 4, (count, *size, 3)), 0, 255).astype(np.uint8)
    tracklets = []
    for place, name in enumerate(names):
        box = np.array([40 + 120 * place, 100, 90 + 120 * place, 240], dtype=float)
        x1, y1, x2, y2 = (box * scale).round().astype(int)
        images[:, y1:y2, x1 + 2 : x2 - 2] = COLOURS[name]
        tracklets.append(
            Tracklet(np.arange(count), np.tile(box, (count, 1)), np.ones(count), np.full(count, covered), 0)
        )
    meta = VideoMeta("v.mp4", Path("v.mp4"), count, 10.0, 640, 360)
    return appearance_of(tracklets, VideoFrames(meta, np.arange(count), images, scale, ()))


def ratio(one: str, other: str, **how: float) -> float:
    return float(appearance_ratio(appearance(one, other, **how), np.array([0]), np.array([1]))[0])


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_same_clothes_speak_for_and_others_against(scale: float) -> None:
    assert ratio("red", "red", scale=scale) > 1
    assert ratio("red", "dark red", scale=scale) > 0
    assert ratio("red", "blue", scale=scale) < -3
    assert ratio("blue", "black", scale=scale) < -3


def test_hidden_and_few_boxes_say_less() -> None:
    assert abs(ratio("red", "blue", covered=0.8)) < abs(ratio("red", "blue"))
    assert abs(ratio("red", "blue", count=1)) < abs(ratio("red", "blue"))


def test_the_least_hidden_boxes_are_looked_at() -> None:
    """A passer-by in black hides half of the detections of someone in red."""
    red, black = ((200, 30, 30), (20, 20, 24))
    images = np.full((12, 100, 100, 3), 200, np.uint8)
    images[:, 10:90, 30:70] = red
    hidden = np.arange(12) % 2 == 0
    images[hidden, 10:90, 30:70] = black
    meta = VideoMeta("v.mp4", Path("v.mp4"), 12, 10.0, 100, 100)
    video = VideoFrames(meta, np.arange(12), images, 1.0, ())
    boxes = np.tile([30.0, 10, 70, 90], (12, 1))
    seen = Tracklet(np.arange(12), boxes, np.ones(12), np.where(hidden, 0.9, 0.0), 0)
    clear = seen.take(~hidden)
    assert float(appearance_ratio(appearance_of([seen, clear], video), np.array([0]), np.array([1]))[0]) > 2


def test_no_appearance_without_pictures_that_show_clothes() -> None:
    meta = VideoMeta("v.mp4", Path("v.mp4"), 2, 10.0, 640, 360)
    one = Tracklet(np.array([0]), np.array([[0.0, 0, 9, 9]]), np.ones(1), np.zeros(1), 0)
    for images in (None, np.zeros((2, 15, 27, 3), np.uint8)):  # none, and too small ones
        assert appearance_of([one], VideoFrames(meta, np.arange(2), images, 15 / 360, ())) is None
