"""What both stages train on: the items of the train split, without the videos that cannot be had."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from tqdm import tqdm

from stvg.errors import InputError
from stvg.io.annotations import read_annotations
from stvg.prepare.cache import RECENT_BYTES, CachedReader, Reader
from stvg.recipe.schema import Recipe
from stvg.recipe.splits import split_reader, unreadable_videos
from stvg.recipe.workspace import prepared_store
from stvg.training.augmentation import concatenate_randomly, crop_randomly
from stvg.types import Annotation, Failure, PreparedVideo
from temporal.distributed.ranks import Ranks
from temporal.training.embedder import BatchItem
from temporal.training.loop import TrainingConfig

logger = logging.getLogger(__name__)
Item = TypeVar("Item", bound=BatchItem)
MakeItem = Callable[[Sequence[Annotation], PreparedVideo], Item | None]


@dataclass(frozen=True, slots=True)
class TrainSet(Generic[Item]):
    """The items of a split, one a footage, and further versions of each."""

    items: list[Item]
    versions: list[list[Item]]


@dataclass(frozen=True, slots=True)
class Split:
    """The annotations of a split whose videos can be had, what reads those, and the videos that cannot be had."""

    annotations: tuple[Annotation, ...]
    reader: Reader
    gone: tuple[Failure, ...]


def usable_split(recipe: Recipe, name: str) -> Split:
    """Return what training or fitting can use of a split.

    Raises:
        InputError: the annotations cannot be read, or none of their videos be had.
    """
    path = recipe.data.annotations(name)
    annotations = read_annotations(path)
    gone = unreadable_videos(recipe, name, (item.query.video_id for item in annotations))
    keys = {one.video_id for one in gone}
    usable = tuple(item for item in annotations if item.query.video_id not in keys)
    if not usable:
        raise InputError(f"{path}: expected videos of its items, none can be had; {gone[0].reason}")
    return Split(usable, split_reader(recipe, name), tuple(gone))


def training_splits(recipe: Recipe, ranks: Ranks) -> tuple[Split, Split]:
    """Return train and val, and say in one warning which of their videos cannot be had.

    Of several ranks the first one says it, and all must lack the same videos: their batches would not be the same.

    Raises:
        InputError: as usable_split, or a rank lacks other videos than the first one does.
    """
    train, val = usable_split(recipe, "train"), usable_split(recipe, "val")
    names = list(dict.fromkeys(one.video_id for one in (*train.gone, *val.gone)))
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
    """Return the videos of the splits that cannot be had, each once, as failures of a training that did without."""
    failures = {one.video_id: one for split in splits for one in split.gone}
    return [replace(one, reason=f"{one.reason}; left out of training") for one in failures.values()]


def make_train_set(recipe: Recipe, config: TrainingConfig, train: Split, make: MakeItem[Item]) -> TrainSet[Item]:
    """Make one training item of each footage, with the sentences of all its clips, and its further versions.

    Clips of one footage belong together: apart they would count as each other's negatives. Each footage is read once
    and let go; only joins read others.
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
    """Return the crops and the joins of each sentence of a footage."""
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
