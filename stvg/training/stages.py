"""Train either stage on the train split and choose its checkpoint on val; fit the joint weights on val."""

import logging
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from spatial.matching.items import TubeItem, TubeLoss, make_tube_item
from spatial.matching.matcher import MMNTubeMatcher
from stvg.cli import configure_logging
from stvg.errors import InputError
from stvg.evaluation.metrics import score
from stvg.geometry.spans import span_tiou
from stvg.pipeline import Grounder, WholeLocalizer
from stvg.prepare.cache import Reader, without_features
from stvg.recipe.build import build_fusion, load_localizer, load_matcher, temporal_streams
from stvg.recipe.schema import Recipe, StageConfig
from stvg.recipe.workspace import fusion_file, matcher_folder, prepared_store, temporal_folder
from stvg.training.items import Item, MakeItem, Split, left_out, make_train_set, training_splits, usable_split
from stvg.training.joint_weights import FusionSample, fit_joint_weights, write_fitted_weights
from stvg.training.setup import seeded_network, training_alone, training_run
from stvg.training.wordings import make_rewordings
from stvg.types import Annotation, Failure, FrameSpan, Prediction
from temporal.distributed.ranks import Ranks, find_ranks
from temporal.localizer import MMNLocalizer
from temporal.mmn.losses import LossConfig, Losses
from temporal.mmn.network import MMN
from temporal.mmn.text_cache import SentenceSource, encode_all
from temporal.training.checkpoint import best_weights
from temporal.training.clip_store import ClipMemory
from temporal.training.embedder import BatchEmbedder
from temporal.training.items import MomentItem, MomentLoss, make_moment_item
from temporal.training.loop import TrainingRun, train

logger = logging.getLogger(__name__)


def train_temporal(recipe: Recipe, resume: bool = False, bar_position: int = 0) -> list[Failure]:
    """Train the temporal stage; val's mean tIoU of the best moment chooses the checkpoint.

    Return the videos of train and val that cannot be had and were left out; of several ranks nothing, since torchrun
    takes every exit code but 0 for a crash: there the warning in the log names them.

    Raises:
        InputError: a file cannot be read, a video is not prepared yet, or another run trains this stage.
    """
    return _train_stage(recipe, temporal_folder(recipe), _temporal_run, resume, bar_position)


def train_matcher(recipe: Recipe, resume: bool = False, bar_position: int = 0) -> list[Failure]:
    """Train the tube matcher; val's m_vIoU of its own maps alone (tube_mmn) chooses the checkpoint.

    Return as train_temporal.

    Raises:
        InputError: as train_temporal, or nobody was found in any training video.
    """
    return _train_stage(recipe, matcher_folder(recipe), _matcher_run, resume, bar_position)


@dataclass(frozen=True, slots=True)
class _Start:
    """What the training of a stage begins with: where it goes, what it trains on, where its items are kept."""

    recipe: Recipe
    folder: Path
    training: Split
    val: Split
    memory: ClipMemory
    ranks: Ranks


def _train_stage(
    recipe: Recipe, folder: Path, make_run: Callable[[_Start], TrainingRun[Item]], resume: bool, bar_position: int
) -> list[Failure]:
    """Train what `make_run` makes; return the videos that were left out, of several ranks nothing."""
    with training_alone(folder, recipe.device) as ranks:
        training, val = training_splits(recipe, ranks)
        start = _Start(recipe, folder, training, val, ClipMemory(folder, recipe.data.memory_bytes), ranks)
        train(replace(make_run(start), bar_position=bar_position), resume)
    return left_out(training, val) if ranks.size == 1 else []


def _temporal_run(start: _Start) -> TrainingRun[MomentItem]:
    recipe, training, val = start.recipe, start.training, start.val
    stage, streams = recipe.temporal, temporal_streams(recipe)
    input_size = max(streams(training.reader.read(item.query.video_id)).shape[2] for item in training.annotations[:8])
    network, sentences = seeded_network(stage, input_size, recipe.seed, start.ranks)

    def validate() -> float:
        return mean_tiou(val.annotations, val.reader, MMNLocalizer(network, sentences, streams, stage.power))

    make_item = partial(make_moment_item, streams=streams, mask=network.mask.cpu(), keep=start.memory.keep)
    return _run(start, stage, network, sentences, make_item, MomentLoss, validate)


def _matcher_run(start: _Start) -> TrainingRun[TubeItem]:
    recipe, training, val = start.recipe, start.training, start.val
    stage, num_clips = recipe.matcher, recipe.matcher.network.num_pre_clips
    videos = (training.reader.read(item.query.video_id) for item in training.annotations)
    widths = (features.shape[1] for video in videos for features in video.tube_features)
    input_size = next(widths, None)
    if input_size is None:
        raise InputError(f"{recipe.data.annotations('train')}: expected people in its videos, the detector found none")
    network, sentences = seeded_network(stage, input_size, recipe.seed + 1, start.ranks)

    def validate() -> float:
        matcher = MMNTubeMatcher(network, sentences, num_clips)
        grounder = Grounder(WholeLocalizer(), matcher, build_fusion(recipe, "tube_mmn"))
        return score(val.annotations, ground_annotations(val.annotations, val.reader, grounder)).m_viou

    make_item = partial(make_tube_item, num_clips=num_clips, mask=network.mask.cpu(), keep=start.memory.keep)
    return _run(start, stage, network, sentences, make_item, TubeLoss, validate)


def _run(
    start: _Start,
    stage: StageConfig,
    network: MMN,
    sentences: SentenceSource,
    make_item: MakeItem[Item],
    make_loss: Callable[[BatchEmbedder, LossConfig], Callable[[Sequence[Item]], Losses]],
    validate: Callable[[], float],
) -> TrainingRun[Item]:
    """Make the items of a stage; return its training, which shows all their sentences to the encoder first."""
    recipe = start.recipe
    data = make_train_set(recipe, stage.training, start.training, make_item)

    def versions() -> list[list[Item]]:
        rewordings = make_rewordings(stage, data.items, recipe.seed)
        made = [[*seen, *said] for seen, said in zip(data.versions, rewordings, strict=True)]
        encode_all(sentences, chain(data.items, *made))
        return made

    return training_run(
        recipe,
        stage,
        network,
        make_loss(BatchEmbedder(network, sentences, stage.training.precision, start.ranks), stage.loss),
        data.items,
        validate,
        versions=versions,
        folder=start.folder,
        ranks=start.ranks,
        annotations=recipe.data.annotations("train"),
        origin={"prepared": prepared_store(recipe, "train").recipe},
    )


def train_both(recipe: Recipe, resume: bool = False) -> list[Failure]:
    """Train both stages at once, each on half of the cores, then fit the joint weights.

    Return as train_temporal, each video once.
    """
    context = multiprocessing.get_context("spawn")
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    with ProcessPoolExecutor(2, context, _start_training, (threads,)) as pool:
        running = [
            pool.submit(stage, recipe, resume, line) for line, stage in enumerate((train_temporal, train_matcher))
        ]
        failures = [failure for training in running for failure in training.result()]
    fit_fusion(recipe)
    return list(dict.fromkeys(failures))


def _start_training(threads: int) -> None:
    configure_logging()
    torch.set_num_threads(threads)


def fit_fusion(recipe: Recipe) -> None:
    """Fit the joint weights on val and write what was found; nothing is done while either stage is untrained.

    Of several ranks (torchrun) the first one does it.
    """
    trained = (best_weights(folder(recipe)).is_file() for folder in (temporal_folder, matcher_folder))
    if not find_ranks(recipe.device).is_first or not all(trained):
        return
    val = usable_split(recipe, "val")
    localizer, matcher = load_localizer(recipe), load_matcher(recipe)
    samples = []
    for annotation in tqdm(val.annotations, desc="fit fusion", unit="query"):
        video = val.reader.read(annotation.query.video_id)
        moments, maps = localizer.localize([annotation.query], video)[0], matcher.match([annotation.query], video)[0]
        samples.append(FusionSample(annotation, without_features(video), moments, maps))
    weights, m_viou = fit_joint_weights(samples, recipe.fusion.max_extrapolation)
    write_fitted_weights(fusion_file(recipe), weights, m_viou, len(samples))
    logger.info("joint weights: %s, m_vIoU %.4f on val", weights, m_viou)


def mean_tiou(annotations: Sequence[Annotation], reader: Reader, localizer: MMNLocalizer) -> float:
    """Return the mean tIoU of each query's best moment with the truth."""
    tious = []
    for annotation in annotations:
        moments = localizer.localize([annotation.query], reader.read(annotation.query.video_id))[0]
        tious.append(span_tiou(FrameSpan(*moments.spans[moments.scores.argmax()].tolist()), annotation.tube.span))
    return float(np.mean(tious))


def ground_annotations(annotations: Sequence[Annotation], reader: Reader, grounder: Grounder) -> list[Prediction]:
    """Return the prediction for each annotated query."""
    return [grounder.ground([item.query], reader.read(item.query.video_id))[0].prediction for item in annotations]
