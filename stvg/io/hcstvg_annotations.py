"""Read and write HC-STVG annotation and test query files.

Annotations are those of v1 and of v2 train and val. In the files frames are 1-based and boxes `[x, y, width, height]`;
here they become 0-based spans and xyxy boxes. The moment is `st_frame` and the number of boxes alone: `st_time` and
`ed_time` disagree with them by a frame or more in a third of the real items, so they are not read.

How strict: `img_num` is fps * 20, only roughly the number of frames in the video, yet no tube of the published v1
files ends after it and none of their boxes leaves the image (STCAT's loader asserts both over the whole dataset), so a
frame past `img_num` is an error without tolerance. Corners may leave the image by `BOX_TOLERANCE` pixels, which is
what rounding a box's place and size apart can add. A few items of v2 val hold runaway boxes of negative size (issue 18
of the dataset's repository): `on_bad_item="skip"` leaves them out with a warning each.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stvg.errors import InputError
from stvg.geometry.boxes import xywh_to_xyxy, xyxy_to_xywh
from stvg.io.files import is_finite_number, key_problem, read_json, write_json_atomically
from stvg.types import Annotation, ClipSize, Float64Array, Query, Tube

logger = logging.getLogger(__name__)

CAPTION_KEYS = ("caption", "English")
"""Keys of the sentence in v1 and v2."""
CLIP_S = 20.0
"""Length of a clip of HC-STVG in seconds."""
BOX_TOLERANCE = 1.0
"""Pixels by which a box may leave the image."""
BOX_DECIMALS = 2
"""Decimals of a pixel that are written."""
_HIGHEST = (1 << 31) - 1
"""The largest number of frames or pixels."""


@dataclass(frozen=True, slots=True)
class AnnotatedClip:
    """One item of an annotation file: the query with its tube, and the size of its video."""

    annotation: Annotation
    size: ClipSize


def read_annotated_clips(path: Path, on_bad_item: Literal["raise", "skip"] = "raise") -> tuple[AnnotatedClip, ...]:
    """Read an HC-STVG annotation file, v1 (`caption`) or v2 (`English`, `img_size`), in the file's order.

    Raises:
        InputError: the file cannot be read or is no annotation file; with "raise", also the first bad item, naming the
            item, what was expected and what was found; with "skip", if no item is left.
    """
    clips = []
    for key, item in _read_items(path).items():
        try:
            clips.append(parse_item(f"{path}: {key}", key, item))
        except InputError as error:
            if on_bad_item == "raise":
                raise
            logger.warning("left out: %s", error)
    if not clips:
        raise InputError(f"{path}: expected at least one usable item, got none")
    return tuple(clips)


def read_annotations(path: Path) -> tuple[Annotation, ...]:
    """Read an HC-STVG annotation file without the sizes of its videos.

    Raises:
        InputError: as read_annotated_clips.
    """
    return tuple(clip.annotation for clip in read_annotated_clips(path))


def read_queries(path: Path) -> tuple[Query, ...]:
    """Read the sentences of a test query file `{key: sentence}` or of an annotation file, in the file's order.

    Raises:
        InputError: the file cannot be read, mixes both kinds, or has an empty sentence or an unusable key.
    """
    items = _read_items(path)
    kinds = {isinstance(item, dict) for item in items.values()}
    if kinds == {True}:
        return tuple(annotation.query for annotation in read_annotations(path))
    queries = []
    for key, text in items.items():
        where = f"{path}: {key}"
        if not isinstance(text, str):
            raise InputError(f"{where}: expected a sentence, as in a file of test queries, got {_short(text)}")
        queries.append(parse_query(where, key, text))
    return tuple(queries)


def read_sizes(path: Path) -> dict[str, ClipSize]:
    """Return what an annotation file says of its videos, by key; test queries say nothing.

    Raises:
        InputError: as read_annotated_clips.
    """
    if any(isinstance(item, str) for item in _read_items(path).values()):
        return {}
    return {clip.annotation.query.video_id: clip.size for clip in read_annotated_clips(path)}


def write_annotations(
    path: Path, clips: Sequence[AnnotatedClip], fps: float, caption_key: Literal["caption", "English"] = "caption"
) -> None:
    """Write an HC-STVG annotation file, whole or not at all; boxes are rounded to BOX_DECIMALS.

    `st_time` is when the first frame of the moment begins and `ed_time` when its last one ends, in seconds at `fps`.

    Raises:
        InputError: the path cannot be written.
        ValueError: two clips have the same key, or a clip is one that read_annotations would refuse.
    """
    items: dict[str, Any] = {}
    for clip in clips:
        annotation, size = clip.annotation, clip.size
        key, span = annotation.query.query_id, annotation.tube.span
        if key in items:
            raise ValueError(f"clips: expected each key once, got {key!r} twice")
        boxes_xywh = xyxy_to_xywh(annotation.tube.boxes_xyxy).round(BOX_DECIMALS).tolist()
        items[key] = {
            "bbox": [[int(value) if value == int(value) else value for value in box] for box in boxes_xywh],
            "st_time": span.start / fps,
            "ed_time": span.stop / fps,
            "img_num": size.num_frames,
            caption_key: annotation.query.text,
            "width": size.width,
            "height": size.height,
            "st_frame": span.start + 1,
        }
        parse_item(f"clips: {key}", key, items[key])
    write_json_atomically(path, items)


def write_queries(path: Path, queries: Sequence[Query]) -> None:
    """Write a test query file `{key: sentence}`, whole or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    write_json_atomically(path, {query.query_id: query.text for query in queries}, indent=1)


def _read_items(path: Path) -> dict[str, Any]:
    """Return a file's items, at least one, their keys usable as file names."""
    items = read_json(path)
    if not isinstance(items, dict) or not items:
        raise InputError(f"{path}: expected a JSON object with one item per video, got {_short(items)}")
    for key in items:
        if (problem := key_problem(key)) is not None:
            raise InputError(f"{path}: {problem}")
    return items


def parse_item(where: str, key: str, item: object) -> AnnotatedClip:
    """Return one item of an annotation file; `where` begins its error messages.

    Raises:
        InputError: a field is missing or cannot be right, as the module says.
    """
    if not isinstance(item, dict):
        raise InputError(f"{where}: expected an object with bbox, st_frame and so on, got {_short(item)}")
    size = _size(where, item)
    caption_key = next((name for name in CAPTION_KEYS if item.get(name) is not None), CAPTION_KEYS[0])
    query = parse_query(f"{where}: {caption_key}", key, item.get(caption_key))
    boxes_xyxy = _boxes_xyxy(where, item.get("bbox"), size)
    first = _whole_number(f"{where}: st_frame", item.get("st_frame"))
    last = first + len(boxes_xyxy) - 1
    if last > size.num_frames:
        raise InputError(
            f"{where}: expected a span inside the video's {size.num_frames} frames (img_num), "
            f"got frames {first} to {last} (st_frame and {len(boxes_xyxy)} boxes)"
        )
    tube = Tube(
        tube_id=0,
        start_frame=first - 1,
        boxes_xyxy=boxes_xyxy.astype(np.float32),
        scores=np.ones(len(boxes_xyxy), dtype=np.float32),
        observed=np.ones(len(boxes_xyxy), dtype=np.bool_),
    )
    return AnnotatedClip(Annotation(query, tube), size)


def _size(where: str, item: dict[str, Any]) -> ClipSize:
    """Return the size of an item's video: `width` and `height`, or v2's `img_size`, which is [height, width]."""
    width, height = item.get("width"), item.get("height")
    img_size = item.get("img_size")
    if width is None and height is None and isinstance(img_size, list) and len(img_size) >= 2:
        height, width = img_size[:2]
    return ClipSize(
        width=_whole_number(f"{where}: width", width),
        height=_whole_number(f"{where}: height", height),
        num_frames=_whole_number(f"{where}: img_num", item.get("img_num")),
    )


def parse_query(where: str, key: str, text: object) -> Query:
    """Return a sentence as a query; in HC-STVG the video's key names the query too.

    Raises:
        InputError: no sentence.
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{where}: expected a sentence, got {_short(text)}")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(f"{where}: expected Unicode text, got half a surrogate pair in {_short(text)}")
    return Query(query_id=key, video_id=key, text=text)


def _boxes_xyxy(where: str, bbox: object, size: ClipSize) -> Float64Array:
    """Return an item's boxes as (T, 4) float64 xyxy pixels, T >= 1."""
    if not isinstance(bbox, list) or not bbox:
        raise InputError(f"{where}: bbox: expected a list of boxes [x, y, w, h], got {_short(bbox)}")
    for index, box in enumerate(bbox):
        if not isinstance(box, list) or len(box) != 4 or not all(is_finite_number(value) for value in box):
            raise InputError(f"{where}: bbox[{index}]: expected four finite numbers [x, y, w, h], got {_short(box)}")
        if min(box[:2]) < 0 or min(box[2:]) <= 0:
            raise InputError(f"{where}: bbox[{index}]: expected [x, y, w, h] with x, y >= 0 and w, h > 0, got {box}")
    boxes = np.array(bbox, dtype=np.float64)
    boxes_xyxy = xywh_to_xyxy(boxes)
    limit = np.array([size.width, size.height]) + BOX_TOLERANCE
    outside = np.flatnonzero((boxes_xyxy[:, 2:] > limit).any(axis=1))
    if outside.size:
        index = int(outside[0])
        fits_as_xyxy = (boxes[:, 2:] <= limit).all() and (boxes[:, 2:] > boxes[:, :2]).all()
        hint = "; all boxes fit when read as [x1, y1, x2, y2], which this format does not use" if fits_as_xyxy else ""
        raise InputError(
            f"{where}: bbox[{index}]: expected [x, y, w, h] inside the {size.width} x {size.height} image, "
            f"got {bbox[index]}, which ends at ({boxes_xyxy[index, 2]:g}, {boxes_xyxy[index, 3]:g}){hint}"
        )
    return boxes_xyxy


def _whole_number(where: str, value: object) -> int:
    """Return a JSON number that is whole and at least 1."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _HIGHEST:
        raise InputError(f"{where}: expected a whole number >= 1, at most {_HIGHEST}, got {_short(value)}")
    return value


def _short(value: object) -> str:
    """Describe a value of a file in an error message, on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)) and len(value) > 4:
        return f"{type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def film_of(video_id: str) -> str:
    """Return the name of the film that a clip of HC-STVG is cut from.

    >>> film_of("187_o4xQ-BEa3Ss.mp4"), film_of("other.mp4")
    ('o4xQ-BEa3Ss', 'other')
    """
    number, sign, name = Path(video_id).stem.partition("_")
    return name if sign and number.isdigit() else Path(video_id).stem
