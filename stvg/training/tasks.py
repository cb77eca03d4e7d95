"""Training tasks of both stages: items, loss, score on val."""

from collections.abc import Sequence

import numpy as np

from spatial.matching.matcher import MMNTubeMatcher
from spatial.matching.tube_items import TubeItem, TubeLoss, make_tube_item
from stvg.errors import InputError
from stvg.evaluation.metrics import score
from stvg.geometry.spans import span_tiou
from stvg.pipeline import Grounder, WholeLocalizer
from stvg.prepare.memory_cache import Reader
from stvg.recipe.build import build_fusion, clip_sequences
from stvg.recipe.schema import Recipe
from stvg.recipe.workspace import matcher_folder, prepared_store, temporal_folder
from stvg.training.base_task import StageTask
from stvg.training.train_split import Split, make_train_set
from stvg.types import Annotation, FrameSpan, PreparedVideo
from temporal.distributed.ranks import Ranks
from temporal.localizer import MMNLocalizer
from temporal.mmn.losses import Losses
from temporal.training.clip_store import ClipStore
from temporal.training.moment_items import MomentItem, MomentLoss, make_moment_item


class MomentTask(StageTask[MomentItem]):
    """Training of the temporal stage, scored by the mean tIoU of each query's best moment."""

    def __init__(self, recipe: Recipe, train: Split, val: Split, ranks: Ranks) -> None:
        stage, self._val, self._power = recipe.temporal, val, recipe.temporal.power
        self._sequences = clip_sequences(recipe)
        videos = (train.reader.read(item.query.video_id) for item in train.annotations[:8])
        input_size = max(self._sequences.of(video).shape[2] for video in videos)
        super().__init__(recipe, stage, input_size, recipe.seed, ranks)
        self._loss = MomentLoss(self.embedder, stage.loss)
        self._mask = self.model.mask.cpu()
        self._clips = ClipStore(temporal_folder(recipe), recipe.data.memory_bytes)
        self.origin = {"prepared": prepared_store(recipe, "train").recipe}
        self.data = make_train_set(recipe, stage.training, train, self._make_item)

    def _make_item(self, annotations: Sequence[Annotation], video: PreparedVideo) -> MomentItem | None:
        return make_moment_item(annotations, video, self._sequences, self._mask, self._clips.keep)

    def loss(self, batch: Sequence[MomentItem]) -> Losses:
        """Return the losses of a batch."""
        return self._loss.of(batch)

    def score(self) -> float:
        """Return val's mean tIoU."""
        localizer = MMNLocalizer(self.model, self.sentences, self._sequences, self._power)
        return _mean_tiou(self._val.annotations, self._val.reader, localizer)


class TubeTask(StageTask[TubeItem]):
    """Training of the tube matcher, scored by the m_vIoU of its own maps alone (mode tube_mmn).

    Raises:
        InputError: nobody was found in any training video, or as StageTask.
    """

    def __init__(self, recipe: Recipe, train: Split, val: Split, ranks: Ranks) -> None:
        stage, self._val = recipe.matcher, val
        videos = (train.reader.read(item.query.video_id) for item in train.annotations)
        widths = (features.shape[1] for video in videos for features in video.tube_features)
        input_size = next(widths, None)
        if input_size is None:
            path = recipe.data.annotations("train")
            raise InputError(f"{path}: expected people in its videos, the detector found none")
        super().__init__(recipe, stage, input_size, recipe.seed + 1, ranks)
        self._loss = TubeLoss(self.embedder, stage.loss)
        self._fusion = build_fusion(recipe, "tube_mmn")
        self._mask = self.model.mask.cpu()
        self._clips = ClipStore(matcher_folder(recipe), recipe.data.memory_bytes)
        self.origin = {"prepared": prepared_store(recipe, "train").recipe}
        self.data = make_train_set(recipe, stage.training, train, self._make_item)

    def _make_item(self, annotations: Sequence[Annotation], video: PreparedVideo) -> TubeItem | None:
        return make_tube_item(annotations, video, self.model.num_pre_clips, self._mask, self._clips.keep)

    def loss(self, batch: Sequence[TubeItem]) -> Losses:
        """Return the losses of a batch."""
        return self._loss.of(batch)

    def score(self) -> float:
        """Return val's m_vIoU."""
        grounder = Grounder(WholeLocalizer(), MMNTubeMatcher(self.model, self.sentences), self._fusion)
        annotations, reader = self._val.annotations, self._val.reader
        found = [grounder.ground([one.query], reader.read(one.query.video_id))[0].prediction for one in annotations]
        return score(annotations, found).m_viou


def _mean_tiou(annotations: Sequence[Annotation], reader: Reader, localizer: MMNLocalizer) -> float:
    """Return the mean tIoU of each query's best moment with the truth."""
    tious = []
    for annotation in annotations:
        moments = localizer.localize([annotation.query], reader.read(annotation.query.video_id))[0]
        tious.append(span_tiou(FrameSpan(*moments.spans[moments.scores.argmax()].tolist()), annotation.tube.span))
    return float(np.mean(tious))
