"""Make the film world and train the networks that come along with the package.

    PYTHONPATH=tools python -m film.train --config configs/film.yaml --clips 3000 seed=2 [KEY=VALUE ...]

World and training folders go to output.root of the recipe; --publish copies the best weights to stvg/weights/film.
"""

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

import stvg
from film.body import RATE
from film.world import make_clip
from stvg.cli import ExitCode, configure_logging
from stvg.config import load_config
from stvg.io.files import read_json, write_json_atomically
from stvg.io.hcstvg_annotations import AnnotatedClip, read_annotations, write_annotations
from stvg.prepare.memory_cache import CachedReader
from stvg.recipe.schema import Recipe
from stvg.recipe.workspace import matcher_folder, prepared_store, temporal_folder
from stvg.training.tasks import MomentTask, TubeTask
from stvg.training.train_split import Split
from stvg.types import Annotation, ClipSize, PreparedVideo
from temporal.distributed.ranks import Ranks
from temporal.training.loop import train

logger = logging.getLogger(__name__)
WEIGHTS = Path(stvg.__file__).parent / "weights" / "film"
"""Where the package keeps its weights."""
SENTENCES = 5
"""Most sentences of a clip."""
VAL_CLIPS = 120
_TRAIN_SEED, _VAL_SEED = 1_000_000, 10_000_000
"""First seeds of the clips of both splits."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the world, train both stages."""
    parser = argparse.ArgumentParser("film.train", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("configs/film.yaml"))
    parser.add_argument("--clips", type=int, default=3000, help="clips to train on (default: %(default)s)")
    parser.add_argument("--stage", choices=("temporal", "matcher"), help="one stage alone")
    parser.add_argument("--publish", action="store_true", help=f"copy the best weights to {WEIGHTS}")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    asked = parser.parse_intermixed_args(arguments)
    configure_logging()
    recipe = load_config(Recipe, asked.config, asked.overrides)
    splits = {
        "train": make_split(recipe, "train", _TRAIN_SEED, asked.clips),
        "val": make_split(recipe, "val", _VAL_SEED, VAL_CLIPS),
    }
    if asked.stage in (None, "temporal"):
        moments = MomentTask(recipe, splits["train"], splits["val"], Ranks())
        best = train(moments, recipe.temporal.training, temporal_folder(recipe))
        if asked.publish:
            _publish(best, "temporal")
    if asked.stage in (None, "matcher"):
        tubes = TubeTask(recipe, splits["train"], splits["val"], Ranks())
        best = train(tubes, recipe.matcher.training, matcher_folder(recipe))
        if asked.publish:
            _publish(best, "matcher")
    return ExitCode.DONE


def _publish(best: Path, stage: str) -> None:
    """Copy the best weights of a stage to where the package keeps them."""
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(best, WEIGHTS / f"{stage}.safetensors")


def make_split(recipe: Recipe, name: str, first: int, count: int) -> Split:
    """Make the clips with the seeds from `first` on, unless they are there; return the split."""
    store, path = prepared_store(recipe, name), recipe.data.annotations(name)
    made = recipe.data.root / f"{name}.made.json"
    made_from = {"first": first, "count": count, "recipe": store.recipe}
    if not made.is_file() or read_json(made) != made_from:
        items: list[AnnotatedClip] = []
        store.write_all(_make_clips(first, count, items))
        write_annotations(path, items, RATE)
        write_json_atomically(made, made_from)
    annotations = tuple(_of_clip(item) for item in read_annotations(path))
    return Split(annotations, CachedReader(store, recipe.data.memory_bytes), ())


def _of_clip(item: Annotation) -> Annotation:
    """Return the annotation with its video's name: keys of the file are CLIP#NUMBER.mp4."""
    return replace(item, query=replace(item.query, video_id=item.query.query_id.partition("#")[0]))


def _make_clips(first: int, count: int, items: list[AnnotatedClip]) -> Iterator[PreparedVideo]:
    """Yield the clips as prepared videos; their annotations are added to `items`."""
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        made = pool.map(_make_one, range(first, first + count), chunksize=8)
        for one in tqdm(made, total=count, desc="film world", unit="clip"):
            if one is not None:
                video, annotations = one
                size = ClipSize(video.meta.width, video.meta.height, video.meta.num_frames)
                items += [AnnotatedClip(annotation, size) for annotation in annotations]
                yield video


def _make_one(seed: int) -> tuple[PreparedVideo, tuple[Annotation, ...]] | None:
    clip = make_clip(seed, str(seed), SENTENCES)
    return None if clip is None else (clip.prepared(), clip.annotations)


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", len(os.sched_getaffinity(0)))))
    sys.exit(main())
