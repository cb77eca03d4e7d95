from pathlib import Path

import numpy as np

from spatial.tracking.linking.tracklets import Tracklet
from spatial.tracking.linking.tube_from_tracklets import make_tube
from stvg.types import VideoFrames, VideoMeta


def video(cuts: tuple[int, ...], num_frames: int = 40, stride: int = 2) -> VideoFrames:
    meta = VideoMeta("v.mp4", Path("v.mp4"), num_frames, 10.0, 640, 360)
    frames = np.arange(0, num_frames, stride)
    return VideoFrames(meta, frames, None, 1.0, cuts)


def tracklet(frames: range, x: float, shot: int) -> Tracklet:
    boxes = np.tile([x, 10.0, x + 40, 110], (len(frames), 1))
    return Tracklet(np.array(frames), boxes, np.full(len(frames), 0.9), np.zeros(len(frames)), shot)


def test_boxes_are_held_up_to_a_cut_and_back_to_it() -> None:
    tube = make_tube(
        3, [tracklet(range(4, 12, 2), 100, 0), tracklet(range(24, 40, 2), 300, 1)], video((19,)), smooth=True
    )
    assert (tube.tube_id, tube.start_frame, tube.span.stop) == (3, 4, 40)
    np.testing.assert_allclose(tube.boxes_xyxy[:, 0], [100] * 15 + [300] * 21, atol=1e-4)
    assert (tube.start_frame + np.flatnonzero(tube.observed)).tolist() == [*range(4, 12, 2), *range(24, 40, 2)]


def test_a_shot_that_no_frame_shows_is_bridged() -> None:
    tube = make_tube(
        0, [tracklet(range(0, 10, 2), 100, 0), tracklet(range(12, 20, 2), 300, 1)], video((9, 10), 20), smooth=False
    )
    np.testing.assert_allclose(tube.boxes_xyxy[:, 0], [100] * 10 + [300] * 10)


def test_smoothed_boxes_stay_in_the_picture() -> None:
    rng = np.random.default_rng(0)
    frames = np.arange(0, 40, 2)
    boxes = np.stack([np.zeros(20), np.full(20, 200.0), 40 + rng.normal(0, 6, 20), np.full(20, 360.0)], axis=1)
    boxes[:, 0] = np.maximum(0, rng.normal(0, 6, 20))
    tube = make_tube(0, [Tracklet(frames, boxes, np.ones(20), np.zeros(20), 0)], video(()), smooth=True)
    assert tube.boxes_xyxy[:, :2].min() >= 0
    assert tube.boxes_xyxy[:, 3].max() <= 360
