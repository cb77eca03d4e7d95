"""VidSTG (https://github.com/Guaranteer/VidSTG-Dataset) in HC-STVG's form: the queries for a person.

A VidSTG file is a list of annotations, each with sentences about objects of a VidOR video; the boxes are in VidOR's own
file of that video, `training/GROUP/VIDEO.json` or `validation/GROUP/VIDEO.json`. Here each sentence whose target is a
person becomes an item `N_VIDEO.mp4`, N counting the sentences of the video in its split, and the video is linked under
each of these names. One thing differs from the published task: there a sentence is sought in a segment of the video
(`used_segment`), here in the whole video, so figures are not comparable with published ones.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from stvg.datasets.hcstvg.item_checks import Finding, SplitItems, check_items
from stvg.errors import InputError
from stvg.io.files import read_json

PEOPLE = frozenset({"adult", "child", "baby"})
"""VidOR's categories of people."""
Sentences = Literal["captions", "questions", "both"]


@dataclass(frozen=True, slots=True)
class Converted:
    """A split in HC-STVG's form, and for each of its keys the name of VidOR's video."""

    split: SplitItems
    video_of: Mapping[str, str]


def convert_split(split: str, path: Path, data: Path, sentences: Sentences = "captions") -> Converted:
    """Convert one of VidSTG's files; VidOR's annotations are looked for in any subfolder of `data`.

    Raises:
        InputError: the file cannot be read or is none of VidSTG's, or has no sentence about a person.
    """
    annotations = read_json(path)
    if not isinstance(annotations, list):
        raise InputError(f"{path}: expected a list of annotations, as VidSTG's files are, got another kind")
    boxes_of = _BoxFiles(data)
    pairs: list[tuple[str, Any]] = []
    findings: list[Finding] = []
    video_of: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for number, annotation in enumerate(annotations):
        try:
            found = list(_items(annotation, boxes_of, sentences))
            video = str(annotation["vid"])
        except InputError as error:
            findings.append(Finding(split, f"annotation {number}", "annotation", str(error), left_out=True))
            continue
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            message = f"expected an annotation of VidSTG, got {type(error).__name__}: {error}"
            findings.append(Finding(split, f"annotation {number}", "annotation", message, left_out=True))
            continue
        for item in found:
            counts[video] += 1
            key = f"{counts[video]}_{video}.mp4"
            video_of[key] = f"{video}.mp4"
            pairs.append((key, item))
    if not pairs:
        raise InputError(
            f"{path}: expected sentences about people, got none; {findings[0].message if findings else ''}"
        )
    checked = check_items(split, path, pairs)
    whole = SplitItems(
        split,
        path,
        checked.total + len(findings),
        checked.items,
        checked.sizes,
        checked.last_frames,
        (*findings, *checked.findings),
    )
    return Converted(whole, video_of)


def _items(annotation: Any, boxes_of: "_BoxFiles", sentences: Sentences) -> Iterator[dict[str, Any]]:
    """Yield the item of each sentence of one annotation that is about a person."""
    categories = {one["tid"]: one["category"] for one in annotation["subject/objects"]}
    kinds = ("captions", "questions") if sentences == "both" else (sentences,)
    start, stop = annotation["temporal_gt"]["begin_fid"], annotation["temporal_gt"]["end_fid"]
    for sentence in (one for kind in kinds for one in annotation.get(kind, ())):
        target = sentence["target_id"]
        if categories.get(target) in PEOPLE:
            yield {
                "bbox": boxes_of.boxes(str(annotation["vid"]), target, start, stop),
                "st_frame": start + 1,
                "st_time": start / annotation["fps"],
                "ed_time": stop / annotation["fps"],
                "img_num": annotation["frame_count"],
                "width": annotation["width"],
                "height": annotation["height"],
                "caption": sentence["description"],
            }


class _BoxFiles:
    """VidOR's annotations, found once, read as they are asked for."""

    def __init__(self, data: Path) -> None:
        self._paths = {
            path.stem: path for path in sorted(data.rglob("*.json")) if {"training", "validation"} & set(path.parts)
        }
        self._trajectories = lru_cache(maxsize=8)(self._read)

    def boxes(self, video: str, target: int, start: int, stop: int) -> list[list[float]]:
        """Return the boxes [x, y, w, h] of an object in frames start to stop, the last one not included.

        Raises:
            InputError: VidOR's file is missing or has no box in one of the frames.
        """
        frames = self._trajectories(video)
        if not 0 <= start < stop <= len(frames):
            raise InputError(f"{video}: expected a moment inside VidOR's {len(frames)} frames, got {start} to {stop}")
        return [_box(frames[frame], target, f"{video}: frame {frame}") for frame in range(start, stop)]

    def _read(self, video: str) -> Sequence[Any]:
        if video not in self._paths:
            raise InputError(
                f"{video}: expected VidOR's annotation {video}.json under training/ or validation/, found none"
            )
        trajectories: Sequence[Any] = read_json(self._paths[video])["trajectories"]
        return trajectories


def _box(boxes: Sequence[Any], target: int, where: str) -> list[float]:
    for one in boxes:
        if one["tid"] == target:
            box = one["bbox"]
            return [box["xmin"], box["ymin"], box["xmax"] - box["xmin"], box["ymax"] - box["ymin"]]
    raise InputError(f"{where}: expected a box of object {target}, found none")
