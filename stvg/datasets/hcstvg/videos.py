"""Find and check each key's video file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stvg.datasets.hcstvg.item_checks import Finding, SplitItems
from stvg.datasets.hcstvg.sources import VIDEO_SUFFIXES
from stvg.errors import InputError
from stvg.io.video import read_footage, read_meta

LENGTH_TOLERANCE_S = 1.0
"""Seconds by which a clip may differ from the length of HC-STVG's clips."""


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a file turned out to be; `problem` is why it cannot be read, "" if it can (then all else counts)."""

    num_frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CheckVideo:
    """Reads a file through: its packets and first picture, or with `decode` every picture. Runs in any process."""

    decode: bool = False

    def __call__(self, path: Path) -> VideoFacts:
        """Return what the file is."""
        try:
            meta = read_meta(path, path.name)
            if self.decode:
                meta = read_footage(path, path.name, stride=1 << 20, max_side=32).meta
        except InputError as error:
            return VideoFacts(problem=str(error).removeprefix(f"{path}: "))
        return VideoFacts(meta.num_frames, meta.fps, meta.width, meta.height)


def find_file(key: str, videos: Mapping[str, Sequence[Path]]) -> Path | None:
    """Return the file of a key: the one of its name, else one that differs in its extension alone; None if missing.

    FFmpeg looks at what is in a file, not at its name, so a clip kept as .mp4 in place of .mkv is as good.
    """
    names = [key, *(Path(key).stem + suffix for suffix in VIDEO_SUFFIXES)]
    return next((videos[name][0] for name in names if name in videos), None)


def file_findings(split: SplitItems, videos: Mapping[str, Sequence[Path]]) -> Iterator[Finding]:
    """Yield what there is to say of which files there are; nothing is opened."""
    for key in split.items:
        path = find_file(key, videos)
        if path is None:
            yield Finding(split.split, key, "missing video", "expected its video file, found none")
        elif path.name != key:
            yield Finding(split.split, key, "other extension", f"found as {path.name}, which is used", minor=True)
        elif len(videos[key]) > 1:
            places = " and ".join(str(one) for one in videos[key][:2])
            same = len({one.stat().st_size for one in videos[key]}) == 1
            message = f"found {len(videos[key])} files: {places}; the first one is used"
            yield Finding(split.split, key, "two files", message, minor=same)


def content_findings(split: SplitItems, facts: Mapping[str, VideoFacts], clip_s: float | None) -> Iterator[Finding]:
    """Yield what is wrong with the content of the files of a split's items (key -> facts).

    `clip_s` is how long every clip should be, None where there is no such rule.
    """
    for key in split.items:
        found = facts.get(key)
        if found is None:
            continue
        if found.problem:
            yield Finding(split.split, key, "unreadable video", found.problem)
            continue
        length_s = found.num_frames / found.fps
        if clip_s is not None and abs(length_s - clip_s) > LENGTH_TOLERANCE_S:
            message = f"expected about {clip_s:g} s, found {length_s:.2f} s ({found.num_frames} frames)"
            yield Finding(split.split, key, "wrong length", message, minor=True)
        yield from _against_annotation(split, key, found)


def _against_annotation(split: SplitItems, key: str, found: VideoFacts) -> Iterator[Finding]:
    size = split.sizes.get(key)
    if size is None:
        return
    if abs(size.num_frames - found.num_frames) > found.fps * LENGTH_TOLERANCE_S:
        message = f"img_num says {size.num_frames} frames, the file has {found.num_frames}"
        yield Finding(split.split, key, "frame count", message, minor=True)
    if split.last_frames[key] > found.num_frames:
        message = f"expected a span inside the file's {found.num_frames} frames, got one to {split.last_frames[key]}"
        yield Finding(split.split, key, "span past the end", message)
    if (size.width, size.height) != (found.width, found.height):
        message = (
            f"the annotation says {size.width} x {size.height} pixels, the file has {found.width} x {found.height}"
        )
        yield Finding(split.split, key, "image size", message)


def spare_findings(splits: Iterable[SplitItems], videos: Mapping[str, Sequence[Path]]) -> Iterator[Finding]:
    """Yield the videos that no split asks for."""
    used = {path.name for split in splits for key in split.items if (path := find_file(key, videos)) is not None}
    for name in videos:
        if name not in used:
            yield Finding("", name, "not annotated", f"{videos[name][0]}: in no split", minor=True)
