"""Train and evaluate MMN on a benchmark of temporal grounding."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from stvg.errors import InputError
from stvg.evaluation.tables import align
from stvg.io.files import refuse_overwriting, write_json_atomically
from stvg.recipe.build_benchmark import clip_reader, feature_file, load_ranker, make_ranker
from stvg.recipe.schema import BenchmarkRecipe
from stvg.recipe.workspace import temporal_folder as folder_of
from stvg.training.base_task import StageTask, training_alone
from stvg.training.train_split import TrainSet
from temporal.benchmarks.annotations import MomentAnnotations, read_moments
from temporal.benchmarks.features import ClipReader
from temporal.benchmarks.ranker import Ranking, moment_item, rank_split
from temporal.benchmarks.recall import RecallTable
from temporal.distributed.ranks import Ranks
from temporal.mmn.losses import Losses
from temporal.training.config import TrainingConfig
from temporal.training.loop import train
from temporal.training.moment_items import MomentItem, MomentLoss

logger = logging.getLogger(__name__)
Split = Literal["train", "val", "test"]
EVAL_BATCH = 32
"""Videos per forward pass when moments are ranked."""
LENGTH_EDGES = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Edges of the groups of moments by their share of the video."""


def train_benchmark(recipe: BenchmarkRecipe, resume: bool = False) -> None:
    """Train MMN on the train split; `select_on` says what chooses the checkpoint.

    Raises:
        InputError: annotations or features cannot be read, features of a video are missing, or another run trains
            into this folder.
    """
    with training_alone(folder_of(recipe), recipe.device) as ranks:
        task = BenchmarkTask(recipe, ranks)
        train(task, task.training(), folder_of(recipe), ranks=ranks, resume=resume)


def read_split(recipe: BenchmarkRecipe, reader: ClipReader, split: Split) -> MomentAnnotations:
    """Read the annotations of a split, say what was read and dropped, and check that all features are there.

    Raises:
        InputError: the benchmark has no such split, or as read_moments and FeatureFile.require.
    """
    path = recipe.data.annotations(split)
    if path is None:
        raise InputError(f"config: data.{split}: expected the annotations of a {split} split, this benchmark has none")
    annotations = read_moments(path, recipe.data.form, recipe.data.drop_empty)
    logger.info("%s: %s", path, annotations)
    reader.file.require(video.video_id for video in annotations.videos)
    return annotations


class BenchmarkTask(StageTask[MomentItem]):
    """Training of MMN on a benchmark, scored by the mean of R@1 over the thresholds on the split `select_on`.

    Raises:
        InputError: as train_benchmark.
    """

    def __init__(self, recipe: BenchmarkRecipe, ranks: Ranks) -> None:
        self._recipe = recipe
        self._reader = clip_reader(recipe, feature_file(recipe))
        videos = read_split(recipe, self._reader, "train").videos
        super().__init__(recipe, recipe.temporal, self._reader.file.width, recipe.seed, ranks)
        mask = self.model.mask.cpu()
        items = [moment_item(video, self._reader.read, mask) for video in videos]
        self.data = TrainSet(items, [[] for _ in items])
        self.origin = {"features": self._reader.file.path.stat().st_size, "select_on": recipe.select_on}
        self._loss = MomentLoss(self.embedder, recipe.temporal.loss)
        self._ranker = make_ranker(recipe, self.model, self.sentences)
        if recipe.select_on == "test":
            logger.warning("the checkpoint is chosen on test: its recalls there are optimistic")
        if recipe.select_on != "last":
            self._videos = read_split(recipe, self._reader, recipe.select_on).videos

    def training(self) -> TrainingConfig:
        """Return the training config; with `select_on` "last" the last epoch alone is scored."""
        training = self.stage.training
        return replace(training, validate_from=training.epochs) if self._recipe.select_on == "last" else training

    def loss(self, batch: Sequence[MomentItem]) -> Losses:
        """Return the losses of a batch."""
        return self._loss.of(batch)

    def score(self) -> float:
        """Return the mean recall, 0 with `select_on` "last"."""
        if self._recipe.select_on == "last":
            return 0.0
        first = min(self._recipe.recall.firsts)
        ranking = rank_split(self._ranker, self._videos, self._reader.read, first, EVAL_BATCH)
        return ranking.recalls(replace(self._recipe.recall, firsts=(first,))).mean_recall(first)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Recalls of a split: of all sentences, and by the moment's share of its video (None for an empty group)."""

    split: str
    recalls: RecallTable
    by_length: dict[tuple[float, float], RecallTable | None]

    def to_json(self) -> dict[str, object]:
        """Return the recalls as plain data, fractions."""
        groups = {
            f"{low:g}-{high:g}": None if table is None else table.to_json()
            for (low, high), table in self.by_length.items()
        }
        return {"split": self.split, **self.recalls.to_json(), "by_length": groups}


def evaluate_benchmark(
    recipe: BenchmarkRecipe, checkpoint: Path | None, split: Split, out: Path | None = None
) -> Evaluated:
    """Rank the moments of a split with trained weights and count recalls; write them to `out` as JSON.

    Raises:
        InputError: as train_benchmark; no weights, weights of another config, or an `out` that is read too.
    """
    reader = clip_reader(recipe, feature_file(recipe))
    if out is not None:
        refuse_overwriting(out, [reader.file.path, *([checkpoint] if checkpoint else [])])
    ranker = load_ranker(recipe, checkpoint)
    width = ranker.model.input_size
    if reader.file.width != width:
        raise InputError(
            f"{reader.file.path}: expected features of width {width}, which the weights were trained on, "
            f"got {reader.file.width}"
        )
    videos = read_split(recipe, reader, split).videos
    ranking: Ranking = rank_split(ranker, videos, reader.read, max(recipe.recall.firsts), EVAL_BATCH)
    tables = ranking.recalls_by_length(recipe.recall, LENGTH_EDGES)
    groups = dict(zip(pairwise(LENGTH_EDGES), tables, strict=True))
    evaluated = Evaluated(split, ranking.recalls(recipe.recall), groups)
    if out is not None:
        write_json_atomically(out, evaluated.to_json(), indent=1)
    return evaluated


def evaluated_to_text(evaluated: Evaluated) -> str:
    """Return the recalls as an aligned table for a terminal, percent."""
    heads = [f"R@{n},IoU={m:g}" for n, m in evaluated.recalls.recall]
    rows = [("moments", "queries", *heads, "mIoU"), _cells("all", evaluated.recalls, len(heads))]
    rows += [
        _cells(f"{100 * low:g} to {100 * high:g} % of the video", table, len(heads))
        for (low, high), table in evaluated.by_length.items()
    ]
    return align(rows, num_words=1)


def _cells(name: str, table: RecallTable | None, columns: int) -> tuple[str, ...]:
    if table is None:
        return (name, "0", *["-"] * (columns + 1))
    values = [*table.recall.values(), table.mean_iou]
    return (name, str(table.num_queries), *(f"{100 * value:.2f}" for value in values))
