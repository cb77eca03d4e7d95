"""Make the film world and train the networks that come along with the package.

    python tools/film/train.py --config configs/film.yaml --clips 4000 --seed 0 [KEY=VALUE ...]

World and training folders go to output.root of the recipe; --publish copies the best weights to stvg/weights/film.
"""

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from film.world import Clip, make_clip
from tqdm import tqdm

import stvg
from stvg.cli import ExitCode, configure_logging
from stvg.config import load_config
from stvg.io.hcstvg_annotations import AnnotatedClip, write_annotations
from stvg.prepare.store import PreparedStore
from stvg.recipe.schema import Recipe
from stvg.recipe.workspace import matcher_folder, prepared_store, temporal_folder
from stvg.training.tasks import MomentTask, TubeTask
from stvg.training.train_split import Split
from stvg.types import Annotation, ClipSize, PreparedVideo
from temporal.distributed.ranks import Ranks
from temporal.training.checkpoint import best_weights
from temporal.training.loop import train

logger = logging.getLogger(__name__)
WEIGHTS = Path(stvg.__file__).parent / "weights" / "film"
"""Where the package keeps its weights."""
SENTENCES = 5
"""Most sentences of a clip."""
VAL_CLIPS = 120
_VAL_SEED = 10_000_000
"""First seed of the clips of val; those of train begin at `seed` millions."""


@dataclass(frozen=True)
class StoreReader:
    """Reads prepared videos from a store, keeping all in memory: there are few."""

    videos: dict[str, PreparedVideo]

    def read(self, video_id: str) -> PreparedVideo:
        """Return a video."""
        return self.videos[video_id]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the world, train both stages."""
    parser = argparse.ArgumentParser("film/train.py", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("configs/film.yaml"))
    parser.add_argument("--clips", type=int, default=3000, help="clips to train on (default: %(default)s)")
    parser.add_argument("--stage", choices=("temporal", "matcher"), help="one stage alone")
    parser.add_argument("--publish", action="store_true", help=f"copy the best weights to {WEIGHTS}")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    asked = parser.parse_intermixed_args(arguments)
    configure_logging()
    recipe = load_config(Recipe, asked.config, asked.overrides)
    first = (recipe.seed + 1) * 1_000_000
    splits = {
        "train": _make_split(recipe, "train", first, asked.clips),
        "val": _make_split(recipe, "val", _VAL_SEED, VAL_CLIPS),
    }
    for stage, task, folder in (
        ("temporal", MomentTask, temporal_folder(recipe)),
        ("matcher", TubeTask, matcher_folder(recipe)),
    ):
        if asked.stage in (None, stage):
            config = getattr(recipe, stage).training
            best = train(task(recipe, splits["train"], splits["val"], Ranks()), config, folder)
            if asked.publish:
                WEIGHTS.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(best, WEIGHTS / f"{stage}.safetensors")
    return ExitCode.DONE


def _make_split(recipe: Recipe, name: str, first: int, count: int) -> Split:
    """Make the clips with the seeds from `first` on; those in the store already are read from it."""
    store = prepared_store(recipe, name)
    path = recipe.data.annotations(name)
    clips = list(_make_clips(first, count))
    _fill(store, clips)
    items = [AnnotatedClip(item, _size(clip)) for clip in clips for item in clip.annotations]
    write_annotations(path, items, clips[0].meta.fps)
    annotations: tuple[Annotation, ...] = tuple(item.annotation for item in items)
    videos = {clip.meta.video_id: store.read(clip.meta.video_id) for clip in clips} if name == "val" else {}
    reader = StoreReader(videos) if videos else _Reader(store)
    return Split(annotations, reader, ())


@dataclass(frozen=True)
class _Reader:
    store: PreparedStore

    def read(self, video_id: str) -> PreparedVideo:
        return self.store.read(video_id)


def _make_clips(first: int, count: int) -> Iterator[Clip]:
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        seeds = range(first, first + count)
        names = [f"{seed}.mp4" for seed in seeds]
        made = pool.map(partial(make_clip, sentences=SENTENCES), seeds, names, chunksize=16)
        for clip in tqdm(made, total=count, desc="film world", unit="clip"):
            if clip is not None:
                yield clip


def _fill(store: PreparedStore, clips: Sequence[Clip]) -> None:
    """Put the clips into the store as prepared videos."""
    for clip in tqdm(clips, desc="describe", unit="clip"):
        store.write_part(clip.prepared(), source=clip.meta.video_id)
    store.pack()


def _size(clip: Clip) -> ClipSize:
    return ClipSize(clip.meta.width, clip.meta.height, clip.meta.num_frames)


if __name__ == "__main__":
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    sys.exit(main())
