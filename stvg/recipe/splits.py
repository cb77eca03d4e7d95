"""Prepare the videos of a split, and read them prepared."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from spatial.detectors.detections_file import FileConfig
from spatial.features.imported import ImportedConfig, imported_source
from stvg.errors import InputError
from stvg.io.hcstvg_annotations import read_queries
from stvg.prepare.memory_cache import CachedReader
from stvg.prepare.runner import PrepareOptions, prepare_videos
from stvg.prepare.store import PreparedStore, store_files
from stvg.recipe.build import build_preparer
from stvg.recipe.schema import Recipe
from stvg.recipe.workspace import prepared_store, video_fingerprint
from stvg.types import Failure, PreparedVideo

logger = logging.getLogger(__name__)
SPLITS = ("train", "val", "test")


def video_paths(video_ids: Iterable[str], videos: Path) -> dict[str, Path]:
    """Return where the files of these videos are, under the folder `videos`."""
    return {video_id: videos / video_id for video_id in dict.fromkeys(video_ids)}


def prepare_split(
    recipe: Recipe, name: str, paths: Mapping[str, Path], options: PrepareOptions | None = None
) -> list[Failure]:
    """Prepare the videos that the store called `name` lacks; imported ones can only be there or not.

    Raises:
        InputError: as prepare_videos, or videos whose public detections would be the same file.
    """
    store = prepared_store(recipe, name)
    if isinstance(recipe.features, ImportedConfig):
        stored = store.sources()
        reason = f"{store.path}: expected it imported with this config, found none; run {store.command}"
        return [Failure(key, reason) for key in paths if stored.get(key) != imported_source(key)]
    if isinstance(recipe.detector, FileConfig):
        _check_stems(paths)
    preparer, fingerprint = partial(build_preparer, recipe), partial(video_fingerprint, recipe)
    options = options or PrepareOptions()
    return prepare_videos(
        paths,
        store,
        preparer,
        options.make_workers(recipe.device),
        retry_failed=options.retry_failed,
        overwrite=options.overwrite,
        fingerprint=fingerprint,
    )


def prepare_files(
    recipe: Recipe, annotations: Path | None, videos: Path | None, options: PrepareOptions | None = None
) -> list[Failure]:
    """Prepare the videos of the file `annotations`, or of train.json, val.json and test.json under data.root.

    Raises:
        InputError: the file cannot be read, or data.root has none of the three.
    """
    files = [annotations] if annotations else [recipe.data.annotations(split) for split in SPLITS]
    present = [file for file in files if annotations or file.is_file()]
    if not present:
        raise InputError(f"{recipe.data.root}: expected train.json, val.json or test.json, found none of them")
    queries = [(file.stem, read_queries(file)) for file in present]
    failures: list[Failure] = []
    for name, of_split in queries:
        paths = video_paths((query.video_id for query in of_split), videos or recipe.data.videos)
        failures += prepare_split(recipe, name, paths, options)
    return failures


def _check_stems(paths: Iterable[str]) -> None:
    """Refuse videos that differ in their extension alone: public detections are named without it."""
    stems: dict[str, str] = {}
    for key in paths:
        if (other := stems.setdefault(Path(key).stem, key)) != key:
            raise InputError(
                f"detector.kind file: expected videos whose names differ without their extension, "
                f"got {other} and {key}, which would share {Path(key).stem}.txt"
            )


def _sources_if_readable(store: PreparedStore) -> dict[str, str]:
    """Return what a store has; one that is damaged or foreign has nothing, which the log says."""
    try:
        return store.sources()
    except InputError as error:
        logger.warning("passed over: %s", error)
        return {}


def unreadable_videos(recipe: Recipe, name: str, video_ids: Iterable[str]) -> list[Failure]:
    """Return which of these videos cannot be had and why: their file is missing, or preparing it failed.

    Videos that only are not prepared yet are not among them, nor imported ones.
    """
    if isinstance(recipe.features, ImportedConfig):
        return []
    store = prepared_store(recipe, name)
    stored, failed = store.sources(), {key: reason for (key, _), reason in store.failures().items()}
    failures = []
    for key, path in video_paths(video_ids, recipe.data.videos).items():
        if key not in stored and (key in failed or not path.is_file()):
            failures.append(Failure(key, failed.get(key, f"{path}: expected a video file, found none")))
    return failures


def split_reader(recipe: Recipe, name: str) -> CachedReader:
    """Return a reader of one store, whose cache may take data.memory_gib."""
    return CachedReader(prepared_store(recipe, name), recipe.data.memory_bytes)


@dataclass(frozen=True, slots=True)
class StoreReader:
    """Reads videos of several stores: `stores` names those of some videos, `own` has the others."""

    own: PreparedStore
    stores: Mapping[str, PreparedStore]

    def read(self, video_id: str) -> PreparedVideo:
        """Return a video.

        Raises:
            InputError: it is not stored.
        """
        return self.stores.get(video_id, self.own).read(video_id)


def prepare_wherever(
    recipe: Recipe, name: str, paths: Mapping[str, Path], options: PrepareOptions | None = None
) -> tuple[StoreReader, list[Failure]]:
    """Prepare into the store `name` the videos that no store under output.root has; return a reader and the failures.

    Raises:
        InputError: as prepare_split.
    """
    own = prepared_store(recipe, name)
    files = [prepared_store(recipe, path.stem) for path in store_files(own.path.parent)]
    stored = [(store, _sources_if_readable(store)) for store in files]
    stores: dict[str, PreparedStore] = {}
    for video_id, path in paths.items():
        source = video_fingerprint(recipe, path)
        home = next((store for store, sources in stored if source and sources.get(video_id) == source), None)
        if home is not None:
            stores[video_id] = home
    missing = {video_id: path for video_id, path in paths.items() if video_id not in stores}
    failures = prepare_split(recipe, name, missing, options) if missing else []
    return StoreReader(own, stores), failures
