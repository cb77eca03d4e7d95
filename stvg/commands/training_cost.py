"""What training a stage will take: a step measured here and now on random inputs, and the size of its items."""

from dataclasses import dataclass

import torch

from stvg.commands.device_figures import Stopwatch, fastest
from stvg.commands.speed_ways import OurWay, make_task
from stvg.recipe import Device, StageConfig

_MAPS = {"cpu": 4, "cuda": 64}
"""Most maps of a measured batch; the time of larger ones follows from it in proportion."""
_TOKENS = 20
"""Of a sentence; HC-STVG's have 17 words on average."""


@dataclass(frozen=True, slots=True)
class TrainCost:
    """What a stage's training takes with so many `maps` (streams or tubes, their mean) a video.

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

    Features have `width` columns. The step is one of whole videos' moments with one sentence a map, so that of the
    matcher, which has one a video, counts too much text.

    Raises:
        InputError: sizes that do not fit each other, or a text encoder that cannot be loaded.
    """
    config = stage.training
    wanted = min(config.batch_size, videos) * maps
    count = max(1, min(round(wanted), _MAPS[device]))
    with torch.random.fork_rng():
        way = OurWay(make_task(stage, device, count, 1, _TOKENS, width))
    seconds = fastest(device, lambda: way.train_step(Stopwatch(device)), 1)
    clips = stage.network.num_pre_clips * width * torch.float32.itemsize
    steps = -(-videos // config.batch_size) * config.epochs
    return TrainCost(maps, steps, seconds * wanted / count, round(videos * maps * clips))
