"""Train the stages of a recipe; fit the joint weights."""

import logging
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch
from tqdm import tqdm

from stvg.cli import configure_logging
from stvg.compute.allocator import keep_freed_memory
from stvg.prepare.memory_cache import without_features
from stvg.recipe.build import load_stages
from stvg.recipe.schema import Recipe, StageConfig
from stvg.recipe.workspace import fusion_file, matcher_folder, temporal_folder
from stvg.training.base_task import training_alone
from stvg.training.joint_weights import FusionSample, fit_joint_weights, write_fitted_weights
from stvg.training.tasks import MomentTask, TubeTask
from stvg.training.train_split import left_out, training_splits, usable_split
from stvg.types import Failure
from temporal.distributed.ranks import find_ranks
from temporal.training.checkpoint import best_weights
from temporal.training.loop import Task, train

logger = logging.getLogger(__name__)


def train_temporal(recipe: Recipe, resume: bool = False, bar_position: int = 0) -> list[Failure]:
    """Train the temporal stage; val's mean tIoU of the best moment chooses the checkpoint.

    Return the videos of train and val that are missing and were left out. With several ranks the result is empty,
    since torchrun takes every exit code but 0 for a crash; the warning in the log names the videos.

    Raises:
        InputError: a file cannot be read, a video is not prepared yet, or another run trains this stage.
    """
    return _train_stage(recipe, recipe.temporal, MomentTask, resume, bar_position)


def train_matcher(recipe: Recipe, resume: bool = False, bar_position: int = 0) -> list[Failure]:
    """Train the tube matcher; val's m_vIoU of its own maps alone (tube_mmn) chooses the checkpoint.

    Return as train_temporal.

    Raises:
        InputError: as train_temporal, or nobody was found in any training video.
    """
    return _train_stage(recipe, recipe.matcher, TubeTask, resume, bar_position)


def _train_stage(
    recipe: Recipe, stage: StageConfig, make_task: type[MomentTask] | type[TubeTask], resume: bool, bar_position: int
) -> list[Failure]:
    """Train the task of a stage; return the videos that were left out, of several ranks nothing."""
    folder = recipe.output.root / stage.folder
    with training_alone(folder, recipe.device) as ranks:
        splits = training_splits(recipe, ranks)
        task: Task[Any] = make_task(recipe, *splits, ranks)
        train(task, stage.training, folder, ranks=ranks, resume=resume, bar_position=bar_position)
    return left_out(*splits) if ranks.size == 1 else []


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
    keep_freed_memory()
    torch.set_num_threads(threads)


def fit_fusion(recipe: Recipe) -> None:
    """Fit the joint weights on val and write them; without effect while either stage is untrained.

    With several ranks (torchrun) only the first one does so.
    """
    trained = (best_weights(folder(recipe)).is_file() for folder in (temporal_folder, matcher_folder))
    if not find_ranks(recipe.device).is_first or not all(trained):
        return
    val = usable_split(recipe, "val")
    localizer, matcher = load_stages(recipe)
    samples = []
    for annotation in tqdm(val.annotations, desc="fit fusion", unit="query"):
        video = val.reader.read(annotation.query.video_id)
        moments, maps = localizer.localize([annotation.query], video)[0], matcher.match([annotation.query], video)[0]
        samples.append(FusionSample(annotation, without_features(video), moments, maps))
    weights, m_viou = fit_joint_weights(samples, recipe.fusion.max_extrapolation)
    write_fitted_weights(fusion_file(recipe), weights, m_viou, len(samples))
    logger.info("joint weights: %s, m_vIoU %.4f on val", weights, m_viou)
