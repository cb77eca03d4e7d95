"""Store prepared videos on disk, one HDF5 file per split.

Workers never share a file: each writes `NAME.parts/<video id>.h5` beside and renames it, so that a killed run loses no
finished video and leaves nothing half-written; `pack` then joins the parts into `NAME.h5` and removes them. A video's
group holds its `clip_features`, and per tube `boxes_xyxy`, `scores`, `observed` and `features`; its attributes hold
the VideoMeta, the recipe's fingerprint and the source file's. Of several videos with one footage, one group holds the
arrays and the others name it (`same_as`); such a group counts only while the named one is of the same source.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py

from stvg.errors import InputError
from stvg.io.files import read_json, write_json_atomically, writing
from stvg.prepare.stored_video import Entry, opened, read_entry, read_meta, read_video
from stvg.types import PreparedVideo, VideoMeta

_EDGE = 1 << 16


def source_fingerprint(*paths: Path) -> str:
    """Return a hash of the files' sizes, first and last 64 KiB: tells videos apart without reading them whole."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            size = path.stat().st_size
            digest.update(size.to_bytes(8, "big") + file.read(_EDGE))
            file.seek(max(0, size - _EDGE))
            digest.update(file.read(_EDGE))
    return digest.hexdigest()


class PreparedStore:
    """The prepared videos of one split under one recipe.

    `path` ends in .h5; `recipe` is the hash of everything in the config that the arrays depend on. Videos stored under
    another recipe, or made from another file, count as absent. `command` is what fills the store.
    """

    def __init__(self, path: Path, recipe: str, command: str = "stvg prepare") -> None:
        self.path = path
        self.parts = path.with_suffix(".parts")
        self.failed = path.with_suffix(".failed.json")
        self.recipe = recipe
        self.command = command

    def part(self, video_id: str) -> Path:
        """Return where the worker that prepared `video_id` puts it."""
        return self.parts / f"{video_id}.h5"

    def sources(self) -> dict[str, str]:
        """Return the fingerprint of the file that each video stored under this recipe was made from.

        Raises:
            InputError: a file of the store is damaged or foreign.
        """
        found: dict[str, str] = {}
        named: dict[str, str] = {}
        for path in (self.path, *store_files(self.parts)):
            if path.is_file():
                with opened(path) as file:
                    groups = file.items() if path == self.path else [(path.stem, file.get(path.stem))]
                    for video_id, group in groups:
                        entry = None if group is None else read_entry(group)
                        if entry is not None and entry.recipe == self.recipe:
                            found[video_id] = entry.source
                            named[video_id] = video_id if entry.same_as is None else entry.same_as
        return {
            key: source
            for key, source in found.items()
            if found.get(named[key]) == source and named[named[key]] == named[key]
        }

    def has(self, video_id: str, source: str) -> bool:
        """Tell whether the video made from the file with fingerprint `source` is stored under this recipe."""
        found = self._entry(video_id)
        if found is None or found.source != source:
            return False
        shared = found if found.same_as is None else self._entry(found.same_as)
        return shared is not None and shared.source == source and shared.same_as is None

    def _entry(self, video_id: str) -> Entry | None:
        """Return what is stored of a video under this recipe."""
        for path in (self.part(video_id), self.path):
            if path.is_file():
                with opened(path) as file:
                    group = file.get(video_id)
                    entry = None if group is None else read_entry(group)
                    if entry is not None and entry.recipe == self.recipe:
                        return entry
        return None

    def failures(self) -> dict[tuple[str, str], str]:
        """Return why each video recorded as failed under this recipe failed, by its id and its file's fingerprint.

        Raises:
            InputError: the record cannot be read.
        """
        if not self.failed.is_file():
            return {}
        record = read_json(self.failed)
        try:
            found = {(key, str(item["source"])): str(item["reason"]) for key, item in record["videos"].items()}
            ours = record["recipe"] == self.recipe
        except (AttributeError, LookupError, TypeError) as error:
            raise InputError(f"{self.failed}: expected a record of failed videos, found none; remove it") from error
        return found if ours else {}

    def record_failures(self, reasons: Mapping[str, str], source: str) -> None:
        """Remember why videos with a file of this fingerprint could not be prepared; atomic."""
        videos = {key: {"source": old, "reason": reason} for (key, old), reason in self.failures().items()}
        videos |= {key: {"source": source, "reason": reason} for key, reason in reasons.items()}
        self._write_failures(videos)

    def _write_failures(self, videos: dict[str, dict[str, str]]) -> None:
        if videos:
            ordered = dict(sorted(videos.items()))
            write_json_atomically(self.failed, {"recipe": self.recipe, "videos": ordered}, indent=1)
        else:
            self.failed.unlink(missing_ok=True)

    def read(self, video_id: str) -> PreparedVideo:
        """Return a stored video.

        Raises:
            InputError: it is not stored; the message says which command prepares it.
        """
        for path in (self.part(video_id), self.path):
            if path.is_file():
                with opened(path) as file:
                    group = file.get(video_id)
                    entry = None if group is None else read_entry(group)
                    if entry is not None and entry.recipe == self.recipe:
                        if entry.same_as is None:
                            return read_video(video_id, group)
                        if self.has(video_id, entry.source):
                            return replace(self.read(entry.same_as), meta=read_meta(video_id, group))
        raise InputError(f"{self.path}: expected {video_id} prepared with this config, found none; run {self.command}")

    def write_part(self, prepared: PreparedVideo, source: str, others: Sequence[VideoMeta] = ()) -> None:
        """Store one video beside the split's file; atomic. `others` are videos of the same footage, and name this one.

        They are written first: if that is interrupted, none of them counts, and the next run does the same again.
        """
        for meta in others:
            with self._part_group(meta, source) as group:
                group.attrs["same_as"] = prepared.meta.video_id
        with self._part_group(prepared.meta, source) as group:
            _write_arrays(group, prepared)

    def write_all(self, videos: Iterable[PreparedVideo]) -> None:
        """Write the split's file in one go, in place of what it held; atomic. Each video is its own source."""
        with writing(self.path) as path, h5py.File(path, "w", libver="latest") as file:
            for prepared in videos:
                _write_arrays(self._new_group(file, prepared.meta, prepared.meta.video_id), prepared)

    @contextmanager
    def _part_group(self, meta: VideoMeta, source: str) -> Iterator[h5py.Group]:
        """Yield the group of a new part, with all attributes that do not depend on its arrays."""
        target = self.part(meta.video_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        with writing(target) as path, h5py.File(path, "w", libver="latest") as file:
            yield self._new_group(file, meta, source)

    def _new_group(self, file: h5py.File, meta: VideoMeta, source: str) -> h5py.Group:
        group = file.create_group(meta.video_id)
        group.attrs.update(
            recipe=self.recipe,
            source=source,
            path=str(meta.path),
            num_frames=meta.num_frames,
            fps=meta.fps,
            width=meta.width,
            height=meta.height,
        )
        return group

    def pack(self) -> None:
        """Join this recipe's parts into the split's file, replacing older versions of the same videos.

        Parts of another recipe, and what a killed run left half-written, are removed; what is stored now is no longer
        recorded as failed.
        """
        kept = self.sources()
        parts = {path.stem: path for path in store_files(self.parts) if self._is_ours(path) and path.stem in kept}
        if parts:
            with writing(self.path) as path, h5py.File(path, "w", libver="latest") as packed:
                old = dict.fromkeys((key for key in self._packed_ids() if key in kept), self.path)
                for video_id, origin in sorted({**old, **parts}.items()):
                    with opened(origin) as file:
                        file.copy(file[video_id], packed)
        failed = self.failures()
        if any(key in parts for key, _ in failed):
            self._write_failures(
                {
                    key: {"source": source, "reason": reason}
                    for (key, source), reason in failed.items()
                    if key not in parts
                }
            )
        shutil.rmtree(self.parts, ignore_errors=not parts)

    def _is_ours(self, part: Path) -> bool:
        with opened(part) as file:
            return part.stem in file and read_entry(file[part.stem]).recipe == self.recipe

    def _packed_ids(self) -> Iterator[str]:
        if self.path.is_file():
            with opened(self.path) as file:
                yield from (key for key, group in file.items() if read_entry(group).recipe == self.recipe)


def store_files(folder: Path) -> list[Path]:
    """Return the finished HDF5 files in a folder; those that a killed run left half-written begin with a dot."""
    return sorted(path for path in folder.glob("*.h5") if not path.name.startswith("."))


def _write_arrays(group: h5py.Group, prepared: PreparedVideo) -> None:
    group.attrs["normalised"] = prepared.normalised
    group["clip_features"] = prepared.clip_features
    for index, (tube, features) in enumerate(zip(prepared.tubes, prepared.tube_features, strict=True)):
        tube_group = group.create_group(f"tubes/{index:03d}")
        tube_group.attrs.update(tube_id=tube.tube_id, start_frame=tube.start_frame)
        for name in ("boxes_xyxy", "scores", "observed"):
            tube_group[name] = getattr(tube, name)
        tube_group["features"] = features
