"""Read annotations of temporal grounding.

Source of the forms: 2D-TAN's JSON files for Charades-STA, ActivityNet Captions and TACoS, as MCG-NJU/MMN reads them
(mmn/data/datasets/{charades,activitynet,tacos}.py). HC-STVG's annotations give a moment by the span of their tube.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from stvg.errors import InputError
from stvg.io.files import is_finite_number, read_json
from stvg.io.hcstvg_annotations import CLIP_S, read_annotated_clips

_LEAST_S, _LONGEST_S = 1e-6, 1e9
"""Lengths and rates beyond these are mistakes, and would overflow where they are divided by each other."""
MomentForm = Literal["2d-tan", "hc-stvg"]


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedVideo:
    """A video with Q >= 1 sentences: `moments_s` (Q, 2) float64 seconds, 0 <= start < end <= `duration_s`."""

    video_id: str
    duration_s: float
    sentences: tuple[str, ...]
    moments_s: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MomentAnnotations:
    """The videos of a split with at least one sentence, and what was read.

    `num_sentences` were read, of which `num_empty` have a moment without length and were dropped; `num_clipped` of
    those kept reached past the end of their video and were cut there.
    """

    videos: tuple[AnnotatedVideo, ...]
    num_sentences: int
    num_empty: int
    num_clipped: int

    def __str__(self) -> str:
        return (
            f"{len(self.videos)} videos, {self.num_sentences} sentences read, {self.num_empty} dropped for a moment "
            f"without length, {self.num_clipped} cut at the end of the video"
        )


def read_moments(path: Path, form: MomentForm, drop_empty: bool) -> MomentAnnotations:
    """Read an annotation file of one split.

    Form "2d-tan": {video: {"duration", "timestamps" [[start, end]], "sentences"}} in seconds, or with "fps" and
    "num_frames" in place of the duration: then timestamps are frames. Form "hc-stvg": see stvg.io.hcstvg_annotations;
    seconds are those of its 20 s clips. Moments are cut to the video, as the official code does. It
    also drops those with start >= end, from test too: `drop_empty` does so, and without it they are errors.

    Raises:
        InputError: the file cannot be read, or an item is not of its form; the message names the item.
    """
    pairs = _hcstvg_moments(path) if form == "hc-stvg" else _tan_moments(path)
    videos, read, empty, clipped = [], 0, 0, 0
    for video_id, duration_s, sentences, given in pairs:
        moments = np.clip(given, 0.0, duration_s)
        kept = moments[:, 0] < moments[:, 1]
        if not drop_empty and not kept.all():
            number = int(np.flatnonzero(~kept)[0])
            raise InputError(
                f"{path}: {video_id}: sentence {number}: expected start < end inside 0 to "
                f"{duration_s:g} s, got {given[number].tolist()}"
            )
        read, empty = read + len(kept), empty + int((~kept).sum())
        clipped += int((given != moments).any(axis=1)[kept].sum())
        if kept.any():
            texts = tuple(text for text, keep in zip(sentences, kept, strict=True) if keep)
            videos.append(AnnotatedVideo(video_id, duration_s, texts, moments[kept]))
    if not videos:
        raise InputError(f"{path}: expected at least one sentence with a moment, got none")
    return MomentAnnotations(tuple(videos), read, empty, clipped)


_Item = tuple[str, float, list[str], npt.NDArray[np.float64]]
"""Video, duration in seconds, sentences, moments in seconds as the file has them."""


def _hcstvg_moments(path: Path) -> Iterable[_Item]:
    for clip in read_annotated_clips(path):
        span, query = clip.annotation.tube.span, clip.annotation.query
        moment = np.array([[span.start, span.stop]]) * (CLIP_S / clip.size.num_frames)
        yield query.video_id, CLIP_S, [query.text], moment


def _tan_moments(path: Path) -> Iterable[_Item]:
    items = read_json(path)
    if not isinstance(items, dict) or not items:
        raise InputError(f"{path}: expected videos with their timestamps and sentences, got none")
    for video_id, item in items.items():
        yield _tan_item(f"{path}: {video_id}", video_id, item)


def _tan_item(where: str, video_id: str, item: Any) -> _Item:
    if not isinstance(item, dict):
        raise InputError(f"{where}: expected an object with timestamps and sentences, got {type(item).__name__}")
    unit_s = 1.0 if "duration" in item else 1.0 / _positive(where, item, "fps")
    duration_s = _positive(where, item, "duration" if "duration" in item else "num_frames") * unit_s
    sentences, timestamps = item.get("sentences"), item.get("timestamps")
    if not isinstance(sentences, list) or not all(isinstance(text, str) and text.strip() for text in sentences):
        raise InputError(f"{where}: sentences: expected a list of sentences, got {str(sentences)[:80]}")
    if not isinstance(timestamps, list) or len(timestamps) != len(sentences):
        raise InputError(
            f"{where}: timestamps: expected [start, end] for each of {len(sentences)} sentences, "
            f"got {str(timestamps)[:80]}"
        )
    for pair in timestamps:
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(is_finite_number(value) and abs(value) <= _LONGEST_S for value in pair)
        ):
            raise InputError(f"{where}: timestamps: expected [start, end], got {str(pair)[:80]}")
    return video_id, duration_s, sentences, np.array(timestamps, dtype=np.float64).reshape(-1, 2) * unit_s


def _positive(where: str, item: dict[str, Any], key: str) -> float:
    value: Any = item.get(key)
    if not is_finite_number(value) or value <= 0:
        raise InputError(f"{where}: {key}: expected a number above 0, got {repr(value)[:80]}")
    if not _LEAST_S <= value <= _LONGEST_S:
        raise InputError(f"{where}: {key}: expected a number from {_LEAST_S:g} to {_LONGEST_S:g}, got {value!r}")
    return float(value)
