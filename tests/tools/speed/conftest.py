"""A small task for the tests of speed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from speed.task import BatchSizes, SpeedTask, make_task
from stvg.recipe.schema import RankerConfig
from temporal.mmn.network import MMNConfig
from temporal.training.loop import TrainingConfig

NETWORK = MMNConfig(
    num_pre_clips=8,
    num_clips=8,
    pool_kernel=1,
    hidden_size=6,
    joint_size=4,
    pooling_counts=(7,),
    conv_kernel=3,
    conv_layers=2,
)


@pytest.fixture
def stage(tiny_text: str) -> Callable[..., RankerConfig]:
    """Makes a small stage: its text encoder, and what its network has otherwise."""

    def make(text: str = tiny_text, **network: Any) -> RankerConfig:
        return RankerConfig(text=text, network=replace(NETWORK, **network), training=TrainingConfig(lr=1e-3))

    return make


@pytest.fixture
def task(stage: Callable[..., RankerConfig]) -> SpeedTask:
    torch.manual_seed(0)
    return make_task(stage(), "cpu", BatchSizes(videos=3, sentences=2, tokens=4, width=5))
