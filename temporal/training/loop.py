"""Training of an MMN, over moments of videos or over tubes: one loop, resumable, the best weights chosen on val.

A folder holds `last.pt` (weights, optimiser, scheduler and the history: what `--resume` needs) and `best.safetensors`
(the weights of the epoch that scored highest on val, with the config they belong to in the file's metadata).
"""

import json
import logging
import math
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from stvg.config import STRICT, dump_config
from stvg.errors import InputError
from stvg.io.files import writing
from temporal.distributed.collectives import sum_gradients
from temporal.distributed.ranks import Ranks
from temporal.mmn.losses import Losses
from temporal.training.checkpoint import best_weights, check_same_config, save_weights
from temporal.training.embedder import Precision
from temporal.training.optimizer import clip_and_step, make_optimizer

logger = logging.getLogger(__name__)
Item = TypeVar("Item")


@dataclass(frozen=True, config=STRICT)
class TrainingConfig:
    """The recipe of one training run; the defaults are those published for Charades-STA."""

    epochs: int = Field(default=18, ge=1)
    batch_size: int = Field(default=48, ge=1)
    """Videos per step, each with all its sentences."""
    lr: float = 1e-4
    text_lr_scale: float = 0.1
    """The text encoder learns at this multiple of lr ..."""
    frozen_text_epochs: int = 4
    """... and not at all in the first epochs; a number >= epochs keeps it as it came."""
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-5
    milestones: tuple[int, ...] = (8, 13)
    """Epochs after which lr is multiplied by 0.1."""
    warmup_steps: int = 0
    cosine: bool = False
    """Let lr fall to zero along a cosine over the whole run, in place of the milestones."""
    precision: Precision = "float32"
    """bfloat16: the network's forward and backward pass under autocast; weights and losses stay float32."""
    crops: int = Field(default=0, ge=0)
    """Random crops in time made of each sentence beforehand; each epoch draws the whole video or one of them."""
    crop_share: float = Field(default=0.3, ge=0, lt=1)
    """Most of a video, as a share, that a crop cuts off at either end."""
    concatenations: int = Field(default=0, ge=0)
    """Random joins of each sentence's video with another one, made and drawn as the crops are."""
    rewordings: int = Field(default=0, ge=0)
    """Times that a video's sentences are reworded beforehand, by words that the text encoder holds to be near (see
    temporal.training.paraphrase); drawn as the crops are."""
    reworded_share: float = Field(default=0.3, ge=0, le=1)
    """Share of the words that a rewording replaces, of those that have near ones."""
    clip_norm: float = 5.0
    full_contrastive_epochs: int = 7
    """After so many epochs the contrastive terms count 0.01 of their weight (the official log says "only bce")."""
    validate_from: int = 1
    """First epoch (counted from 1) after which val is scored."""
    validate_every: int = Field(default=1, ge=1)


@plain_dataclass(frozen=True)
class TrainingRun(Generic[Item]):
    """Everything that one training needs.

    `describe` is the config stored with the weights; `setting` is what else, beside `config` and `seed`, a run must
    agree in with the one that it takes up: its losses and its data. `versions` makes further versions of each item, ()
    for none, once there are epochs to train; an epoch sees each item as it is or as one of them. `bar_position` is the
    line of the progress bar, where several trainings share a terminal. Of several `ranks`, connected, each trains on
    its share of every batch (`loss` sees to that, see temporal.training.embedder); rank 0 validates and writes.
    """

    model: nn.Module
    text_parameters: Sequence[nn.Parameter]
    loss: Callable[[Sequence[Item]], Losses]
    contrastive_weight: float
    train_items: Sequence[Item]
    validate: Callable[[], float]
    config: TrainingConfig
    folder: Path
    seed: int
    describe: dict[str, Any]
    setting: dict[str, Any]
    versions: Callable[[], Sequence[Sequence[Item]]] = tuple
    bar_position: int = 0
    ranks: Ranks = field(default_factory=Ranks)


def train(run: TrainingRun[Item], resume: bool = False) -> Path:
    """Train to the end of the recipe and return the path of the best weights.

    Each epoch's order and dropout follow from (seed, epoch) alone, so that a run taken up again from `last.pt` ends
    with the same weights as one that was never stopped.

    Raises:
        InputError: `resume` with a checkpoint of another config or other data, or one that cannot be read.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    recipe = run.config
    optimizer = make_optimizer(
        run.model,
        run.text_parameters,
        lr=recipe.lr,
        text_lr_scale=recipe.text_lr_scale,
        betas=recipe.betas,
        weight_decay=recipe.weight_decay,
    )
    steps_per_epoch = math.ceil(len(run.train_items) / recipe.batch_size)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(run.config, steps_per_epoch))
    first, best = _take_up(run, optimizer, scheduler) if resume else (0, -math.inf)
    if first >= recipe.epochs:
        if run.ranks.is_first:
            logger.info("%s is trained to the end, best val score %.4f: nothing to do", run.folder, best)
        return best_weights(run.folder)
    versions, started = run.versions(), time.monotonic()
    progress = tqdm(
        total=recipe.epochs * steps_per_epoch,
        initial=first * steps_per_epoch,
        unit="step",
        desc=f"train {run.folder.name}",
        position=run.bar_position,
        disable=not run.ranks.is_first,
    )
    events = SummaryWriter(str(run.folder / "events")) if run.ranks.is_first else nullcontext()
    with progress as bar, events as writer:
        for epoch in range(first, recipe.epochs):
            losses = _train_epoch(run, versions, epoch, optimizer, scheduler, bar)
            if writer is not None:
                score = _validate(run, epoch)
                if score is not None and score > best:
                    best = score
                    save_weights(run.model, run.describe, best_weights(run.folder))
                _save_state(run, optimizer, scheduler, epoch + 1, best)
                for name, value in {**losses, **({} if score is None else {"val": score})}.items():
                    writer.add_scalar(name, value, epoch + 1)
                bar.set_postfix(
                    {
                        "epoch": epoch + 1,
                        **{name: f"{value:.3f}" for name, value in losses.items()},
                        "best": f"{best:.4f}",
                    }
                )
    run.ranks.barrier()
    if run.ranks.is_first:
        logger.info(
            "trained %s: best val score %.4f, %d epochs in %.1f s",
            run.folder,
            best,
            run.config.epochs - first,
            time.monotonic() - started,
        )
    return best_weights(run.folder)


def _schedule(config: TrainingConfig, steps_per_epoch: int) -> Callable[[int], float]:
    """Return the factor on lr for each step."""
    total = config.epochs * steps_per_epoch

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / (config.warmup_steps + 1))
        if config.cosine:
            return warm * 0.5 * (1 + math.cos(math.pi * min(step, total) / total))
        return warm * 0.1 ** sum(step // steps_per_epoch >= milestone for milestone in config.milestones)

    return factor


def _train_epoch(
    run: TrainingRun[Item],
    versions: Sequence[Sequence[Item]],
    epoch: int,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LambdaLR,
    bar: "tqdm[NoReturn]",
) -> dict[str, float]:
    """Train one epoch; return the mean of each loss term."""
    run.model.train()
    torch.manual_seed(_epoch_seed(run, epoch) + 1_000_003 * run.ranks.rank)
    for parameter in run.text_parameters:
        parameter.requires_grad_(epoch >= run.config.frozen_text_epochs)
    weight = run.contrastive_weight * (1.0 if epoch < run.config.full_contrastive_epochs else 0.01)
    sums, count = {"iou": 0.0, "vid": 0.0, "sent": 0.0}, 0
    for batch in _batches(run, versions, epoch):
        losses = run.loss(batch)
        optimizer.zero_grad(set_to_none=True)
        losses.total(weight).backward()  # type: ignore[no-untyped-call]
        sum_gradients(run.model.parameters(), run.ranks)
        clip_and_step(optimizer, run.model.parameters(), run.config.clip_norm)
        scheduler.step()
        for name in sums:
            sums[name] += float(getattr(losses, name).detach())
        count += 1
        bar.update()
    return {name: value / count for name, value in sums.items()}


def _batches(run: TrainingRun[Item], versions: Sequence[Sequence[Item]], epoch: int) -> Iterator[list[Item]]:
    """Yield the epoch's batches, in an order and with the versions of items that (seed, epoch) alone decide."""
    generator = torch.Generator().manual_seed(_epoch_seed(run, epoch))
    order = torch.randperm(len(run.train_items), generator=generator).tolist()
    draws = torch.rand(len(order), generator=generator).tolist()
    for start in range(0, len(order), run.config.batch_size):
        part = slice(start, start + run.config.batch_size)
        yield [_version(run, versions, index, draw) for index, draw in zip(order[part], draws[part], strict=True)]


def _epoch_seed(run: TrainingRun[Item], epoch: int) -> int:
    return run.seed * 100_003 + epoch


def _version(run: TrainingRun[Item], versions: Sequence[Sequence[Item]], index: int, draw: float) -> Item:
    """Return an item or one of its versions, each with the same probability; `draw` is uniform in [0, 1)."""
    further = versions[index] if versions else ()
    choice = int(draw * (1 + len(further)))
    return further[choice - 1] if choice else run.train_items[index]


def _validate(run: TrainingRun[Item], epoch: int) -> float | None:
    """Return val's score after this epoch, None where it is not due; the last epoch is always scored."""
    done = epoch + 1
    due = done >= run.config.validate_from and (done - run.config.validate_from) % run.config.validate_every == 0
    if not due and done < run.config.epochs:
        return None
    run.model.eval()
    with torch.inference_mode():
        return run.validate()


def _save_state(
    run: TrainingRun[Item],
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LambdaLR,
    done: int,
    best: float,
) -> None:
    state = {
        "model": run.model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epochs": done,
        "best": best,
        "config": json.dumps(_agreement(run), sort_keys=True),
    }
    with writing(run.folder / "last.pt") as path, path.open("wb") as file:
        torch.save(state, file)  # given a path, torch would write its name, drawn anew each time, into the file


def _agreement(run: TrainingRun[Item]) -> dict[str, Any]:
    """Return all that a run must have in common with the one that it takes up."""
    training = {f"training.{key}": value for key, value in dump_config(run.config).items()}
    return {**run.describe, **run.setting, **training, "seed": run.seed}


def _take_up(
    run: TrainingRun[Item], optimizer: torch.optim.Optimizer, scheduler: torch.optim.lr_scheduler.LambdaLR
) -> tuple[int, float]:
    """Restore `last.pt`; return the number of finished epochs and the best score. A folder without one starts anew."""
    path = run.folder / "last.pt"
    if not path.is_file():
        return 0, -math.inf
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        stored = json.loads(state["config"])
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: expected the state of an interrupted training, found none ({type(error).__name__}); "
            "remove it to train anew"
        ) from error
    check_same_config(stored, _agreement(run), path)
    run.model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    return int(state["epochs"]), float(state["best"])
