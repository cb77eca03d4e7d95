"""Temporal IoU of frame spans; conversion from and to 1-based inclusive frames."""

import numpy as np
import numpy.typing as npt

from stvg.types import Float64Array, FrameSpan


def from_inclusive(first: int, last: int) -> FrameSpan:
    """Return the 1-based frames `first` to `last`, both included, as a FrameSpan.

    >>> from_inclusive(10, 19)
    FrameSpan(start=9, stop=19)

    Raises:
        ValueError: not 1 <= first <= last.
    """
    if not 1 <= first <= last:
        raise ValueError(f"frames: expected 1 <= first <= last, got first {first}, last {last}")
    return FrameSpan(first - 1, last)


def to_inclusive(span: FrameSpan) -> tuple[int, int]:
    """Return a span's first and last frame, 1-based, both included.

    >>> to_inclusive(FrameSpan(9, 19))
    (10, 19)
    """
    return span.start + 1, span.stop


def span_tiou(a: FrameSpan, b: FrameSpan) -> float:
    """Return the temporal IoU in [0, 1] of two spans.

    >>> round(span_tiou(FrameSpan(9, 19), FrameSpan(14, 24)), 3)
    0.333
    """
    shared = max(0, min(a.stop, b.stop) - max(a.start, b.start))
    return shared / (a.length + b.length - shared)


def pairwise_tiou(spans_a: npt.ArrayLike, spans_b: npt.ArrayLike) -> Float64Array:
    """Return the temporal IoU in [0, 1] of every span of (N, 2) with every span of (M, 2), as (N, M) float64.

    Spans are half-open [start, stop) in any unit, frames or seconds; an empty or inverted one has IoU 0 with all.

    >>> pairwise_tiou([[0, 10]], [[0, 10], [5, 15], [10, 20]]).round(3).tolist()
    [[1.0, 0.333, 0.0]]

    Raises:
        ValueError: an array is not (any, 2).
    """
    first, second = _spans("spans_a", spans_a)[:, None], _spans("spans_b", spans_b)[None, :]
    shared = np.maximum(np.minimum(first[..., 1], second[..., 1]) - np.maximum(first[..., 0], second[..., 0]), 0)
    lengths = np.maximum(first[..., 1] - first[..., 0], 0) + np.maximum(second[..., 1] - second[..., 0], 0)
    union: Float64Array = lengths - shared
    tiou: Float64Array = np.divide(shared, union, out=np.zeros_like(union), where=union > 0)
    return tiou


def _spans(name: str, value: npt.ArrayLike) -> Float64Array:
    """Return `value` as float64 (N, 2); an empty list becomes (0, 2)."""
    spans = np.asarray(value, dtype=np.float64)
    if spans.shape == (0,):
        return spans.reshape(0, 2)
    if spans.ndim != 2 or spans.shape[1] != 2:
        raise ValueError(f"{name}: expected shape (any, 2), got {spans.shape}")
    return spans
