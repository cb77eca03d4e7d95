"""Import MMN-STVG's own person tubes and tube features into a prepared store."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from spatial.features.imported import ImportedConfig, imported_source
from spatial.mmn_stvg.files import FeatureFiles, FeatureRows, TubeFile, TubeFolders
from spatial.mmn_stvg.tubes import equal_parts, make_tube, side_by_side
from stvg.errors import InputError
from stvg.io.files import read_json, refuse_overwriting
from stvg.io.hcstvg_annotations import CLIP_S, read_annotated_clips, read_queries
from stvg.io.video import read_meta
from stvg.recipe.schema import Recipe
from stvg.recipe.workspace import prepared_store
from stvg.types import Failure, Float64Array, FloatArray, PreparedVideo, VideoMeta

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OfficialFiles:
    """Where MMN-STVG's files are, and how to read them (see spatial.mmn_stvg.files).

    `features` maps the name of each kind to its files and folders; `first_frame` is the number of a video's first
    frame in tubes and features.
    """

    tubes: Sequence[Path]
    features: Mapping[str, Sequence[Path]]
    first_frame: Literal[0, 1] = 1
    ignore_feature_frames: bool = False


def import_mmn_stvg(
    recipe: Recipe,
    annotations: Path,
    files: OfficialFiles,
    videos: Path | None = None,
    allow_missing: bool = False,
    overwrite: bool = False,
) -> list[Failure]:
    """Store the videos of an annotation file with their official tubes and features; return those that failed.

    Stored videos are skipped unless `overwrite`. With `allow_missing`, videos that have no tube file are stored without
    tubes. `videos` is the folder of the video files, which then say how long they are; else the annotations do.

    Raises:
        InputError: a recipe for other features, files that cannot be read, test queries (which tell no length) without
            `videos`, or no video at all could be imported.
    """
    config = recipe.features
    if not isinstance(config, ImportedConfig):
        raise InputError(f"features.kind: expected imported, got {config.kind}")
    if sorted(files.features) != sorted(config.names):
        raise InputError(
            f"--features: expected {', '.join(config.names)} (features.names), "
            f"got {', '.join(files.features) or 'none'}"
        )
    store, known = prepared_store(recipe, annotations.stem), _metas(annotations, videos, recipe.data.videos)
    todo = [key for key in known if overwrite or not store.has(key, imported_source(key))]
    refuse_overwriting(
        store.path, [annotations, *files.tubes, *(path for kind in files.features.values() for path in kind)]
    )
    if not todo:
        logger.info("all %d videos of %s are there", len(known), store.path)
        return []
    reader, failures, tubes = _Reader(files, config, allow_missing), [], 0
    for video_id in tqdm(todo, desc=f"import {annotations.stem}", unit="video"):
        try:
            meta = known[video_id]
            prepared = reader.read(read_meta(meta.path, video_id) if videos else meta)
        except InputError as error:
            failures.append(Failure(video_id, str(error)))
            continue
        tubes += len(prepared.tubes)
        store.write_part(prepared, imported_source(video_id))
    store.pack()
    if len(failures) == len(known):
        raise InputError(f"{annotations}: expected files of its videos, none could be imported; {failures[0].reason}")
    logger.info(
        "imported %d of %d videos, %d tubes, into %s (%d were there)",
        len(todo) - len(failures),
        len(known),
        tubes,
        store.path,
        len(known) - len(todo),
    )
    return failures


def _metas(annotations: Path, videos: Path | None, default: Path) -> dict[str, VideoMeta]:
    """Return what the annotations tell of each video; with `videos` only where its file is."""
    if videos is not None:
        metas = {
            one.video_id: VideoMeta(one.video_id, videos / one.video_id, 0, 0.0, 0, 0)
            for one in read_queries(annotations)
        }
    else:
        items = read_json(annotations)
        if isinstance(items, dict) and any(isinstance(item, str) for item in items.values()):
            raise InputError(
                f"{annotations}: expected annotations, which tell how long videos are, got test queries; "
                "name the folder of their videos (--videos)"
            )
        metas = {}
        for clip in read_annotated_clips(annotations):
            key, size = clip.annotation.query.video_id, clip.size
            metas[key] = VideoMeta(
                key, default / key, size.num_frames, size.num_frames / CLIP_S, size.width, size.height
            )
    stems: dict[str, str] = {}
    for key in metas:
        if (other := stems.setdefault(Path(key).stem, key)) != key:
            raise InputError(
                f"{annotations}: expected names that differ without their extension, got {other} and {key}"
            )
    return metas


class _Reader:
    """Reads the official files of one video after another."""

    def __init__(self, files: OfficialFiles, config: ImportedConfig, allow_missing: bool) -> None:
        self.files = files
        self.width = config.width
        self.allow_missing = allow_missing
        self.tubes = TubeFolders(files.tubes)
        self.features = [FeatureFiles(name, files.features[name]) for name in config.names]

    def read(self, meta: VideoMeta) -> PreparedVideo:
        """Return the prepared form of a video.

        Raises:
            InputError: its files cannot be read, do not fit each other, or do not fit the video.
        """
        stem, nothing = Path(meta.video_id).stem, np.zeros((1, 0), dtype=np.float32)
        file = self.tubes.read(stem)
        if file is None and not self.allow_missing:
            raise InputError(
                f"expected {stem}_tubes.pkl or {stem}.pkl in {', '.join(map(str, self.files.tubes))}, "
                "found neither; --allow-missing stores such videos without tubes"
            )
        if file is None or not file.tubes:
            return PreparedVideo(meta, nothing, (), (), normalised=True)
        try:
            tubes = [make_tube(k, rows, self.files.first_frame, meta.num_frames) for k, rows in enumerate(file.tubes)]
        except InputError as error:
            raise InputError(f"{file.path}: {error}") from error
        return PreparedVideo(meta, nothing, tuple(tubes), self._features(stem, file), normalised=True)

    def _features(self, stem: str, file: TubeFile) -> tuple[FloatArray, ...]:
        """Return the features of a video's tubes, all kinds side by side."""
        kinds = []
        for kind in self.features:
            of_tubes = kind.read(stem)
            if of_tubes is None or len(of_tubes) != len(file.tubes):
                found = "nothing" if of_tubes is None else f"those of {len(of_tubes)}"
                raise InputError(
                    f"{file.path}: expected {kind.name} features of its {len(file.tubes)} tubes, got {found}"
                )
            kinds.append(of_tubes)
        joined = []
        for index, (rows, *parts) in enumerate(zip(file.tubes, *kinds, strict=True)):
            made = [
                self._parts(part, rows, f"{stem}: tube {index}: {kind.name}")
                for kind, part in zip(self.features, parts, strict=True)
            ]
            joined.append(side_by_side(made))
            if joined[-1].shape[1] != self.width:
                widths = " + ".join(str(one.shape[1]) for one in made)
                raise InputError(f"{stem}: tube {index}: expected {self.width} features (features.width), got {widths}")
        return tuple(joined)

    def _parts(self, part: FeatureRows, rows: Float64Array, where: str) -> FloatArray:
        if self.files.ignore_feature_frames:
            return part.rows
        try:
            return equal_parts(part, rows[0, 0], rows[-1, 0])
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
