import numpy as np
import pytest

from spatial.tracking.linking.pruning import dense_parts, drop_inner, is_real, merge_duplicates, trim_ends
from spatial.tracking.linking.tracklets import Tracklet


def tracklet(
    frames: list[int], box: tuple[float, ...] = (0, 0, 40, 100), score: float = 0.9, shot: int = 0
) -> Tracklet:
    count = len(frames)
    return Tracklet(
        np.array(frames), np.tile(np.array(box, float), (count, 1)), np.full(count, score), np.zeros(count), shot
    )


def test_duplicates_fill_each_others_gaps() -> None:
    (merged,) = merge_duplicates(
        [tracklet([0, 1, 2, 6, 7, 8, 9]), tracklet([2, 3, 4, 5], (2, 0, 42, 100), 0.5)], 0.6, 0.7
    )
    assert merged.frames.tolist() == list(range(10))
    assert merged.boxes_xyxy[[2, 3], 0].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("other", "count", "reason"),
    [
        (tracklet([*range(5, 15)], (30, 0, 70, 100)), 2, "beside"),
        (tracklet([*range(8, 30)]), 2, "little time in common"),
        (tracklet([*range(5, 15)], shot=1), 2, "another shot"),
        (tracklet([*range(5, 15)]), 1, "on each other"),
    ],
)
def test_who_is_merged(other: Tracklet, count: int, reason: str) -> None:
    assert len(merge_duplicates([tracklet([*range(20)]), other], 0.6, 0.7)) == count, reason


@pytest.mark.parametrize(
    ("box", "score", "count", "reason"),
    [
        ((5, 5, 35, 50), 0.8, 1, "inside and weaker"),
        ((5, 5, 35, 50), 0.89, 2, "inside, as sure: a child in front"),
        ((20, 0, 55, 100), 0.7, 1, "half inside and much weaker"),
        ((20, 0, 55, 100), 0.8, 2, "half inside, weaker: somebody beside"),
        ((35, 0, 75, 100), 0.5, 2, "hardly inside"),
    ],
)
def test_inner_boxes(box: tuple[float, ...], score: float, count: int, reason: str) -> None:
    assert len(drop_inner([tracklet([*range(5, 15)], box, score), tracklet([*range(20)])], 0.7)) == count, reason


def test_inner_boxes_of_several_people_are_nobodys() -> None:
    people = [tracklet([*range(20)]), tracklet([*range(20)], (100, 0, 140, 100))]
    boxes = np.array([[5, 5, 35, 50]] * 5 + [[105, 5, 135, 50]] * 5, dtype=float)
    wanderer = Tracklet(np.arange(10), boxes, np.full(10, 0.6), np.zeros(10), 0)
    assert len(drop_inner([*people, wanderer], 0.7)) == 2


@pytest.mark.parametrize(
    ("count", "seen_s", "score", "real", "reason"),
    [
        (20, 2.0, 0.9, True, "long and sure"),
        (5, 0.5, 0.9, False, "five boxes in half a second"),
        (5, 1.0, 0.9, True, "five boxes of a slow film"),
        (20, 2.0, 0.5, False, "much weaker than the strongest"),
        (20, 2.0, 0.6, True, "somewhat weaker"),
        (8, 0.3, 0.7, False, "somewhat weaker and short"),
    ],
)
def test_false_positives(count: int, seen_s: float, score: float, real: bool, reason: str) -> None:
    limits = {"least": 6, "least_s": 1.0, "min_score": 0.3, "min_relative_score": 0.6}
    assert is_real(tracklet([*range(count)], score=score), 0.9, seen_s, **limits) == real, reason


def test_how_much_weaker_than_the_strongest() -> None:
    limits = {"least": 6, "least_s": 1.0, "min_score": 0.3}
    for share in (0.4, 0.6):
        assert is_real(tracklet([*range(20)], score=0.5), 0.9, 4.0, min_relative_score=share, **limits) == (share < 0.5)


@pytest.mark.parametrize(
    ("frames", "expected", "reason"),
    [
        ([*range(10), 30], [*range(10)], "one far away"),
        ([0, 30, 31, *range(60, 70)], [*range(60, 70)], "two stray runs before"),
        ([*range(10), 14], [*range(10), 14], "one near"),
        ([*range(10), *range(30, 33)], [*range(10), *range(30, 33)], "a run of three is no stray"),
        ([0, 20, 40], [0, 20, 40], "nothing but strays"),
        ([*range(5), 20, *range(40, 45)], [*range(5), 20, *range(40, 45)], "only ends are trimmed"),
    ],
)
def test_trimmed_ends(frames: list[int], expected: list[int], reason: str) -> None:
    assert trim_ends(tracklet(frames), 8, 3).frames.tolist() == expected, reason


@pytest.mark.parametrize(
    ("frames", "expected", "reason"),
    [
        ([*range(6), *range(40, 60)], [[*range(6)], [*range(40, 60)]], "two people joined"),
        ([*range(6), *range(12, 20)], [[*range(6), *range(12, 20)]], "dense enough"),
        ([0, 30, *range(50, 60), 100], [[0], [30], [*range(50, 60)], [100]], "the longest gaps first"),
        ([5], [[5]], "one detection"),
    ],
)
def test_what_is_seldom_seen_is_cut_at_its_gaps(frames: list[int], expected: list[list[int]], reason: str) -> None:
    for step in (1, 3):
        parts = dense_parts(tracklet([step * frame for frame in frames]), step, 0.5)
        assert [part.frames.tolist() for part in parts] == [[step * at for at in own] for own in expected], reason
