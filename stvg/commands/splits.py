"""What every command needs of a split: its videos on disk and their prepared form."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from pathlib import Path

from spatial.features.imported import ImportedConfig, imported_source
from stvg.build import build_preparer, prepared_store, video_fingerprint
from stvg.interfaces import PreparedVideo
from stvg.preprocess import Failure, prepare_videos
from stvg.recipe import Recipe
from stvg.store import PreparedStore, store_files

SPLITS = ("train", "val", "test")
Reader = Callable[[str], PreparedVideo]
"""Gives the prepared form of a video by its id."""


def video_paths(video_ids: Iterable[str], videos: Path) -> dict[str, Path]:
    """Return where the files of these videos are, under the folder `videos`."""
    return {video_id: videos / video_id for video_id in dict.fromkeys(video_ids)}


def prepare_split(
    recipe: Recipe, name: str, paths: Mapping[str, Path], workers: int | None = None, overwrite: bool = False
) -> list[Failure]:
    """Prepare the videos that the store called `name` lacks; imported ones can only be there or not."""
    if isinstance(recipe.features, ImportedConfig):
        store = prepared_store(recipe, name)
        reason = f"{store.path}: expected it imported with this config, found none; run {store.command}"
        return [Failure(key, reason) for key in paths if not store.has(key, imported_source(key))]
    preparer, fingerprint = partial(build_preparer, recipe), partial(video_fingerprint, recipe)
    return prepare_videos(paths, prepared_store(recipe, name), preparer, workers, overwrite, fingerprint)


def split_reader(recipe: Recipe, name: str) -> Reader:
    """Return a reader of one store; what it has read it keeps in memory."""
    return lru_cache(maxsize=None)(prepared_store(recipe, name).read)


def prepare_wherever(
    recipe: Recipe, name: str, paths: Mapping[str, Path], workers: int | None = None
) -> tuple[Reader, list[Failure]]:
    """Prepare those of the videos that no store under output.root has, into the store `name`; read them from any."""
    folder = prepared_store(recipe, name).path.parent
    stores = [prepared_store(recipe, path.stem) for path in store_files(folder)]
    homes: dict[str, PreparedStore] = {}
    for video_id, path in paths.items():
        source = video_fingerprint(recipe, path)
        home = next((store for store in stores if store.has(video_id, source)), None)
        if home is not None:
            homes[video_id] = home
    own = prepared_store(recipe, name)
    missing = {video_id: path for video_id, path in paths.items() if video_id not in homes}
    failures = prepare_split(recipe, name, missing, workers) if missing else []
    return lru_cache(maxsize=None)(lambda video_id: homes.get(video_id, own).read(video_id)), failures
