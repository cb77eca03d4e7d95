"""Prepare the videos of one split, or of all splits of a data root."""

from pathlib import Path

from stvg.errors import InputError
from stvg.io.annotations import read_queries
from stvg.prepare.runner import PrepareOptions
from stvg.recipe.schema import Recipe
from stvg.recipe.splits import SPLITS, prepare_split, video_paths
from stvg.types import Failure


def preprocess(
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
