"""Read and write detections and tracks as MOTChallenge text.

A line holds one box: `frame,id,x,y,w,h,score,-1,-1,-1`. In the file frames are 1-based and boxes are [x, y, width,
height]; here frames are 0-based and boxes xyxy. An id of -1 means "not tracked", as in public detections.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stvg.errors import InputError
from stvg.geometry.boxes import xywh_to_xyxy, xyxy_to_xywh
from stvg.io.files import fits_float32, refuse_pointer, write_text_atomically
from stvg.types import FloatArray, IntArray

_LAST_FRAME = 10_000_000
"""Four days of video at 25 frames per second; what stands beyond it is a mistake, and would take memory by frame."""
_LAST_PIXEL = 1e9
"""Further out, a box cannot be told from its neighbours in 32 bits."""
_COLUMNS = "frame,id,x,y,w,h,score[,x3d,y3d,z3d] (7 to 10 columns)"


@dataclass(frozen=True, slots=True, eq=False)
class MotRows:
    """The rows of a MOT file, in its order: one box each.

    `frames` (N,) int64, 0-based; `track_ids` (N,) int64, -1 where not tracked; `boxes_xyxy` (N, 4) float32 pixels,
    which may leave the image; `scores` (N,) float32, finite, in the unit of the detector that wrote them.
    """

    frames: IntArray
    track_ids: IntArray
    boxes_xyxy: FloatArray
    scores: FloatArray

    def __post_init__(self) -> None:
        count = len(self.frames)
        for name, expected in (("track_ids", (count,)), ("boxes_xyxy", (count, 4)), ("scores", (count,))):
            if getattr(self, name).shape != expected:
                raise ValueError(f"{name}: expected shape {expected}, got {getattr(self, name).shape}")

    def __len__(self) -> int:
        return len(self.frames)


def read_mot(path: Path) -> MotRows:
    """Read a MOTChallenge text file; an empty file has no rows, empty lines are passed over.

    Raises:
        InputError: the file cannot be read, or a row has other columns, a frame below 1 or beyond ten million, a
            number that is not finite in 32 bits, or a box without area; the message names the line and shows the row.
    """
    refuse_pointer(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: expected a readable MOT text file, got: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected MOT text {_COLUMNS}, got bytes that are no text") from error
    rows = [_parse_row(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    return MotRows(
        frames=table[:, 0].astype(np.int64) - 1,
        track_ids=table[:, 1].astype(np.int64),
        boxes_xyxy=xywh_to_xyxy(table[:, 2:6]).astype(np.float32),
        scores=table[:, 6].astype(np.float32),
    )


def write_mot(path: Path, rows: MotRows) -> None:
    """Write rows as MOTChallenge text, whole or not at all: 3 decimals of a pixel, 4 of a score.

    Raises:
        InputError: the path cannot be written.
        ValueError: a row that read_mot would refuse: a negative frame, a box under 0.001 pixels wide or high, or a
            number that is not finite.
    """
    boxes_xywh = xyxy_to_xywh(rows.boxes_xyxy).round(3)
    bad = (rows.frames < 0) | ~np.isfinite(boxes_xywh).all(axis=1) | ~np.isfinite(rows.scores)
    bad |= (boxes_xywh[:, 2:] <= 0).any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"rows: expected frames >= 0, finite scores and boxes with an area, got in row {row} frame "
            f"{rows.frames[row]}, box {rows.boxes_xyxy[row].tolist()}, score {rows.scores[row]}"
        )
    lines = [
        f"{frame + 1},{track_id},{x:.3f},{y:.3f},{w:.3f},{h:.3f},{score:.4f},-1,-1,-1\n"
        for frame, track_id, (x, y, w, h), score in zip(
            rows.frames.tolist(), rows.track_ids.tolist(), boxes_xywh.tolist(), rows.scores.tolist(), strict=True
        )
    ]
    write_text_atomically(path, "".join(lines))


def _parse_row(path: Path, number: int, line: str) -> list[float]:
    """Return the first seven columns of a line."""
    where, row = f"{path}: line {number}", f"got {line[:100]!r}"
    cells = line.strip().rstrip(",").split(",")
    if not 7 <= len(cells) <= 10:
        raise InputError(f"{where}: expected {_COLUMNS}, {row}")
    try:
        values = [float(cell) for cell in cells[:7]]
    except ValueError as error:
        raise InputError(f"{where}: expected numbers in {_COLUMNS}, {row}") from error
    x, y, w, h = values[2:6]
    if not (all(abs(one) <= _LAST_PIXEL for one in (x, y, x + w, y + h)) and fits_float32(values[6])):
        raise InputError(f"{where}: expected finite numbers, boxes up to {_LAST_PIXEL:g} pixels, in {_COLUMNS}, {row}")
    frame, track_id = values[:2]
    if not (frame.is_integer() and track_id.is_integer() and 1 <= frame <= _LAST_FRAME and abs(track_id) < 2**53):
        raise InputError(f"{where}: expected a whole frame number >= 1 (at most {_LAST_FRAME}) and a whole id, {row}")
    if w <= 0 or h <= 0:
        raise InputError(f"{where}: expected w, h > 0 in {_COLUMNS}, {row}")
    return values
