"""What every command needs of a split: its videos on disk and their prepared form."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from spatial.detectors.mot_file import FileConfig
from spatial.features.imported import ImportedConfig, imported_source
from stvg.errors import InputError
from stvg.prepare.cache import KeepingReader
from stvg.prepare.ray_cluster import RayCluster
from stvg.prepare.runner import HowToPrepare, prepare_videos
from stvg.prepare.store import PreparedStore, store_files
from stvg.prepare.workers import local_engine
from stvg.recipe.build import build_preparer
from stvg.recipe.schema import Recipe
from stvg.recipe.workspace import prepared_store, video_fingerprint
from stvg.types import Failure, PreparedVideo

SPLITS = ("train", "val", "test")
Reader = Callable[[str], PreparedVideo]
"""Gives the prepared form of a video by its id."""


def video_paths(video_ids: Iterable[str], videos: Path) -> dict[str, Path]:
    """Return where the files of these videos are, under the folder `videos`."""
    return {video_id: videos / video_id for video_id in dict.fromkeys(video_ids)}


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """What a user says on the command line of how videos are prepared; see stvg.cli.add_how_to_prepare."""

    workers: int | None = None
    ray: str | None = None
    ray_gpus: float | None = None
    retry_failed: bool = False


def how_to_prepare(recipe: Recipe, options: PrepareOptions, overwrite: bool = False) -> HowToPrepare:
    """Return the way to prepare that the options of a command line ask for.

    Raises:
        InputError: fewer than one worker, or a share of a GPU that is none.
    """
    here = local_engine(options.workers)
    if options.ray is None:
        return HowToPrepare(here, overwrite, options.retry_failed)
    gpus = options.ray_gpus if options.ray_gpus is not None else float(recipe.device == "cuda")
    if not 0 <= gpus <= 1:
        raise InputError(f"--ray-gpus: expected a share from 0 to 1, got {gpus}")
    return HowToPrepare(RayCluster(options.ray, here.count, gpus), overwrite, options.retry_failed)


def prepare_split(
    recipe: Recipe, name: str, paths: Mapping[str, Path], how: HowToPrepare | None = None
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
    return prepare_videos(paths, store, preparer, how or HowToPrepare.on_this_machine(), fingerprint)


def _check_stems(paths: Iterable[str]) -> None:
    """Refuse videos that differ in their extension alone: public detections are named without it."""
    stems: dict[str, str] = {}
    for key in paths:
        if (other := stems.setdefault(Path(key).stem, key)) != key:
            raise InputError(
                f"detector.kind file: expected videos whose names differ without their extension, "
                f"got {other} and {key}, which would share {Path(key).stem}.txt"
            )


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


def split_reader(recipe: Recipe, name: str) -> Reader:
    """Return a reader of one store; what it has read it keeps in memory, up to data.memory_gib."""
    return KeepingReader(prepared_store(recipe, name).read, recipe.data.memory_bytes)


def prepare_wherever(
    recipe: Recipe, name: str, paths: Mapping[str, Path], how: HowToPrepare | None = None, remember: int | None = None
) -> tuple[Reader, list[Failure]]:
    """Prepare those of the videos that no store under output.root has, into the store `name`; read them from any.

    The reader keeps the last `remember` videos in memory, None for as many as data.memory_gib has room for.
    """
    own = prepared_store(recipe, name)
    stores = [prepared_store(recipe, path.stem) for path in store_files(own.path.parent)]
    stored = [(store, store.sources()) for store in stores]
    homes: dict[str, PreparedStore] = {}
    for video_id, path in paths.items():
        source = video_fingerprint(recipe, path)
        home = next((store for store, sources in stored if source and sources.get(video_id) == source), None)
        if home is not None:
            homes[video_id] = home
    missing = {video_id: path for video_id, path in paths.items() if video_id not in homes}
    failures = prepare_split(recipe, name, missing, how) if missing else []
    return _kept(lambda video_id: homes.get(video_id, own).read(video_id), recipe, remember), failures


def _kept(read: Reader, recipe: Recipe, remember: int | None) -> Reader:
    return KeepingReader(read, recipe.data.memory_bytes) if remember is None else lru_cache(maxsize=remember)(read)
