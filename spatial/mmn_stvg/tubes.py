"""Convert tubes and tube features of MMN-STVG's files to our conventions.

Frames become 0-based, every frame of a tube gets a box, and the rows of features become equal parts of their tube.
"""

from collections.abc import Sequence

import numpy as np

from spatial.mmn_stvg.files import FeatureRows
from stvg.errors import InputError
from stvg.types import Float64Array, FloatArray, Tube
from temporal.mmn.clip_features import average_clips

PARTS = 32
"""Number of equal parts to which features with different numbers of rows are averaged: MMN-STVG's number of clips."""


def make_tube(index: int, rows: Float64Array, first_frame: int, num_frames: int) -> Tube:
    """Return a tube of `rows` (T, 5 or more), whose frames count from `first_frame` on (see TubeFile).

    Frames between two rows are interpolated and not `observed`. A tube without scores has the score 1.

    Raises:
        InputError: frames that are not whole, not in order or not inside the video's `num_frames`, boxes of negative
            size, scores outside [0, 1].
    """
    frames = rows[:, 0] - first_frame
    if (frames != np.round(frames)).any() or (np.diff(frames) <= 0).any():
        raise InputError(
            f"tube {index}: expected whole frame numbers, each above the one before, got {_first_fault(rows[:, 0])}"
        )
    if frames[0] < 0 or frames[-1] >= num_frames:
        raise InputError(
            f"tube {index}: expected frames in {first_frame} to {num_frames - 1 + first_frame} "
            f"(counted from {first_frame}), got {rows[0, 0]:g} to {rows[-1, 0]:g}"
        )
    if (rows[:, 3:5] < rows[:, 1:3]).any():
        bad = int(np.flatnonzero((rows[:, 3:5] < rows[:, 1:3]).any(axis=1))[0])
        raise InputError(f"tube {index}: row {bad}: expected x1 <= x2 and y1 <= y2, got {rows[bad, 1:5].tolist()}")
    scores = rows[:, 5] if rows.shape[1] > 5 else np.ones(len(rows))
    if scores.min() < 0 or scores.max() > 1:
        raise InputError(f"tube {index}: expected scores in 0 to 1, got {scores.min():g} to {scores.max():g}")
    wanted = np.arange(frames[0], frames[-1] + 1)
    columns = [np.interp(wanted, frames, column) for column in (*rows[:, 1:5].T, scores)]
    return Tube(
        tube_id=index,
        start_frame=int(frames[0]),
        boxes_xyxy=np.stack(columns[:4], axis=1).astype(np.float32),
        scores=columns[4].astype(np.float32),
        observed=np.isin(wanted, frames),
    )


def side_by_side(kinds: Sequence[FloatArray]) -> FloatArray:
    """Return all kinds of features of a tube, each (R_k, D_k) in equal parts of it, as one array (R, sum of D_k).

    Where the numbers of rows differ, each kind is averaged to PARTS, as MMN-STVG averages all.
    """
    if len({len(rows) for rows in kinds}) > 1:
        kinds = [np.asarray(average_clips(rows, PARTS, clamp=False), dtype=np.float32) for rows in kinds]
    return np.concatenate(kinds, axis=1)


def equal_parts(part: FeatureRows, first: float, last: float) -> FloatArray:
    """Return rows (R, D) that are R equal parts of the frames `first` to `last`.

    Rows whose frames lie within one part's length of the middle of theirs are so already. Else each part is the mean of
    the rows whose frames lie in it, or the row nearest to its middle.

    Raises:
        InputError: rows of frames outside the tube, or out of order.

    >>> rows = np.array([[1.0], [2.0], [3.0]], dtype=np.float32)
    >>> equal_parts(FeatureRows(rows, np.array([10.0, 11.0, 30.0])), 10, 39).ravel().tolist()
    [1.5, 3.0, 3.0]
    """
    if part.frames is None:
        return part.rows
    outside = (part.frames < first) | (part.frames > last)
    if outside.any() or (np.diff(part.frames) < 0).any():
        found = f"{part.frames[outside][0]:g}" if outside.any() else _first_fault(part.frames)
        raise InputError(
            f"expected features of frames {first:g} to {last:g} in order, got frame {found}; "
            "--ignore-feature-frames takes them as they come"
        )
    count = len(part.rows)
    length = (last - first + 1) / count
    places, middles = part.frames - first + 0.5, (np.arange(count) + 0.5) * length
    if (np.abs(places - middles) <= length).all():
        return part.rows
    own = np.minimum((places / length).astype(np.int64), count - 1)
    nearest = np.abs(middles[:, None] - places).argmin(axis=1)
    rows = [part.rows[own == k].mean(axis=0) if (own == k).any() else part.rows[nearest[k]] for k in range(count)]
    return np.stack(rows).astype(np.float32)


def _first_fault(frames: Float64Array) -> str:
    """Return the first frame number that is not whole, or the first two that are out of order."""
    broken = np.flatnonzero(frames != np.round(frames))
    if broken.size:
        return f"{frames[broken[0]]:g}"
    place = int(np.flatnonzero(np.diff(frames) <= 0)[0])
    return f"{frames[place]:g} before {frames[place + 1]:g}"
