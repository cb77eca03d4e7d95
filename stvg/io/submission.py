"""Write, check and read submissions in the HC-STVG format.

    {"3_x.mkv": {"st_frame": 12, "ed_frame": 70, "bbox": {"12": [x1, y1, x2, y2], ..., "70": [...]}}}

Frames are 1-based, both ends belong to the span, and every frame of it has a box of xyxy pixels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stvg.errors import InputError
from stvg.geometry.boxes import clip_boxes
from stvg.geometry.spans import from_inclusive, to_inclusive
from stvg.io.files import fits_float32, is_finite_number, key_problem, read_json, write_json_atomically
from stvg.types import ClipSize, Prediction, Query, Tube, VideoMeta

BOX_DECIMALS = 2
"""Decimals of a pixel that are written: an IoU changes by less than 0.001 even for a box of 20 pixels."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a submission: in which video, in which frame (1-based, None: not one frame), and what."""

    video: str
    frame: int | None
    message: str

    def __str__(self) -> str:
        frame = "" if self.frame is None else f": frame {self.frame}"
        video = self.video if self.video.isprintable() else repr(self.video)  # a key may hold the end of a line
        return f"{video}{frame}: {self.message}"


def size_of(meta: VideoMeta) -> ClipSize:
    """Return the size of a video file."""
    return ClipSize(meta.width, meta.height, meta.num_frames)


def write_submission(
    path: Path, predictions: Sequence[Prediction], sizes: Mapping[str, ClipSize] | None = None
) -> None:
    """Write a submission, whole or not at all, one item per prediction under its `query_id`.

    Boxes are rounded to BOX_DECIMALS. Where `sizes` knows the video they are first clipped to its image, keeping sides
    of at least one pixel, since the format refuses boxes outside the image or without area.

    Raises:
        InputError: the path cannot be written.
        ValueError: two predictions of one query, or one that still does not fit the format.
    """
    items: dict[str, Any] = {}
    for prediction in predictions:
        if prediction.query_id in items:
            raise ValueError(f"predictions: expected one per query, got two of {prediction.query_id!r}")
        items[prediction.query_id] = to_item(prediction, (sizes or {}).get(prediction.video_id))
    write_items(path, items)


def write_items(path: Path, items: Mapping[str, dict[str, Any]]) -> None:
    """Write a submission of items as `to_item` makes them, by query, whole or not at all.

    Raises:
        InputError: the path cannot be written.
        ValueError: an item that does not fit the format.
    """
    problems = find_problems(dict(items))
    if problems:
        raise ValueError(f"predictions: {problems[0]}")
    write_json_atomically(path, dict(items))


def read_submission(path: Path) -> tuple[Prediction, ...]:
    """Read a submission, in the file's order; scores are 0, for the format has none.

    Raises:
        InputError: the file cannot be read, or its first problem that find_problems knows of without the queries.
    """
    submission = read_json(path)
    problems = find_problems(submission)
    if problems:
        more = f" (and {len(problems) - 1} more: stvg validate lists all)" if problems[1:] else ""
        raise InputError(f"{path}: {problems[0]}{more}")
    return tuple(_to_prediction(key, item) for key, item in submission.items())


def find_problems(
    submission: object, queries: Sequence[Query] | None = None, sizes: Mapping[str, ClipSize] | None = None
) -> list[Problem]:
    """Return everything that is wrong with a submission (plain JSON data), in the order of its items.

    Args:
        submission: what a results.json holds.
        queries: what it has to answer; without them missing and extra videos go unnoticed.
        sizes: image size and number of frames by video key, where known; without a video's size only negative corners
            count as outside its image.
    """
    if not isinstance(submission, dict):
        return [Problem("submission", None, f"expected an object with one item per video, got {_kind(submission)}")]
    problems = []
    expected = None if queries is None else {query.query_id for query in queries}
    for key, item in submission.items():
        if (problem := key_problem(key)) is not None:
            problems.append(Problem(str(key), None, problem))
        elif expected is not None and key not in expected:
            problems.append(Problem(key, None, "expected only keys of the queries, got this one (extra)"))
        problems.extend(_item_problems(str(key), item, (sizes or {}).get(key)))
    for query in queries or ():
        if query.query_id not in submission:
            problems.append(Problem(query.query_id, None, "expected an answer to every query, got none (missing)"))
    return problems


def usable_boxes(submission: object) -> Iterator[list[float]]:
    """Yield the boxes of a submission (plain JSON data) that are four finite numbers, whatever else is wrong."""
    items = submission.values() if isinstance(submission, dict) else ()
    for item in items:
        bbox = item.get("bbox") if isinstance(item, dict) else None
        for box in bbox.values() if isinstance(bbox, dict) else ():
            if isinstance(box, list) and len(box) == 4 and all(is_finite_number(value) for value in box):
                yield box


def to_item(prediction: Prediction, size: ClipSize | None) -> dict[str, Any]:
    """Return a prediction as its item of the file, its boxes rounded and, with `size`, clipped to the image."""
    first, last = to_inclusive(prediction.tube.span)
    boxes = prediction.tube.boxes_xyxy.astype(np.float64)
    if size is not None and np.isfinite(boxes).all():
        boxes = clip_boxes(boxes, size.width, size.height, min_size=min(1.0, size.width, size.height))
    rounded = boxes.round(BOX_DECIMALS).tolist()
    bbox = {str(frame): box for frame, box in zip(range(first, last + 1), rounded, strict=True)}
    return {"st_frame": first, "ed_frame": last, "bbox": bbox}


def _to_prediction(key: str, item: dict[str, Any]) -> Prediction:
    """Return an item that has no problems as a prediction."""
    span = from_inclusive(item["st_frame"], item["ed_frame"])
    boxes = np.array([item["bbox"][str(frame + 1)] for frame in range(span.start, span.stop)], dtype=np.float32)
    ones = np.ones(span.length)
    tube = Tube(0, span.start, boxes, ones.astype(np.float32), ones.astype(np.bool_))
    return Prediction(query_id=key, video_id=key, tube=tube, score=0.0)


def _item_problems(video: str, item: object, size: ClipSize | None) -> Iterator[Problem]:
    """Yield what is wrong with one video's item."""
    if not isinstance(item, dict):
        yield Problem(video, None, f"expected an object with st_frame, ed_frame, bbox, got {_kind(item)}")
        return
    ends = {}
    for name in ("st_frame", "ed_frame"):
        value = item.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            yield Problem(video, None, f"{name}: expected a whole number >= 1, got {_kind(value)}")
        else:
            ends[name] = value
    span = None
    if len(ends) == 2 and ends["st_frame"] > ends["ed_frame"]:
        yield Problem(video, None, f"expected st_frame <= ed_frame, got {ends['st_frame']} and {ends['ed_frame']}")
    elif len(ends) == 2:
        span = (ends["st_frame"], ends["ed_frame"])
        if size is not None and span[1] > size.num_frames:
            message = f"ed_frame: expected at most {size.num_frames}, the video's last frame, got {span[1]}"
            yield Problem(video, span[1], message)
    bbox = item.get("bbox")
    if not isinstance(bbox, dict):
        yield Problem(video, None, f"bbox: expected an object from frame number to box, got {_kind(bbox)}")
        return
    yield from _frame_problems(video, bbox, span)
    for key, box in bbox.items():
        if (problem := _box_problem(box, size)) is not None:
            yield Problem(video, _frame_number(key), problem)


def _frame_problems(video: str, bbox: dict[Any, Any], span: tuple[int, int] | None) -> Iterator[Problem]:
    """Yield the keys of `bbox` that are no frames, or not those of the span (first, last; None where unknown)."""
    frames = set()
    for key in bbox:
        frame = _frame_number(key)
        if frame is None:
            yield Problem(video, None, f"bbox: expected frame numbers as keys, plain digits from 1 on, got {key!r}")
            continue
        if not isinstance(key, str):
            yield Problem(video, frame, f"bbox: expected a string as key, got the number {key!r}")
        frames.add(frame)
        if span is not None and not span[0] <= frame <= span[1]:
            yield Problem(video, frame, f"expected boxes only from frame {span[0]} to {span[1]}, got one here")
    if span is not None:
        # A span may claim more frames than anyone can list; one line says it then.
        length, found = span[1] - span[0] + 1, sum(span[0] <= frame <= span[1] for frame in frames)
        if length - found > 10_000:
            yield Problem(video, None, f"expected a box in each of {length} frames, got {found} (missing)")
            return
        for frame in range(span[0], span[1] + 1):
            if frame not in frames:
                yield Problem(video, frame, "expected a box in every frame of the span, got none (missing)")


def _box_problem(box: object, size: ClipSize | None) -> str | None:
    """Return what is wrong with one box, or None."""
    if not isinstance(box, list) or len(box) != 4:
        return f"expected a list of four numbers [x1, y1, x2, y2], got {_kind(box)}"
    if not all(is_finite_number(value) and fits_float32(value) for value in box):
        return f"expected four finite numbers, got {_kind(box)}"
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        return f"expected x1 < x2 and y1 < y2, got {box}"
    if min(x1, y1) < 0:
        return f"expected corners inside the image, got {box}"
    if size is not None and (x2 > size.width or y2 > size.height):
        return f"expected corners inside the {size.width} x {size.height} image, got {box}"
    return None


def _frame_number(key: object) -> int | None:
    """Return the frame that a key of `bbox` names, or None; "012" and "1.0" name none."""
    if isinstance(key, int) and not isinstance(key, bool) and key >= 1:
        return key
    if isinstance(key, str) and key.isascii() and key.isdigit() and key[0] != "0" and len(key) <= 18:
        return int(key)
    return None


def _kind(value: object) -> str:
    """Describe a value of the file on one line."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else f"{type(value).__name__} {text[:50]}..."
