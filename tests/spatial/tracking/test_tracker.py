from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spatial.tracking.tracker import BidirectionalTracker, TrackingConfig, _agreed
from stvg.geometry.tubes import interpolate_tube
from stvg.types import Detections, FloatArray, VideoFrames, VideoMeta

ENGINES = ["bytetrack", "ocsort", "botsort"]
Path2d = Callable[[int], tuple[float, float]]


def footage(num_frames: int = 60, stride: int = 1, cuts: tuple[int, ...] = (), fps: float = 10.0) -> VideoFrames:
    meta = VideoMeta("v.mp4", Path("v.mp4"), num_frames, fps, 640, 360)
    frames = np.arange(0, num_frames, stride)
    return VideoFrames(meta, frames, np.zeros((len(frames), 36, 64, 3), np.uint8), 0.1, cuts)


def box(x: float, y: float, width: float = 50, height: float = 120) -> list[float]:
    return [x, y, x + width, y + height]


def seen(
    video: VideoFrames, people: list[Path2d], absent: set[tuple[int, int]] = frozenset(), score: float = 0.9
) -> list[Detections]:
    """Exact detections of people whose corner moves as told; `absent` holds (person, frame)."""
    items = []
    for frame in video.frames.tolist():
        boxes = [box(*path(frame)) for number, path in enumerate(people) if (number, frame) not in absent]
        items.append(Detections(frame, np.array(boxes).reshape(-1, 4), np.full(len(boxes), score)))
    return items


def right(frame: int) -> tuple[float, float]:
    return 20 + 6.0 * frame, 100


def left(frame: int) -> tuple[float, float]:
    return 560 - 6.0 * frame, 150


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("stride", [1, 3])
def test_two_people_who_cross_keep_their_tracks(engine: str, stride: int) -> None:
    video = footage(stride=stride)
    tubes = BidirectionalTracker(TrackingConfig(engine=engine)).track(video, seen(video, [right, left]))
    assert len(tubes) == 2
    last = int(video.frames[-1])
    for tube, path in zip(sorted(tubes, key=lambda tube: float(tube.boxes_xyxy[0, 0])), (right, left), strict=True):
        assert (tube.start_frame, tube.span.stop) == (0, last + 1)
        np.testing.assert_allclose(tube.boxes_xyxy, [box(*path(frame)) for frame in range(last + 1)], atol=1e-3)
        assert np.flatnonzero(tube.observed).tolist() == video.frames.tolist()


@pytest.mark.parametrize("engine", ENGINES)
def test_short_gap_is_interpolated_and_long_gap_splits(engine: str) -> None:
    video = footage(100)
    absent = {(0, frame) for frame in (*range(20, 24), *range(60, 85))}
    tubes = BidirectionalTracker(TrackingConfig(engine=engine, memory_s=1.0)).track(
        video, seen(video, [lambda f: (100.0 + f, 100)], absent)
    )
    assert [(tube.span.start, tube.span.stop) for tube in tubes] == [(0, 60), (85, 100)]
    assert np.flatnonzero(~tubes[0].observed).tolist() == [20, 21, 22, 23]
    np.testing.assert_allclose(tubes[0].boxes_xyxy[20:24, 0], [120, 121, 122, 123], atol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("stride", "cut", "expected"), [(1, 30, 30), (3, 31, 33)])
def test_tracks_start_anew_at_a_cut(engine: str, stride: int, cut: int, expected: int) -> None:
    video = footage(stride=stride, cuts=(cut,))
    tubes = BidirectionalTracker(TrackingConfig(engine=engine)).track(video, seen(video, [right]))
    assert [tube.start_frame for tube in tubes] == [0, expected]
    assert tubes[0].span.stop <= cut


def test_weak_detections_continue_a_track_but_start_none() -> None:
    video = footage(30)
    strong = seen(video, [right])
    weak = [Detections(item.frame, item.boxes_xyxy, np.full(1, 0.25)) for item in strong]
    assert [len(tube.scores) for tube in BidirectionalTracker().track(video, weak)] == [1] * 30
    (tube,) = BidirectionalTracker().track(video, [*weak[:10], *strong[10:20], *weak[20:]])
    assert (tube.start_frame, tube.span.stop, bool(tube.observed.all())) == (0, 30, True)


def test_every_detection_is_in_exactly_one_tracklet() -> None:
    video = footage(30)
    nothing = [Detections(frame, np.zeros((0, 4)), np.zeros(0)) for frame in range(30)]
    assert BidirectionalTracker().track(video, nothing) == []
    nothing[7] = Detections(7, [box(10, 10)], [0.9])
    assert [(tube.start_frame, tube.span.stop) for tube in BidirectionalTracker().track(video, nothing)] == [(7, 8)]
    rng = np.random.default_rng(0)
    random = [
        Detections(f, rng.uniform(0, 300, (4, 2))[:, [0, 1, 0, 1]] + [0, 0, 50, 120], rng.random(4)) for f in range(30)
    ]
    tubes = BidirectionalTracker().track(video, random)
    found = sorted(
        (tube.start_frame + int(row), *tube.boxes_xyxy[row].tolist())
        for tube in tubes
        for row in np.flatnonzero(tube.observed)
    )
    assert found == sorted((item.frame, *box) for item in random for box in item.boxes_xyxy.tolist())


def test_a_step_that_the_other_direction_contradicts_is_not_taken() -> None:
    """A swap of two people who meet depends on the direction; their tracklets end there instead."""
    forwards = {(0, 0): (1, 0), (0, 1): (1, 1), (1, 0): (2, 0), (1, 1): (2, 1)}
    backwards = {(0, 0): (1, 0), (0, 1): (1, 1), (1, 0): (2, 1), (1, 1): (2, 0)}
    assert _agreed(forwards, backwards) == {(0, 0): (1, 0), (0, 1): (1, 1)}
    assert _agreed(backwards, forwards) == _agreed(forwards, backwards)


def test_detections_of_other_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="one item per sampled frame"):
        BidirectionalTracker().track(footage(stride=2), seen(footage(), [right]))


def test_scores_follow_their_boxes() -> None:
    video = footage(20)
    rng = np.random.default_rng(0)
    items, scores = [], rng.uniform(0.5, 1, (20, 2)).astype(np.float32)
    for frame in range(20):
        order = rng.permutation(2)
        boxes: FloatArray = np.array([box(*right(frame)), box(*left(frame))], np.float32)
        items.append(Detections(frame, boxes[order], scores[frame, order]))
    tubes = sorted(BidirectionalTracker().track(video, items), key=lambda tube: float(tube.boxes_xyxy[0, 0]))
    np.testing.assert_array_equal(np.stack([tube.scores for tube in tubes], axis=1), scores)


@pytest.mark.parametrize("seed", range(4))
def test_interpolation_is_numpys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = 7 + np.sort(rng.choice(40, 9, replace=False))
    boxes, scores = rng.uniform(0, 100, (9, 4)), rng.uniform(0, 1, 9)
    tube = interpolate_tube(3, frames, boxes, scores)
    wanted = np.arange(frames[0], frames[-1] + 1)
    assert (tube.tube_id, tube.start_frame, len(tube.scores)) == (3, frames[0], len(wanted))
    for column in range(4):
        np.testing.assert_allclose(tube.boxes_xyxy[:, column], np.interp(wanted, frames, boxes[:, column]), rtol=1e-6)
    np.testing.assert_allclose(tube.scores, np.interp(wanted, frames, scores), rtol=1e-6)
    assert wanted[tube.observed].tolist() == frames.tolist()


@pytest.mark.parametrize(
    ("cuts", "expected", "reason"),
    [
        ((), [(0, 4)], "one shot"),
        ((6,), [(0, 2), (2, 4)], "cut on a kept frame"),
        ((4,), [(0, 2), (2, 4)], "cut between kept frames"),
        ((4, 5), [(0, 2), (2, 4)], "a shot without a kept frame"),
        ((10,), [(0, 4)], "cut after the last kept frame"),
    ],
)
def test_shots(cuts: tuple[int, ...], expected: list[tuple[int, int]], reason: str) -> None:
    video = footage(12, stride=3, cuts=cuts)
    assert [(shot.start, shot.stop) for shot in video.shots()] == expected, reason


def test_shot_spans() -> None:
    assert [(s.start, s.stop) for s in footage(20, 6, (5, 7, 8)).shot_spans()] == [(0, 5), (5, 7), (8, 20)]


@pytest.mark.parametrize("engine", ENGINES)
def test_pictures_are_not_needed(engine: str) -> None:
    video = replace(footage(), images=None)
    tubes = BidirectionalTracker(TrackingConfig(engine=engine)).track(video, seen(video, [right]))
    assert len([tube for tube in tubes if tube.span.length > 10]) == 1


def test_sampled_fps() -> None:
    assert footage(10, stride=2).sampled_fps == 5
    assert footage(1, stride=2).sampled_fps == 10
