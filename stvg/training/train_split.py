"""Make training items of both stages from the train split's prepared videos."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from tqdm import tqdm

from stvg.errors import InputError
from stvg.io.hcstvg_annotations import read_annotations
from stvg.prepare.memory_cache import RECENT_BYTES, CachedReader, Reader
from stvg.recipe.schema import Recipe
from stvg.recipe.splits import split_reader, unreadable_videos
from stvg.recipe.workspace import prepared_store
from stvg.training.augmentation import concatenate_randomly, crop_randomly
from stvg.types import Annotation, Failure, PreparedVideo
from temporal.distributed.ranks import Ranks
from temporal.training.config import TrainingConfig
from temporal.training.embedder import BatchItem

logger = logging.getLogger(__name__)
Item = TypeVar("Item", bound=BatchItem)
MakeItem = Callable[[Sequence[Annotation], PreparedVideo], Item | None]


@dataclass(frozen=True, slots=True)
class TrainSet(Generic[Item]):
    """The training items, one per source video, and augmented versions of each."""

    items: list[Item]
    versions: list[list[Item]]


@dataclass(frozen=True, slots=True)
class Split:
    """The usable annotations of a split, the reader of their videos, and the videos that are missing."""

    annotations: tuple[Annotation, ...]
    reader: Reader
    missing: tuple[Failure, ...]


def usable_split(recipe: Recipe, name: str) -> Split:
    """Return the annotations of a split whose videos are available.

    Raises:
        InputError: the annotations cannot be read, or all their videos are missing.
    """
    path = recipe.data.annotations(name)
    annotations = read_annotations(path)
    missing = unreadable_videos(recipe, name, (item.query.video_id for item in annotations))
    keys = {one.video_id for one in missing}
    usable = tuple(item for item in annotations if item.query.video_id not in keys)
    if not usable:
        raise InputError(f"{path}: expected videos of its items, none can be had; {missing[0].reason}")
    return Split(usable, split_reader(recipe, name), tuple(missing))


def training_splits(recipe: Recipe, ranks: Ranks) -> tuple[Split, Split]:
    """Return train and val; one warning, of the first rank, names their missing videos.

    All ranks must lack the same videos, since their batches must be the same.

    Raises:
        InputError: as usable_split, or a rank lacks other videos than the first one does.
    """
    train, val = usable_split(recipe, "train"), usable_split(recipe, "val")
    names = list(dict.fromkeys(one.video_id for one in (*train.missing, *val.missing)))
    mark = int.from_bytes(hashlib.sha256("\n".join(names).encode()).digest()[:6], "big")
    if ranks.broadcast(float(mark)) != mark:
        raise InputError(
            f"{recipe.data.videos}: expected the same videos on every rank, rank {ranks.rank} lacks "
            f"others than the first one, {len(names)}: {', '.join(names)}"
        )
    if names and ranks.is_first:
        logger.warning("%d video(s) of train and val cannot be had and are left out: %s", len(names), ", ".join(names))
    return train, val


def left_out(*splits: Split) -> list[Failure]:
    """Return the missing videos of the splits, each once, as failures of the training that left them out."""
    failures = {one.video_id: one for split in splits for one in split.missing}
    return [replace(one, reason=f"{one.reason}; left out of training") for one in failures.values()]


def make_train_set(recipe: Recipe, config: TrainingConfig, train: Split, make: MakeItem[Item]) -> TrainSet[Item]:
    """Make one training item per source video, with the sentences of all its clips, and augmented versions of it.

    Clips of one source video stay together: in separate items they would be negatives of each other. Each video is
    read once; only concatenations read further ones.
    """
    store = prepared_store(recipe, "train")
    reader, footages = CachedReader(store, RECENT_BYTES, evict=True), store.sources()
    groups: dict[str, list[Annotation]] = {}
    for annotation in train.annotations:
        video_id = annotation.query.video_id
        groups.setdefault(footages.get(video_id, video_id), []).append(annotation)
    made: TrainSet[Item] = TrainSet([], [])
    rng, sentences = np.random.default_rng(recipe.seed), 0
    for group in tqdm(groups.values(), desc="read train", unit="video"):
        whole = make(group, reader.read(group[0].query.video_id))
        if whole is not None:
            made.items.append(whole)
            made.versions.append(_versions(group, train.annotations, reader, config, make, rng))
            sentences += len(whole.texts)
    logger.info(
        "%d training sentences in %d videos%s",
        sentences,
        len(made.items),
        f"; left out {len(train.annotations) - sentences}: nobody was found where their person is"
        if sentences < len(train.annotations)
        else "",
    )
    return made


def _versions(
    group: Sequence[Annotation],
    annotations: Sequence[Annotation],
    reader: Reader,
    config: TrainingConfig,
    make: MakeItem[Item],
    rng: np.random.Generator,
) -> list[Item]:
    """Return the crops and concatenations of each sentence of a source video."""
    if not (config.crops or config.concatenations):
        return []
    augmented = []
    for annotation in group:
        video = reader.read(annotation.query.video_id)
        augmented += [crop_randomly(annotation, video, config.crop_share, rng) for _ in range(config.crops)]
        drawn = [annotations[int(rng.integers(len(annotations)))] for _ in range(config.concatenations)]
        others = [reader.read(other.query.video_id) for other in drawn]
        augmented += [concatenate_randomly(annotation, video, other, rng) for other in others]
    items = [make([annotation], video) for annotation, video in augmented]
    return [item for item in items if item is not None]
