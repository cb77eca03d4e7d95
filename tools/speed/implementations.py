"""One batch trained on and answered by the shipped code and by the authors' way."""

from abc import ABC, abstractmethod

import torch

from speed.reference_mmn import (
    OfficialEmbeddings,
    VideoTruth,
    dense_scores,
    encode_dense,
    encode_sentences,
    losses_by_video,
)
from speed.task import SpeedTask
from speed.timing import Stopwatch
from stvg.types import FloatArray
from temporal.benchmarks.nms import moment_scores
from temporal.benchmarks.ranker import MomentRanker, RecallConfig
from temporal.mmn.losses import Losses
from temporal.mmn.map_conv import MapKernel
from temporal.mmn.moment_map import moment_ious
from temporal.mmn.text_cache import CachedTokens, CachedVectors, SentenceSource
from temporal.training.config import Precision
from temporal.training.embedder import BatchEmbedder
from temporal.training.moment_items import MomentLoss
from temporal.training.optimizer import clip_and_step, make_optimizer


class Implementation(ABC):
    """A network with a text encoder and an optimiser, and one way to compute losses and scores of a batch."""

    def __init__(self, task: SpeedTask, kernel: MapKernel) -> None:
        self.task = task
        self.model, self.backbone = task.make_network(kernel)
        self.backbone.eval().requires_grad_(task.text_learns)
        text = self.backbone.parameters() if task.text_learns else ()
        self.optimizer = make_optimizer(self.model, text, task.stage.training)

    @abstractmethod
    def losses(self) -> Losses:
        """Return the losses of the batch."""

    @abstractmethod
    def scores(self) -> list[FloatArray]:
        """Return the scores (S, K) of the candidate moments for each video's S sentences."""

    def set_mode(self, *, training: bool, dropout: bool = True) -> None:
        """Prepare for training steps or for answers; without `dropout` the text encoder drops nothing in training."""
        self.model.train(training)
        if not dropout:
            self.backbone.eval()

    def train_step(self, watch: Stopwatch) -> None:
        """Take one step as temporal.training.loop does."""
        with watch.part("forward"):
            losses = self.losses()
        with watch.part("backward"):
            self.optimizer.zero_grad(set_to_none=True)
            losses.total(self.task.loss.contrastive_weight).backward()  # type: ignore[no-untyped-call]
        with watch.part("optimiser"):
            clip_and_step(self.optimizer, self.model.parameters(), self.task.stage.training.clip_norm)

    def answer(self, watch: Stopwatch) -> None:
        """Compute the scores of the batch."""
        with watch.part("scores"):
            self.scores()

    def gradient_norm(self, losses: Losses) -> float:
        """Return the norm of all gradients."""
        losses.total(self.task.loss.contrastive_weight).backward()  # type: ignore[no-untyped-call]
        norm = torch.stack([p.grad.norm() for p in self.model.parameters() if p.grad is not None]).norm()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def held_bytes(self, *, training: bool) -> int:
        """Return what lies in memory between runs: weights and buffers, in training gradients and optimiser state."""
        held = [*self.model.parameters(), *self.model.buffers()]
        if training:
            held += [p.grad for p in self.model.parameters() if p.grad is not None]
            states = self.optimizer.state.values()
            held += [value for state in states for value in state.values() if torch.is_tensor(value)]
        return sum(tensor.nbytes for tensor in held)


class ShippedMMN(Implementation):
    """The shipped training step and inference; `precision` and `kernel` None are the recipe's."""

    def __init__(self, task: SpeedTask, kernel: MapKernel | None = None, precision: Precision | None = None) -> None:
        stage = task.stage
        super().__init__(task, kernel or stage.network.map_kernel)
        sentences: SentenceSource = (
            CachedTokens(task.tokenizer) if task.text_learns else CachedVectors(task.tokenizer, self.backbone)
        )
        self._loss = MomentLoss(BatchEmbedder(self.model, sentences, precision or stage.training.precision), task.loss)
        # Neither the recall config nor the averaging's rule plays a part in the scores.
        self._ranker = MomentRanker(self.model, sentences, RecallConfig(), clamp=True, power=stage.power)

    def losses(self) -> Losses:
        """Return the losses of the batch."""
        return self._loss.of(self.task.items)

    def scores(self) -> list[FloatArray]:
        """Return the scores (S, K) of the candidate moments for each video's S sentences."""
        return self._ranker.scores(self.task.read_clips(), [item.texts for item in self.task.items])


class OfficialMMN(Implementation):
    """What the authors' code does, see speed.reference_mmn."""

    def __init__(self, task: SpeedTask) -> None:
        super().__init__(task, "dense")
        self.backbone.to(task.device)
        size, everything = len(self.model.mask), torch.ones_like(self.model.mask)
        self._truths = [
            VideoTruth(
                moment_ious(item.moments.double().numpy(), everything).view(-1, size, size).to(task.device),
                item.moments.to(task.device),
            )
            for item in task.items
        ]

    def losses(self) -> Losses:
        """Return the losses of the batch."""
        return losses_by_video(self.model.mask, self._embed(), self._truths, self.task.loss)

    @torch.inference_mode()
    def scores(self) -> list[FloatArray]:
        """Return the scores (S, K) of the candidate moments for each video's S sentences."""
        mask, power = self.model.mask, self.task.stage.power
        return [
            moment_scores(contrastive[:, mask].cpu().numpy(), iou[:, mask].cpu().numpy(), power)
            for contrastive, iou in dense_scores(self.model, self._embed())
        ]

    def _embed(self) -> OfficialEmbeddings:
        device = self.task.device
        contrastive, iou = encode_dense(self.model, self.task.read_clips().to(device))
        tokens = [self.task.tokenizer.tokenize(item.texts).to(device) for item in self.task.items]
        return OfficialEmbeddings(contrastive, iou, encode_sentences(self.model, self.backbone, tokens))


def agreement(ours: Implementation, official: Implementation) -> dict[str, float]:
    """Return how far both are apart, relative to the largest value: losses, gradient norm, scores."""
    found: dict[str, float] = {}
    for one in (ours, official):
        one.set_mode(training=True, dropout=False)
    mine, theirs = ours.losses(), official.losses()
    for name in ("vid", "sent", "iou"):
        expected = getattr(theirs, name).detach()
        found[name] = float((getattr(mine, name).detach() - expected).abs() / expected.abs())
    norm, expected_norm = ours.gradient_norm(mine), official.gradient_norm(theirs)
    found["gradient_norm"] = abs(norm - expected_norm) / expected_norm
    for one in (ours, official):
        one.set_mode(training=False)
    pairs = list(zip(ours.scores(), official.scores(), strict=True))
    largest = max(float(expected.max()) for _, expected in pairs)
    found["scores"] = max(float(abs(one - expected).max()) for one, expected in pairs) / largest
    return found
