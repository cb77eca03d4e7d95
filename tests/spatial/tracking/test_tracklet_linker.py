from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from spatial.tracking.tracker import BidirectionalTracker
from spatial.tracking.tracklet_linker import LinkingConfig, OfflineLinker
from stvg.geometry.boxes import elementwise_iou
from stvg.geometry.tubes import interpolate_tube
from stvg.types import Detections, Tube, VideoFrames, VideoMeta


def footage(num_frames: int = 100, stride: int = 1, cuts: tuple[int, ...] = ()) -> VideoFrames:
    meta = VideoMeta("v.mp4", Path("v.mp4"), num_frames, 10.0, 640, 360)
    frames = np.arange(0, num_frames, stride)
    return VideoFrames(meta, frames, None, 1 / 360, cuts)


def track(
    start: int, stop: int, x: float, speed: float = 0.0, score: float = 0.9, stride: int = 1, y: float = 100.0
) -> Tube:
    """A person 50 x 120 pixels large, at `x` + `speed` x frame."""
    frames = np.arange(start, stop, stride)
    left = x + speed * frames
    boxes = np.stack([left, np.full(len(frames), y), left + 50, np.full(len(frames), y + 120)], axis=1)
    return interpolate_tube(start, frames, boxes, np.full(len(frames), score))


def part_of(tube: Tube, score: float) -> Tube:
    """A box over the upper half of a tube's."""
    boxes = tube.boxes_xyxy.copy()
    boxes[:, 3] -= 60
    return Tube(7, tube.start_frame, boxes, np.full(len(boxes), score), tube.observed)


def spans(tubes: Sequence[Tube]) -> list[tuple[int, int]]:
    return [(tube.span.start, tube.span.stop) for tube in tubes]


@pytest.mark.parametrize(
    ("tracklets", "expected", "reason"),
    [
        ([track(0, 100, 100)], [(0, 100)], "nothing to do"),
        ([track(0, 40, 100), track(50, 100, 100)], [(0, 100)], "gap of a second, standing"),
        ([track(0, 40, 10, 4), track(50, 100, 10, 4)], [(0, 100)], "gap of a second, walking"),
        ([track(0, 40, 100), track(75, 100, 100)], [(0, 40), (75, 100)], "gap too long"),
        ([track(0, 40, 100), track(50, 100, 400)], [(50, 100), (0, 40)], "someone else far away"),
        ([track(0, 30, 10, 10), track(46, 60, 10, 10)], [(0, 60)], "far away, but the motion says so"),
        ([track(0, 30, 300), track(46, 60, 470)], [(0, 30), (46, 60)], "as far away, and both stand"),
        ([track(0, 30, 100), track(36, 60, 100), track(66, 100, 100)], [(0, 100)], "a chain of three"),
        ([track(0, 100, 100), track(20, 50, 105)], [(0, 100)], "a duplicate"),
        ([track(0, 60, 100), track(55, 100, 100)], [(0, 100)], "handed over: the second begins on the first"),
        ([track(0, 60, 100), track(55, 100, 300)], [(0, 60), (55, 100)], "begins before the other ends, elsewhere"),
        ([track(0, 100, 100), part_of(track(20, 60, 100), 0.7)], [(0, 100)], "head and shoulders, weaker"),
        ([track(0, 100, 100), part_of(track(20, 60, 100), 0.9)], [(0, 100), (20, 60)], "a child in front, as sure"),
        ([track(0, 60, 100), track(75, 77, 100)], [(0, 60)], "a stray end"),
        ([track(0, 60, 100), track(64, 65, 100)], [(0, 65)], "a single box soon after"),
        ([track(0, 90, 100, stride=1), *[track(f, f + 1, 300) for f in range(0, 90, 5)]], [(0, 90)], "seldom seen"),
        ([track(f, f + 6, 300) for f in (0, 18, 36, 54, 72)], [(18, 78), (0, 6)], "joined, but too seldom seen"),
        ([track(0, 100, 100), track(20, 50, 160)], [(0, 100), (20, 50)], "a neighbour is no duplicate"),
        ([track(0, 100, 100), track(20, 25, 300)], [(0, 100)], "a short false positive"),
        ([track(0, 100, 100), track(20, 50, 300, score=0.2)], [(0, 100)], "a weak false positive"),
        ([track(20, 25, 300)], [], "only a false positive"),
        ([], [], "nobody"),
    ],
)
def test_links(tracklets: list[Tube], expected: list[tuple[int, int]], reason: str) -> None:
    for order in (tracklets, tracklets[::-1]):
        tubes = OfflineLinker().link(footage(), order)
        assert spans(tubes) == expected, reason
        assert [tube.tube_id for tube in tubes] == list(range(len(expected)))


def test_gap_is_interpolated() -> None:
    (tube,) = OfflineLinker().link(footage(), [track(0, 40, 10, 4), track(50, 100, 10, 4)])
    assert np.flatnonzero(~tube.observed).tolist() == list(range(40, 50))
    np.testing.assert_allclose(tube.boxes_xyxy[:, 0], 10 + 4 * np.arange(100), atol=1e-3)


def test_one_assignment_beats_the_nearest_neighbour() -> None:
    """B ends where A's successor begins; taken alone, the nearest head for B would be the wrong one."""
    tracklets = [track(0, 40, 100), track(0, 40, 130), track(46, 100, 128), track(46, 100, 160)]
    tubes = OfflineLinker().link(footage(), tracklets)
    assert sorted(float(tube.boxes_xyxy[0, 0]) for tube in tubes) == [100, 130]
    assert sorted((float(tube.boxes_xyxy[0, 0]), float(tube.boxes_xyxy[-1, 0])) for tube in tubes) == [
        (100, 128),
        (130, 160),
    ]


def test_without_pictures_tubes_end_at_cuts() -> None:
    tubes = OfflineLinker().link(footage(cuts=(45,)), [track(0, 40, 100), track(48, 100, 100)])
    assert spans(tubes) == [(48, 100), (0, 40)]
    tubes = OfflineLinker().link(footage(cuts=(45,)), [track(0, 100, 100)])
    assert spans(tubes) == [(45, 100), (0, 45)]


@pytest.mark.parametrize(
    ("stride", "cuts", "start", "stop", "expected"),
    [
        (3, (), 0, 100, (0, 100)),  # last kept frame is 99
        (6, (), 0, 100, (0, 100)),  # last kept frame is 96: held for three frames more
        (6, (), 6, 90, (6, 85)),  # frames 0 and 90 are looked at, and nobody is there
        (6, (50,), 0, 50, (0, 50)),  # 48 is the last kept frame of the shot
        (6, (50,), 54, 100, (50, 100)),  # 54 is the first one
    ],
)
def test_tubes_are_held_to_the_edge_of_the_shot(
    stride: int, cuts: tuple[int, ...], start: int, stop: int, expected: tuple[int, int]
) -> None:
    tubes = OfflineLinker().link(footage(100, stride, cuts), [track(start, stop, 100, stride=stride)])
    assert spans(tubes) == [expected]
    seen = tubes[0].start_frame + np.flatnonzero(tubes[0].observed)
    assert seen.tolist() == list(range(start, stop, stride))


def test_short_clip_keeps_its_person() -> None:
    assert spans(OfflineLinker().link(footage(4), [track(0, 4, 100)])) == [(0, 4)]


RED, BLUE, GREEN = (200, 30, 30), (30, 40, 200), (30, 160, 60)
WALL = (205, 200, 190)


def film(
    people: Sequence[tuple[tuple[int, int, int], npt.NDArray[np.float64]]], cuts: tuple[int, ...] = ()
) -> VideoFrames:
    """Pictures of people in one colour each, where their boxes (T, 4) are; the wall has the sensor's noise."""
    count = len(people[0][1])
    rng = np.random.default_rng(0)
    images = np.clip(rng.normal(WALL, 4, (count, 360, 640, 3)), 0, 255).astype(np.uint8)
    for colour, boxes in people:
        for image, (x1, y1, x2, y2) in zip(images, boxes.astype(int), strict=True):
            image[y1:y2, x1 + 5 : x2 - 5] = colour
    meta = VideoMeta("v.mp4", Path("v.mp4"), count, 10.0, 640, 360)
    return VideoFrames(meta, np.arange(count), images, 1.0, cuts)


def boxes_at(x: npt.NDArray[np.float64], y: float = 100.0, height: float = 120.0) -> npt.NDArray[np.float64]:
    return np.stack([x, np.full(len(x), y), x + height * 0.4, np.full(len(x), y + height)], axis=1)


def tubes_of(video: VideoFrames, people: Sequence[npt.NDArray[np.float64]]) -> tuple[Tube, ...]:
    """The tubes of exact detections, tracked and linked."""
    items = [Detections(int(f), [boxes[f] for boxes in people], [0.9] * len(people)) for f in video.frames]
    return OfflineLinker().link(video, BidirectionalTracker().track(video, items))


def test_clothes_tell_who_turned_round_and_who_walked_on() -> None:
    """Two people meet. In both films their boxes are the same; only the pictures say whether they passed."""
    frames = np.arange(60.0)
    passing = boxes_at(150 + 5 * frames), boxes_at(445 - 5 * frames)
    turning = tuple(np.where((frames < 30)[:, None], one, other) for one, other in (passing, passing[::-1]))
    for people in (passing, turning):
        tubes = tubes_of(film([(RED, people[0]), (BLUE, people[1])]), people)
        assert spans(tubes) == [(0, 60)] * 2
        for tube, truth in zip(sorted(tubes, key=lambda tube: float(tube.boxes_xyxy[0, 0])), people, strict=True):
            assert float(elementwise_iou(tube.boxes_xyxy, truth).mean()) > 0.9


@pytest.mark.parametrize(("zoom", "shift"), [(1.0, 0.0), (1.4, -150.0)])
def test_people_are_found_again_after_a_cut(zoom: float, shift: float) -> None:
    cut = np.arange(60) >= 30
    people = [
        np.where(cut[:, None], boxes_at(np.full(60, x * zoom + shift), 60, 120 * zoom), boxes_at(np.full(60, x)))
        for x in (150.0, 260.0, 370.0)
    ]
    tubes = tubes_of(film(list(zip((RED, BLUE, GREEN), people, strict=True)), (30,)), people)
    assert spans(tubes) == [(0, 60)] * 3
    for tube, truth in zip(tubes, people, strict=True):  # as they come, from left to right
        np.testing.assert_allclose(tube.boxes_xyxy, truth, atol=1e-3)


def test_someone_in_other_clothes_after_a_cut_is_someone_else() -> None:
    place = boxes_at(np.full(60, 150.0))
    video = film([(RED, place)], (30,))
    images = video.images.copy()
    images[30:] = film([(BLUE, place)]).images[30:]
    tubes = tubes_of(VideoFrames(video.meta, video.frames, images, 1.0, (30,)), [place])
    assert spans(tubes) == [(0, 30), (30, 60)]


def test_boxes_that_the_tracker_left_alone_fill_gaps() -> None:
    single = [track(frame, frame + 1, 102, score=0.25) for frame in (43, 46)]
    (tube,) = OfflineLinker().link(footage(), [track(0, 40, 100), *single, track(50, 100, 100)])
    assert np.flatnonzero(~tube.observed).tolist() == [40, 41, 42, 44, 45, 47, 48, 49]


def noisy_detections(seed: int, num_frames: int = 200) -> tuple[list[Tube], list[Detections]]:
    """Four people on curved ways: misses, gaps of up to a second, jitter, false positives."""
    rng = np.random.default_rng(seed)
    times = np.arange(num_frames)
    truth = []
    for person in range(4):
        x = 300 + 230 * np.sin(times / rng.uniform(40, 90) + rng.uniform(0, 6))
        y = 60 + 45 * person + 10 * np.sin(times / 50)
        size = np.array([45, 110]) * rng.uniform(0.85, 1.15)
        boxes = np.stack([x, y, x + size[0], y + size[1]], axis=1)
        truth.append(Tube(person, 0, boxes, np.ones(num_frames), np.ones(num_frames, bool)))
    hidden = rng.random((4, num_frames)) < 0.12
    for person in range(4):
        for start in rng.integers(0, num_frames, 3):
            hidden[person, start : start + rng.integers(4, 11)] = True
    items = []
    for frame in times.tolist():
        boxes = [tube.boxes_xyxy[frame] + rng.normal(0, 2.5, 4) for p, tube in enumerate(truth) if not hidden[p, frame]]
        scores = [rng.uniform(0.5, 0.95) for _ in boxes]
        while rng.random() < 0.12:
            corner = rng.uniform([0, 0], [580, 240])
            boxes.append(np.concatenate([corner, corner + rng.uniform([20, 50], [60, 120])]))
            scores.append(rng.uniform(0.2, 0.6))
        items.append(Detections(frame, np.array(boxes).reshape(-1, 4), np.array(scores)))
    return truth, items


@pytest.mark.parametrize("seed", range(5))
def test_noisy_crowd_ends_in_few_good_tubes(seed: int) -> None:
    video = footage(200)
    truth, items = noisy_detections(seed)
    tracklets = BidirectionalTracker().track(video, items)
    tubes = OfflineLinker().link(video, tracklets)

    def best(candidates: Sequence[Tube]) -> float:
        return float(np.mean([max(viou(tube, person) for tube in candidates) for person in truth]))

    assert len(tubes) <= 5
    assert best(tubes) > max(0.7, best(tracklets) + 0.05)


def viou(tube: Tube, truth: Tube) -> float:
    overlap = elementwise_iou(tube.boxes_xyxy, truth.crop(tube.span).boxes_xyxy).sum()
    return float(overlap / truth.span.length)


def test_weak_tracklets_are_linked_after_the_others() -> None:
    """The false one begins where the person is lost, so it would be taken for the person if it were as good."""
    tracklets = [track(0, 40, 100), track(58, 100, 100), track(42, 80, -22, speed=3, score=0.5)]
    assert spans(OfflineLinker().link(footage(), tracklets)) == [(0, 80), (58, 100)]
    assert spans(OfflineLinker(LinkingConfig(weak_score=0.6)).link(footage(), tracklets)) == [(0, 100)]


def test_weak_people_stay_where_asked_to() -> None:
    tracklets = [track(0, 100, 100), track(0, 100, 300, score=0.5)]
    config = LinkingConfig(min_relative_score=0.5)
    assert spans(OfflineLinker().link(footage(), tracklets)) == [(0, 100)]
    assert spans(OfflineLinker(config).link(footage(), tracklets)) == [(0, 100)] * 2
