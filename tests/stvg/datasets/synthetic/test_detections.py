"""Public detections err as much as they should, and carry no hint of who is who."""

from functools import cache

import numpy as np
import pytest

from stvg.datasets.synthetic.detections import DetectorErrors, detect_roughly
from stvg.geometry.boxes import pairwise_iou
from stvg.io.mot_text import MotRows

FRAMES, PEOPLE, SIZE = 4000, 3, (640, 360)
TRUE = np.array([[60, 100, 120, 300], [280, 90, 340, 310], [500, 110, 560, 290]], np.float32)


def rows_for(visible: float, seed: int = 0, errors: DetectorErrors | None = None) -> MotRows:
    boxes = np.tile(TRUE, (FRAMES, 1, 1))
    shares = np.full((FRAMES, PEOPLE), visible, np.float32)
    return detect_roughly(boxes, shares, SIZE, np.random.default_rng(seed), errors)


@cache
def rows() -> MotRows:
    return rows_for(1.0)


def person_of(found: MotRows) -> np.ndarray:
    """The person under each row, -1 for a false positive."""
    iou = pairwise_iou(found.boxes_xyxy, TRUE)
    return np.where(iou.max(axis=1) > 0.4, iou.argmax(axis=1), -1)


def test_misses() -> None:
    recall = (person_of(rows()) >= 0).sum() / (FRAMES * PEOPLE)
    assert 0.87 <= recall <= 0.93


@pytest.mark.parametrize(
    ("visible", "low", "high", "reason"),
    [(0.5, 0.65, 0.8, "half hidden"), (0.25, 0.5, 0.7, "mostly hidden"), (0.19, 0, 0, "too little to be found")],
)
def test_hidden_people_are_missed_more(visible: float, low: float, high: float, reason: str) -> None:
    recall = (person_of(rows_for(visible)) >= 0).sum() / (FRAMES * PEOPLE)
    assert low <= recall <= high, reason


def test_misses_come_in_runs_too() -> None:
    seen = np.zeros((FRAMES, PEOPLE), bool)
    people = person_of(rows())
    seen[rows().frames[people >= 0], people[people >= 0]] = True
    gaps = np.diff(np.flatnonzero(np.diff(np.concatenate([[True], seen[:, 0], [True]]).astype(int))))[::2]
    assert (gaps >= 3).sum() >= 10
    assert (gaps == 1).sum() >= 100
    assert gaps.max() <= 40


def test_jitter_is_a_share_of_the_size() -> None:
    people = person_of(rows())
    for person in range(PEOPLE):
        error = rows().boxes_xyxy[people == person] - TRUE[person]
        width, height = TRUE[person, 2:] - TRUE[person, :2]
        assert error.std(axis=0) == pytest.approx(0.04 * np.array([width, height, width, height]), rel=0.1)
        assert np.abs(error.mean(axis=0)).max() < 1


def test_false_positives() -> None:
    false = person_of(rows()) < 0
    assert 0.1 <= false.sum() / FRAMES <= 0.2
    frames, boxes = rows().frames[false], rows().boxes_xyxy[false]
    again = pairwise_iou(boxes, boxes) > 0.5
    assert (again & (frames[:, None] + 1 == frames[None, :])).any(axis=1).mean() > 0.3, "some stay"


def test_scores_overlap_but_tell_something() -> None:
    false = person_of(rows()) < 0
    right, wrong = rows().scores[~false], rows().scores[false]
    assert np.quantile(wrong, 0.9) > np.quantile(right, 0.1)
    assert right.mean() > wrong.mean() + 0.15
    assert rows().scores.min() >= 0
    assert rows().scores.max() <= 1


def test_no_identity_and_no_order() -> None:
    assert (rows().track_ids == -1).all()
    assert (np.diff(rows().frames) >= 0).all()
    people = person_of(rows())
    full = [people[start : start + PEOPLE] for start in np.flatnonzero(np.diff(rows().frames, prepend=-1))]
    orders = [tuple(found) for found in full if sorted(found) == [0, 1, 2]]
    shares = np.array([orders.count(order) for order in set(orders)]) / len(orders)
    assert len(shares) == 6
    assert shares.min() > 0.1


def test_boxes_stay_inside_and_people_out_of_view_are_not_found() -> None:
    boxes = np.tile(np.array([[-20, 50, 40, 400], [np.nan] * 4], np.float32), (300, 1, 1))
    visible = np.tile(np.array([0.6, 0.0], np.float32), (300, 1))
    found = detect_roughly(boxes, visible, SIZE, np.random.default_rng(0))
    assert len(found) > 150
    assert np.isfinite(found.boxes_xyxy).all()
    assert found.boxes_xyxy.min() >= 0
    assert (found.boxes_xyxy <= (640, 360, 640, 360)).all()


def test_same_generator_same_rows() -> None:
    one, two, other = rows_for(1.0, 5), rows_for(1.0, 5), rows_for(1.0, 6)
    assert np.array_equal(one.boxes_xyxy, two.boxes_xyxy)
    assert not np.array_equal(one.boxes_xyxy[:50], other.boxes_xyxy[:50])


def test_wrong_shape_is_named() -> None:
    with pytest.raises(ValueError, match="visible: expected shape"):
        detect_roughly(np.zeros((5, 2, 4), np.float32), np.zeros((5, 3), np.float32), SIZE, np.random.default_rng(0))
