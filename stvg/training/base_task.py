"""Base of the training tasks: network, lock, paraphrases, resume settings."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Generic

import torch
from torch import nn

from stvg.config import dump_config
from stvg.io.files import remove_leftovers
from stvg.io.locks import locked
from stvg.recipe.networks import build_network, describe_network
from stvg.recipe.schema import BenchmarkRecipe, Recipe, StageConfig
from stvg.training.paraphrased_items import make_paraphrases
from stvg.training.train_split import Item, TrainSet
from temporal.distributed.batch_norm import synchronise_batch_norm
from temporal.distributed.ranks import Ranks, connected, find_ranks
from temporal.mmn.text_cache import encode_all
from temporal.training.embedder import BatchEmbedder


@contextmanager
def training_alone(folder: Path, device: str) -> Iterator[Ranks]:
    """Connect the ranks and lock `folder` against other trainings; the first rank holds the lock.

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


class StageTask(Generic[Item]):
    """Base of the tasks of all stages (temporal.training.loop.Task); subclasses add data, origin, loss and score.

    The initial weights follow from `network_seed` alone and are the same on all ranks.

    Raises:
        InputError: as build_network.
    """

    data: TrainSet[Item]
    origin: dict[str, Any]
    """What the items were made from, beside the annotations."""

    def __init__(
        self, recipe: Recipe | BenchmarkRecipe, stage: StageConfig, input_size: int, network_seed: int, ranks: Ranks
    ) -> None:
        self.stage = stage
        self.seed = recipe.seed
        torch.manual_seed(network_seed)
        self.model, self.sentences = build_network(stage, input_size, ranks.device)
        synchronise_batch_norm(self.model, ranks)
        self.embedder = BatchEmbedder(self.model, self.sentences, stage.training.precision, ranks)
        self._description = describe_network(recipe, stage, input_size)
        self._annotations = hashlib.sha256(_train_annotations(recipe).read_bytes()).hexdigest()

    @property
    def text_parameters(self) -> Sequence[nn.Parameter]:
        """The parameters of the network's text encoder, none where it has no own one."""
        return [] if self.model.text_backbone is None else list(self.model.text_backbone.parameters())

    @property
    def contrastive_weight(self) -> float:
        """The weight of the contrastive losses beside the IoU loss."""
        return self.stage.loss.contrastive_weight

    def items(self) -> Sequence[Item]:
        """Return the training items."""
        return self.data.items

    def versions(self) -> list[list[Item]]:
        """Return the augmented versions and the paraphrases of each item; all sentences are then encoded once."""
        paraphrases = make_paraphrases(self.stage, self.data.items, self.seed)
        made = [[*augmented, *own] for augmented, own in zip(self.data.versions, paraphrases, strict=True)]
        encode_all(self.sentences, chain(self.data.items, *made))
        return made

    def description(self) -> dict[str, Any]:
        """Return the config that is stored with the weights."""
        return self._description

    def setting(self) -> dict[str, Any]:
        """Return what a resumed run must agree in: the losses, dropout, and the data."""
        losses = {f"loss.{key}": value for key, value in dump_config(self.stage.loss).items()}
        losses["network.feature_dropout"] = self.stage.network.feature_dropout
        return {**losses, "annotations": self._annotations, **self.origin}


def _train_annotations(recipe: Recipe | BenchmarkRecipe) -> Path:
    if isinstance(recipe, BenchmarkRecipe):
        return recipe.data.root / recipe.data.train
    return recipe.data.annotations("train")
