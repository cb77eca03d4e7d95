"""Training loop: resumable to the byte, the best weights chosen on val.

A training folder holds `last.pt` (weights, optimiser, scheduler and history, for `--resume`) and `best.safetensors`
(the weights of the epoch that scored highest on val, with their config in the file's metadata).
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, Protocol, TypeVar

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from stvg.config import dump_config
from stvg.errors import InputError
from temporal.distributed.collectives import sum_gradients
from temporal.distributed.ranks import Ranks
from temporal.mmn.losses import Losses
from temporal.training.checkpoint import best_weights, save_weights
from temporal.training.config import TrainingConfig
from temporal.training.optimizer import clip_and_step, make_optimizer
from temporal.training.resume import restore, save

logger = logging.getLogger(__name__)
Item = TypeVar("Item")


class Task(Protocol[Item]):
    """What a training trains: a network, its data, its loss and its score."""

    @property
    def model(self) -> nn.Module:
        """The network."""
        ...

    @property
    def text_parameters(self) -> Sequence[nn.Parameter]:
        """The parameters of the network's text encoder, none where it has no own one."""
        ...

    @property
    def contrastive_weight(self) -> float:
        """The weight of the contrastive losses beside the IoU loss."""
        ...

    @property
    def seed(self) -> int:
        """The seed of order, versions and dropout."""
        ...

    def items(self) -> Sequence[Item]:
        """Return the training items."""
        ...

    def versions(self) -> Sequence[Sequence[Item]]:
        """Return further versions of each item, () for none; an epoch draws an item as it is or one version of it.

        Called once, before the first epoch that is trained.
        """
        ...

    def loss(self, batch: Sequence[Item]) -> Losses:
        """Return the losses of a batch; with several ranks each embeds its share (see temporal.training.embedder)."""
        ...

    def score(self) -> float:
        """Return the network's score on val, the higher the better; called in eval mode, on the first rank."""
        ...

    def description(self) -> dict[str, Any]:
        """Return the config that is stored with the weights."""
        ...

    def setting(self) -> dict[str, Any]:
        """Return what a resumed run must agree in beside description, training config and seed: losses and data."""
        ...


@dataclass(frozen=True, slots=True)
class _Run(Generic[Item]):
    """A training under way: the task with its items, the config, the folder and the ranks."""

    task: Task[Item]
    items: Sequence[Item]
    config: TrainingConfig
    folder: Path
    ranks: Ranks


def train(
    task: Task[Item],
    config: TrainingConfig,
    folder: Path,
    *,
    ranks: Ranks | None = None,
    resume: bool = False,
    bar_position: int = 0,
) -> Path:
    """Train to the last epoch and return the path of the best weights.

    The order of items and the dropout of an epoch follow from (seed, epoch) alone, so that a run that is resumed from
    `last.pt` ends with the same weights as one that was never stopped. Of several `ranks`, connected, each trains on
    its share of every batch; the first one scores and writes. `bar_position` is the terminal line of the progress bar,
    where several trainings share a terminal.

    Raises:
        InputError: `resume` with a checkpoint of another config or other data, one that cannot be read, or without its
            best weights; or a loss that is not finite: no weights are written after it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(task, task.items(), config, folder, ranks or Ranks())
    optimizer = make_optimizer(task.model, task.text_parameters, config)
    steps_per_epoch = math.ceil(len(run.items) / config.batch_size)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(config, steps_per_epoch))
    last, agreement = folder / "last.pt", _agreement(run)
    resumed = resume and last.is_file()
    first, best = restore(last, agreement, task.model, optimizer, scheduler) if resumed else (0, -math.inf)
    if best > -math.inf and not best_weights(folder).is_file():
        raise InputError(
            f"{best_weights(folder)}: expected the best weights of the training to resume, found none; "
            f"without --resume it begins anew"
        )
    if not resume and last.is_file() and run.ranks.is_first:
        logger.warning("%s: the training that is there is replaced (--resume would take it up)", folder)
    if first >= config.epochs:
        if run.ranks.is_first:
            logger.info("%s is trained to the end, best val score %.4f: nothing to do", folder, best)
        return best_weights(folder)
    versions, started = task.versions(), time.monotonic()
    progress = tqdm(
        total=config.epochs * steps_per_epoch,
        initial=first * steps_per_epoch,
        unit="step",
        desc=f"train {folder.name}",
        position=bar_position,
        disable=not run.ranks.is_first,
    )
    events = SummaryWriter(str(folder / "events")) if run.ranks.is_first else nullcontext()
    with progress as bar, events as writer:
        for epoch in range(first, config.epochs):
            losses = _train_epoch(run, versions, epoch, optimizer, scheduler, bar)
            if writer is not None:
                score = _validate(run, epoch)
                if score is not None and score > best:
                    best = score
                    save_weights(task.model, task.description(), best_weights(folder))
                save(last, agreement, task.model, optimizer, scheduler, epoch + 1, best)
                _show(writer, bar, epoch + 1, losses, score, best)
    run.ranks.barrier()
    if run.ranks.is_first:
        trained, seconds = config.epochs - first, time.monotonic() - started
        logger.info("trained %s: best val score %.4f, %d epochs in %.1f s", folder, best, trained, seconds)
    return best_weights(folder)


def _show(
    writer: SummaryWriter, bar: "tqdm[NoReturn]", done: int, losses: dict[str, float], score: float | None, best: float
) -> None:
    """Write an epoch's mean losses and score to TensorBoard and to the progress bar."""
    for name, value in {**losses, **({} if score is None else {"val": score})}.items():
        writer.add_scalar(name, value, done)
    shown = {name: f"{value:.3f}" for name, value in losses.items()}
    bar.set_postfix({"epoch": done, **shown, "best": f"{best:.4f}"})


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
    run: _Run[Item],
    versions: Sequence[Sequence[Item]],
    epoch: int,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LambdaLR,
    bar: "tqdm[NoReturn]",
) -> dict[str, float]:
    """Train one epoch; return the mean of each loss term."""
    task = run.task
    task.model.train()
    torch.manual_seed(_epoch_seed(run, epoch) + 1_000_003 * run.ranks.rank)
    for parameter in task.text_parameters:
        parameter.requires_grad_(epoch >= run.config.frozen_text_epochs)
    weight = task.contrastive_weight * (1.0 if epoch < run.config.full_contrastive_epochs else 0.01)
    sums, count = {"iou": 0.0, "vid": 0.0, "sent": 0.0}, 0
    for batch in _batches(run, versions, epoch):
        losses = task.loss(batch)
        total = losses.total(weight)
        if not math.isfinite(float(total.detach())):
            raise InputError(
                f"{run.folder}: epoch {epoch + 1}, step {count + 1}: expected a finite loss, "
                f"got {float(total.detach())}; a lower training.lr may help"
            )
        optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        sum_gradients(task.model.parameters(), run.ranks)
        clip_and_step(optimizer, task.model.parameters(), run.config.clip_norm)
        scheduler.step()
        for name in sums:
            sums[name] += float(getattr(losses, name).detach())
        count += 1
        bar.update()
    return {name: value / count for name, value in sums.items()}


def _batches(run: _Run[Item], versions: Sequence[Sequence[Item]], epoch: int) -> Iterator[list[Item]]:
    """Yield the epoch's batches, in an order and with the versions of items that (seed, epoch) alone decide."""
    generator = torch.Generator().manual_seed(_epoch_seed(run, epoch))
    order = torch.randperm(len(run.items), generator=generator).tolist()
    draws = torch.rand(len(order), generator=generator).tolist()
    for start in range(0, len(order), run.config.batch_size):
        part = slice(start, start + run.config.batch_size)
        yield [_version(run, versions, index, draw) for index, draw in zip(order[part], draws[part], strict=True)]


def _epoch_seed(run: _Run[Item], epoch: int) -> int:
    return run.task.seed * 100_003 + epoch


def _version(run: _Run[Item], versions: Sequence[Sequence[Item]], index: int, draw: float) -> Item:
    """Return an item or one of its versions, each with the same probability; `draw` is uniform in [0, 1)."""
    further = versions[index] if versions else ()
    choice = int(draw * (1 + len(further)))
    return further[choice - 1] if choice else run.items[index]


def _validate(run: _Run[Item], epoch: int) -> float | None:
    """Return val's score after this epoch, None where it is not due; the last epoch is always scored."""
    done = epoch + 1
    due = done >= run.config.validate_from and (done - run.config.validate_from) % run.config.validate_every == 0
    if not due and done < run.config.epochs:
        return None
    run.task.model.eval()
    with torch.inference_mode():
        return run.task.score()


def _agreement(run: _Run[Item]) -> dict[str, Any]:
    """Return all that a run must have in common with the one that it resumes."""
    training = {f"training.{key}": value for key, value in dump_config(run.config).items()}
    return {**run.task.description(), **run.task.setting(), **training, "seed": run.task.seed}
