from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spatial.tracking.linking.motion_model import ends_of, motion_ratio
from spatial.tracking.linking.tracklets import Tracklet
from stvg.types import VideoMeta

META = VideoMeta("v.mp4", Path("v.mp4"), 100, 10.0, 640, 360)


def tracklet(start: int, stop: int, x: float, speed: float = 0.0, scale: float = 1.0, noise: float = 0.0) -> Tracklet:
    """A person 50 x 120 whose centre is at x + speed x frame; all of it times `scale`."""
    frames = np.arange(start, stop)
    left = x + speed * frames - 25 + np.random.default_rng(start).normal(0, max(noise, 1e-9), len(frames))
    boxes = np.stack([left, np.full(len(frames), 60.0), left + 50, np.full(len(frames), 180.0)], axis=1)
    return Tracklet(frames, boxes * scale, np.ones(len(frames)), np.zeros(len(frames)), 0)


def ratio(before: Tracklet, after: Tracklet, meta: VideoMeta = META) -> float:
    ends = ends_of([before], meta, last=True), ends_of([after], meta, last=False)
    return float(motion_ratio(*ends, np.array([0]), np.array([0]))[0])


@pytest.mark.parametrize(
    ("better", "worse", "reason"),
    [
        (tracklet(25, 50, 100), tracklet(25, 50, 160), "nearer"),
        (tracklet(25, 50, 100), tracklet(40, 65, 100), "sooner"),
        (tracklet(25, 50, 100), tracklet(25, 50, -90, 8), "at rest as before"),
        (tracklet(25, 50, 100), tracklet(25, 50, 60, 0, 1.5), "of the same size"),
    ],
)
def test_what_fits_better_is_worth_more(better: Tracklet, worse: Tracklet, reason: str) -> None:
    before = tracklet(0, 20, 100)
    assert ratio(before, better) > ratio(before, worse), reason


def test_signs() -> None:
    before = tracklet(0, 20, 100, 5, noise=3)
    assert ratio(before, tracklet(25, 50, 100, 5, noise=3)) > 4
    assert ratio(before, tracklet(30, 50, 100, 5)) > 2
    assert ratio(before, tracklet(25, 50, 500)) < -4


def test_resolution_does_not_matter() -> None:
    before, after = tracklet(0, 20, 100, 5), tracklet(25, 50, 130, 4)
    large = tracklet(0, 20, 100, 5, 3.0), tracklet(25, 50, 130, 4, 3.0)
    assert ratio(*large, replace(META, width=1920)) == pytest.approx(ratio(before, after))


def test_a_single_box_says_less_than_a_way() -> None:
    before = tracklet(0, 20, 100)
    far = 220.0  # a body height away
    assert ratio(before, tracklet(25, 26, far)) > ratio(before, tracklet(25, 50, far))
    assert ratio(before, tracklet(25, 26, 100)) < ratio(before, tracklet(25, 50, 100))


def test_speed_is_that_of_a_line_through_the_last_boxes() -> None:
    ends = ends_of([tracklet(0, 40, 10, 6), tracklet(0, 40, 400, -2)], META, last=True)
    np.testing.assert_allclose(ends.speeds[:, 0], [60, -20], rtol=0.05)
    np.testing.assert_allclose(ends.places[:, 0], [10 + 6 * 39, 400 - 2 * 39], atol=2)
    assert ends.times_s.tolist() == [3.9, 3.9]


@pytest.mark.parametrize("x", [24.0, 618.0])
def test_who_leaves_by_an_edge_seldom_comes_back(x: float) -> None:
    wide = replace(META, width=6400)
    shift = 0.0 if x > 300 else 1000.0  # the same people in the middle of a wide picture
    pair = tracklet(0, 20, x), tracklet(25, 50, x)
    inner = tracklet(0, 20, x + shift), tracklet(25, 50, x + shift)
    assert ratio(*pair) < ratio(*inner, wide) - 3
    away = tracklet(0, 20, x + shift), tracklet(25, 50, 320 + shift)
    assert ratio(tracklet(0, 20, x), tracklet(25, 50, 320)) == pytest.approx(ratio(*away, wide))
