from pathlib import Path

import numpy as np
import pytest

from spatial.tracking.linking.tracklets import (
    Tracklet,
    chained,
    common_boxes,
    covered_share,
    split_in_crowds,
    tracklets_of,
)
from stvg.geometry.tubes import interpolate_tube
from stvg.types import VideoFrames, VideoMeta


def tracklet(frames: list[int], x: float = 0.0, score: float = 0.9, speed: float = 0.0, shot: int = 0) -> Tracklet:
    left = x + speed * np.array(frames)
    boxes = np.stack([left, np.zeros(len(frames)), left + 40, np.full(len(frames), 100.0)], axis=1)
    return Tracklet(np.array(frames), boxes, np.full(len(frames), score), np.zeros(len(frames)), shot)


def test_tracklets_are_the_detections_of_each_shot() -> None:
    meta = VideoMeta("v.mp4", Path("v.mp4"), 20, 10.0, 640, 360)
    video = VideoFrames(meta, np.arange(0, 20, 2), None, 1.0, (9,))
    tube = interpolate_tube(0, [2, 6, 8, 10, 14], np.tile([0, 0, 10, 10], (5, 1)), np.arange(5) / 10)
    first, second = tracklets_of([tube], video)
    assert (first.frames.tolist(), first.shot, second.frames.tolist(), second.shot) == ([2, 6, 8], 0, [10, 14], 1)
    np.testing.assert_allclose(np.concatenate([first.scores, second.scores]), np.arange(5) / 10, atol=1e-6)


def test_chain_takes_the_surer_box_of_a_frame() -> None:
    both = chained([tracklet([0, 1, 2], 0.0, 0.5), tracklet([2, 3], 7.0, 0.8)])
    assert both.frames.tolist() == [0, 1, 2, 3]
    assert both.boxes_xyxy[:, 0].tolist() == [0, 0, 7, 7]


def test_common_boxes_are_interpolated() -> None:
    frames, one, other = common_boxes(tracklet([0, 4, 8], speed=1.0), tracklet([3, 5, 20], 10.0))
    assert frames.tolist() == [3, 4, 5, 8]
    assert (one[:, 0].tolist(), other[:, 0].tolist()) == ([3, 4, 5, 8], [10, 10, 10, 10])
    assert len(common_boxes(tracklet([0, 1]), tracklet([5, 6]))[0]) == 0


def test_cover_is_halved_for_those_in_front() -> None:
    meta = VideoMeta("v.mp4", Path("v.mp4"), 1, 10.0, 640, 360)
    video = VideoFrames(meta, np.array([0]), None, 1.0, ())
    boxes = ([0, 0, 40, 100], [20, 0, 60, 110], [300, 0, 340, 100])
    behind, front, alone = tracklets_of([interpolate_tube(i, [0], [box], [1]) for i, box in enumerate(boxes)], video)
    assert behind.covered[0] == pytest.approx(0.5)
    assert front.covered[0] == pytest.approx(0.5 * 20 * 100 / (40 * 110))
    assert alone.covered[0] == 0


def test_tracklets_are_cut_where_people_meet() -> None:
    one, other = tracklet(list(range(20)), 0.0, speed=10.0), tracklet(list(range(20)), 200.0, speed=-10.0)
    parts = split_in_crowds([one, other], 0.4, 4)
    assert sorted(np.concatenate([part.frames for part in parts]).tolist()) == sorted([*range(20)] * 2)
    met = {frame for frame in range(20) if abs(200 - 20 * frame) <= 17}  # IoU 0.4 of boxes 40 wide: 17 apart
    assert sorted((int(part.frames[0]), len(part)) for part in parts) == sorted(
        [(0, min(met)), *((frame, 1) for frame in met), (max(met) + 1, 19 - max(met))] * 2
    )


def test_stray_boxes_cut_nothing() -> None:
    assert len(split_in_crowds([tracklet(list(range(20))), tracklet([5, 6, 7])], 0.4, 4)) == 2


@pytest.mark.parametrize(
    ("score", "second_share", "parts", "reason"),
    [
        (0.5, 0.7, 2, "a second box on the same person"),
        (0.5, 1.0, 40, "never one"),
        (0.9, 0.7, 40, "neither is the weaker"),
    ],
)
def test_second_boxes_cut_nothing(score: float, second_share: float, parts: int, reason: str) -> None:
    one, other = tracklet([*range(20)]), tracklet([*range(20)], 10.0, score)
    assert len(split_in_crowds([one, other], 0.4, 4, second_share=second_share)) == parts, reason


@pytest.mark.parametrize("met", [10, 18])
def test_a_weaker_tracklet_that_is_mostly_elsewhere_meets_a_person(met: int) -> None:
    """Of its 20 detections `met` lie on the other one."""
    apart = tracklet([*range(20)], score=0.5)
    apart.boxes_xyxy[met:] += 500
    assert (len(split_in_crowds([tracklet([*range(20)]), apart], 0.4, 4, second_share=0.7)) == 2) == (met > 14)


def test_weak_tracklets_cut_only_each_other() -> None:
    crossing = [tracklet([*range(20)], 200.0 * way, score, 10.0 - 20.0 * way) for way, score in ((0, 0.9), (1, 0.4))]
    strong, *weak = split_in_crowds(crossing, 0.4, 4, strong=0.5)
    assert len(strong) == 20
    assert len(weak) > 1
    assert len(split_in_crowds(crossing, 0.4, 4, strong=0.4)) > 1 + len(weak)
    faint = [tracklet([*range(20)], 200.0 * way, 0.4, 10.0 - 20.0 * way) for way in (0, 1)]
    assert len(split_in_crowds(faint, 0.4, 4, strong=0.5)) > 2


@pytest.mark.parametrize("seed", range(3))
def test_covered_share_is_that_of_pixels(seed: int) -> None:
    one, other = np.sort(np.random.default_rng(seed).integers(0, 30, (2, 2, 2)), axis=1) + np.array([[0], [5]])
    masks = np.zeros((2, 40, 40), dtype=bool)
    for mask, ((x1, y1), (x2, y2)) in zip(masks, (one, other), strict=True):
        mask[y1:y2, x1:x2] = True
    expected = masks.all(axis=0).sum() / masks[0].sum()
    assert covered_share(one.ravel().astype(float), other.ravel().astype(float)) == pytest.approx(expected)
