import numpy as np
import pytest

from stvg.geometry.spans import from_inclusive, pairwise_tiou, span_tiou, to_inclusive
from stvg.types import FrameSpan


def naive_tiou(a, b):
    """Count frames in sets."""
    first, second = set(range(*a)), set(range(*b))
    return len(first & second) / len(first | second)


@pytest.mark.parametrize(
    ("a", "b", "expected", "reason"),
    [
        ((0, 10), (0, 10), 1.0, "the same span"),
        ((0, 10), (10, 20), 0.0, "half-open neighbours share no frame"),
        ((0, 10), (9, 20), 1 / 20, "one shared frame"),
        ((0, 100), (40, 50), 0.1, "inside"),
        ((0, 1), (5, 6), 0.0, "apart"),
    ],
)
def test_tiou(a, b, expected, reason):
    assert span_tiou(FrameSpan(*a), FrameSpan(*b)) == pytest.approx(expected), reason
    assert pairwise_tiou([a], [b]).item() == pytest.approx(expected), reason


def test_pairwise_tiou_agrees_with_counting_frames():
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 30, (2, 8))
    first, second = np.stack([starts, starts + rng.integers(1, 30, (2, 8))], axis=-1)
    assert np.allclose(pairwise_tiou(first, second), [[naive_tiou(a, b) for b in second] for a in first])


@pytest.mark.parametrize(("spans", "reason"), [([(5, 5)], "empty"), ([(7, 3)], "inverted")])
def test_spans_without_frames_have_no_iou(spans, reason):
    assert pairwise_tiou(spans, [(0, 10), (5, 5)]).tolist() == [[0, 0]], reason


def test_pairwise_tiou_with_no_spans_keeps_the_shape():
    assert pairwise_tiou([], [(0, 1)]).shape == (0, 1)


@pytest.mark.parametrize(("first", "last"), [(1, 1), (128, 213)])
def test_inclusive_frames_round_trip(first, last):
    span = from_inclusive(first, last)
    assert (span.start, span.length) == (first - 1, last - first + 1)
    assert to_inclusive(span) == (first, last)


@pytest.mark.parametrize(("first", "last", "reason"), [(0, 5, "0-based"), (5, 4, "inverted"), (-3, 4, "negative")])
def test_impossible_frames_are_refused(first, last, reason):
    with pytest.raises(ValueError, match="expected 1 <= first <= last"):
        from_inclusive(first, last)


def test_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"spans_b: expected shape \(any, 2\), got \(3,\)"):
        pairwise_tiou([(0, 1)], [1, 2, 3])
