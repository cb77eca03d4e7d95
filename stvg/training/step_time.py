"""Time a training step on random inputs; size of all items."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from stvg.recipe.networks import build_network
from stvg.recipe.schema import Device, StageConfig
from temporal.mmn.moment_map import moment_ious
from temporal.mmn.network import MMN
from temporal.training.embedder import BatchEmbedder
from temporal.training.moment_items import MomentItem, MomentLoss
from temporal.training.optimizer import clip_and_step, make_optimizer

_MAPS = {"cpu": 4, "cuda": 64}
"""Most maps of a measured batch; the time of larger ones follows from it in proportion."""
_WORDS = 17
"""Words of a sentence, HC-STVG's mean."""


@dataclass(frozen=True, slots=True)
class TrainCost:
    """What a stage's training takes with so many `maps` (sequences or tubes, their mean) a video.

    `seconds` are those of one step as the recipe has it, `steps` all of them; `item_bytes` is the size of all items.
    """

    maps: float
    steps: int
    seconds: float
    item_bytes: int

    @property
    def total_s(self) -> float:
        """The seconds of the whole training, without reading and validation."""
        return self.steps * self.seconds


def training_cost(stage: StageConfig, device: Device, videos: int, maps: float, width: int) -> TrainCost:
    """Return what training on so many `videos` of `maps` maps each costs on this device.

    Features have `width` columns. The step is the temporal stage's, on whole videos with one sentence a map, so that
    that of the matcher, which has one a video, counts too much text.

    Raises:
        InputError: sizes that do not fit each other, or a text encoder that cannot be loaded.
    """
    config = stage.training
    wanted = min(config.batch_size, videos) * maps
    count = max(1, min(round(wanted), _MAPS[device]))
    with torch.random.fork_rng():
        seconds = _step_seconds(stage, device, count, width)
    clips = stage.network.num_pre_clips * width * torch.float32.itemsize
    steps = -(-videos // config.batch_size) * config.epochs
    return TrainCost(maps, steps, seconds * wanted / count, round(videos * maps * clips))


def _step_seconds(stage: StageConfig, device: Device, count: int, width: int) -> float:
    """Return the seconds of a training step on `count` videos of one sentence each, the second one of two."""
    network, sentences = build_network(stage, width, device)
    items = [_item(number, stage.network.num_pre_clips, width, network) for number in range(count)]
    loss = MomentLoss(BatchEmbedder(network, sentences, stage.training.precision), stage.loss)
    text = [] if network.text_backbone is None else list(network.text_backbone.parameters())
    optimizer = make_optimizer(network, text, stage.training)
    network.train()

    def step(batch: Sequence[MomentItem]) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.of(batch).total(stage.loss.contrastive_weight).backward()  # type: ignore[no-untyped-call]
        clip_and_step(optimizer, network.parameters(), stage.training.clip_norm)
        if device == "cuda":
            torch.cuda.synchronize()

    step(items)  # the first step allocates memory and encodes the sentences
    started = time.perf_counter()
    step(items)
    return time.perf_counter() - started


def _item(number: int, num_pre_clips: int, width: int, network: MMN) -> MomentItem:
    clips = nn.functional.normalize(torch.randn(1, num_pre_clips, width), dim=2)
    moments = np.array([[0.25, 0.75]])
    return MomentItem(
        texts=(f"{number} " + "the " * (_WORDS - 1),),
        num_maps=1,
        read_clips=lambda: clips,
        described=torch.zeros(1, dtype=torch.int64),
        ious=moment_ious(moments, network.mask),
        moments=torch.from_numpy(moments).float(),
    )
