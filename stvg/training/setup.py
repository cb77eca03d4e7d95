"""What every training has in common, by whichever recipe: it is alone in its folder, its network, what it agrees on."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch

from stvg.config import dump_config
from stvg.io.files import remove_leftovers
from stvg.io.locks import locked
from stvg.recipe.networks import build_network, describe_network
from stvg.recipe.schema import BenchmarkRecipe, Recipe, StageConfig
from temporal.distributed.batch_norm import synchronise_batch_norm
from temporal.distributed.ranks import Ranks, connected, find_ranks
from temporal.mmn.losses import Losses
from temporal.mmn.network import MMN
from temporal.mmn.text_cache import SentenceSource
from temporal.training.loop import TrainingRun

Item = TypeVar("Item")


@contextmanager
def training_alone(folder: Path, device: str) -> Iterator[Ranks]:
    """Give the connected ranks and let no other run train into `folder` meanwhile; of several the first sees to that.

    Raises:
        InputError: another run trains there, or as find_ranks.
    """
    ranks = find_ranks(device)
    with connected(ranks):
        if not ranks.is_first:
            yield ranks
            return
        with locked(folder):
            if folder.is_dir():
                remove_leftovers(folder)
            yield ranks


def seeded_network(stage: StageConfig, input_size: int, seed: int, ranks: Ranks) -> tuple[MMN, SentenceSource]:
    """Return an untrained network that `seed` decides, the same on all ranks, and what it is given of sentences.

    Raises:
        InputError: as build_network.
    """
    torch.manual_seed(seed)
    network, sentences = build_network(stage, input_size, ranks.device)
    synchronise_batch_norm(network, ranks)
    return network, sentences


def training_run(
    recipe: Recipe | BenchmarkRecipe,
    stage: StageConfig,
    network: MMN,
    loss: Callable[[Sequence[Item]], Losses],
    items: Sequence[Item],
    validate: Callable[[], float],
    *,
    versions: Callable[[], Sequence[Sequence[Item]]],
    folder: Path,
    ranks: Ranks,
    annotations: Path,
    origin: Mapping[str, Any],
) -> TrainingRun[Item]:
    """Return the training of a stage into `folder`.

    A run that is taken up must agree in its losses, in the content of the file `annotations` and in `origin`, which
    names what else the items were made from.
    """
    text = network.text_backbone
    losses = {f"loss.{key}": value for key, value in dump_config(stage.loss).items()}
    losses["network.feature_dropout"] = stage.network.feature_dropout
    return TrainingRun(
        model=network,
        text_parameters=[] if text is None else list(text.parameters()),
        loss=loss,
        contrastive_weight=stage.loss.contrastive_weight,
        train_items=items,
        validate=validate,
        config=stage.training,
        folder=folder,
        seed=recipe.seed,
        describe=describe_network(recipe, stage, network.clip_pool.conv.in_channels),
        versions=versions,
        setting={**losses, "annotations": hashlib.sha256(annotations.read_bytes()).hexdigest(), **origin},
        ranks=ranks,
    )
