"""The same batch computed our way and the authors' way, timed part by part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from speed.device import Stopwatch
from speed.random_text import random_distilbert
from speed.reference_mmn import (
    OfficialEmbeddings,
    VideoTruth,
    dense_scores,
    encode_dense,
    encode_sentences,
    losses_by_video,
)
from stvg.compute.device import usable
from stvg.errors import InputError
from stvg.recipe.networks import text_learns
from stvg.recipe.schema import StageConfig
from temporal.mmn.losses import LossConfig, Losses, mmn_losses
from temporal.mmn.map_conv import MapKernel
from temporal.mmn.moment_map import moment_ious
from temporal.mmn.network import MMN, Embeddings, MMNConfig, cosines, iou_scores, lay_out, make_mmn
from temporal.mmn.text_encoder import QueryEmbeddings, TextBackbone, TokenBatch, join_tokens, load_text_backbone
from temporal.training.config import TrainingConfig
from temporal.training.optimizer import clip_and_step, make_optimizer


@dataclass(frozen=True, slots=True, eq=False)
class SpeedTask:
    """A batch and the network that reads it: `clips` (B, P, D), each video's sentences and true `moments` (S, 2)."""

    device: str
    text: str
    text_learns: bool
    network: MMNConfig
    loss: LossConfig
    training: TrainingConfig
    make_network: Callable[[MapKernel], MMN]
    make_backbone: Callable[[], TextBackbone]
    clips: Tensor
    tokens: list[TokenBatch]
    moments: Tensor


def make_task(stage: StageConfig, device: str, videos: int, sentences: int, tokens: int, width: int) -> SpeedTask:
    """Return a random batch for the stage's network and losses, which are those of mode "match".

    Raises:
        InputError: sizes that do not fit each other, sentences too long for the text encoder, or no such device.
    """
    usable(device)
    text = _text(stage.text)
    if tokens + 4 > text.positions:
        raise InputError(f"--tokens: expected at most {text.positions - 4} for {text.what}, got {tokens}")
    network, seed = stage.network, int(torch.randint(2**31, ()))

    def make_network(kernel: MapKernel) -> MMN:
        torch.manual_seed(seed)
        return make_mmn(replace(network, map_kernel=kernel, feature_dropout=0.0), width, text.width).to(device)

    try:
        make_network("dense")
    except ValueError as error:
        raise InputError(f"config: temporal.network: {error}") from error
    lengths = torch.randint(max(3, tokens - 4), tokens + 5, (videos, sentences))
    batches = [_random_tokens(row, text.words) for row in lengths]
    return SpeedTask(
        device=device,
        text=text.what,
        text_learns=text_learns(stage),
        network=network,
        loss=replace(stage.loss, mode="match", negatives="all"),
        training=stage.training,
        make_network=make_network,
        make_backbone=lambda: text.make().to(device),
        clips=nn.functional.normalize(torch.randn(videos, network.num_pre_clips, width), dim=2).to(device),
        tokens=[batch.to(device) for batch in batches],
        moments=torch.rand(videos, sentences, 2).sort(dim=2).values.add(torch.tensor([0.0, 1e-2])).to(device),
    )


def _random_tokens(lengths: Tensor, words: int) -> TokenBatch:
    """Return sentences of these lengths (S,), padded to the longest."""
    width = int(lengths.max())
    return TokenBatch(torch.randint(words, (len(lengths), width)), torch.arange(width) < lengths[:, None])


@dataclass(frozen=True, slots=True)
class _Text:
    """A text encoder: what it is, what makes one, the width of its vectors, how many words and positions it knows."""

    what: str
    make: Callable[[], TextBackbone]
    width: int
    words: int
    positions: int


def _text(name: str) -> _Text:
    """Return the text encoder `name`, or for a DistilBERT of the hub that is not on this machine one of its size."""
    what, make = name, partial(load_text_backbone, name)
    try:
        backbone = make()
    except InputError:
        if not name.startswith("distilbert"):
            raise
        what = f"DistilBERT of the published size, randomly initialised; {name} is not on this machine"
        make = partial(random_distilbert)
        backbone = make()
    size = cast(Any, backbone.encoder).config
    return _Text(what, make, backbone.hidden_size, size.vocab_size, size.max_position_embeddings)


class Way(Protocol):
    """One way to compute a batch."""

    task: SpeedTask

    def train_step(self, watch: Stopwatch) -> None:
        """Take one step of training."""

    def answer(self, watch: Stopwatch) -> list[Tensor]:
        """Return the scores (2, S, N, N) of each video's sentences: cosines, predicted IoUs."""

    def without_dropout(self) -> None:
        """Switch dropout of the text encoder off."""

    def losses(self) -> Losses:
        """Return the losses of the batch in training."""

    def gradient_norm(self, losses: Losses) -> float:
        """Return the norm of all gradients."""

    def scores(self) -> list[Tensor]:
        """Return what `answer` does."""


class _Trained:
    """What both ways share: a network with a text encoder, and an optimiser."""

    def __init__(self, task: SpeedTask, kernel: MapKernel) -> None:
        self.task = task
        self.model = task.make_network(kernel).train()
        torch.manual_seed(0)
        self.backbone = task.make_backbone().train(task.text_learns).requires_grad_(task.text_learns)
        recipe, text = task.training, list(self.backbone.parameters()) if task.text_learns else []
        self.parameters = [*self.model.parameters(), *text]
        both = nn.ModuleList([self.model, self.backbone]) if text else self.model
        self.optimizer = make_optimizer(both, text, recipe)

    def _losses(self, watch: Stopwatch) -> Losses:
        raise NotImplementedError

    def answer(self, watch: Stopwatch) -> list[Tensor]:
        raise NotImplementedError

    def train_step(self, watch: Stopwatch) -> None:
        """Take one step of training."""
        self.model.train()
        losses = self._losses(watch)
        with watch.part("backward"):
            self.optimizer.zero_grad(set_to_none=True)
            losses.total(self.task.loss.contrastive_weight).backward()  # type: ignore[no-untyped-call]
        with watch.part("optimiser"):
            clip_and_step(self.optimizer, self.parameters, self.task.training.clip_norm)

    def without_dropout(self) -> None:
        """Switch dropout of the text encoder off."""
        self.backbone.eval()

    def losses(self) -> Losses:
        """Return the losses of the batch in training."""
        self.model.train()
        return self._losses(Stopwatch(self.task.device))

    def gradient_norm(self, losses: Losses) -> float:
        """Return the norm of all gradients."""
        losses.total(self.task.loss.contrastive_weight).backward()  # type: ignore[no-untyped-call]
        norm = torch.stack([p.grad.norm() for p in self.parameters if p.grad is not None]).norm()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def scores(self) -> list[Tensor]:
        """Return what `answer` does."""
        return self.answer(Stopwatch(self.task.device))


class OurWay(_Trained):
    """One batch of text (cached where the encoder never learns), active cells, heads on moments, losses in one go."""

    def __init__(self, task: SpeedTask) -> None:
        super().__init__(task, "active")
        self._tokens = join_tokens(task.tokens)
        self._vectors = None if task.text_learns else self._encode(self._tokens)
        videos, sentences = task.moments.shape[:2]
        self._counts = [sentences] * videos
        self._video_of_query = torch.arange(videos, device=task.device).repeat_interleave(sentences)
        flat = task.moments.flatten(0, 1)
        self._ious = moment_ious(flat.cpu().double().numpy(), self.model.mask).to(task.device)

    @torch.no_grad()
    def _encode(self, tokens: TokenBatch) -> Tensor:
        vectors: Tensor = self.backbone(tokens)
        return vectors

    def _embed(self, watch: Stopwatch) -> Embeddings:
        model = self.model
        with watch.part("clips"):
            clips = model.clip_pool(self.task.clips)
        with watch.part("map"):
            maps = model.moment_map(clips)
        with watch.part("convolution"):
            moments = model.map_conv.moments(maps)
        with watch.part("heads"):
            embedded = model.embed_moments(moments)
        with watch.part("text"):
            vectors = self.backbone(self._tokens) if self._vectors is None else self._vectors
            queries: QueryEmbeddings = model.query_heads(vectors)
        return Embeddings(embedded, queries)

    def _losses(self, watch: Stopwatch) -> Losses:
        found = self._embed(watch)
        with watch.part("loss"):
            return mmn_losses(
                cosines(found.queries.contrastive, found.maps.contrastive),
                cosines(found.queries.iou, found.maps.iou),
                self._ious,
                self._video_of_query,
                self.task.moments.flatten(0, 1),
                self.task.loss,
            )

    @torch.inference_mode()
    def answer(self, watch: Stopwatch) -> list[Tensor]:
        """Return the scores (2, S, N, N) of each video's sentences: cosines, predicted IoUs."""
        self.model.eval()
        found = self._embed(watch)
        with watch.part("scores"):
            both = ((found.queries.contrastive, found.maps.contrastive), (found.queries.iou, found.maps.iou))
            contrastive, iou = (self._own(queries, maps) for queries, maps in both)
            laid = lay_out(torch.stack([contrastive, iou_scores(iou)]), self.model.mask)
        return list(torch.split(laid, self._counts, dim=1))

    def _own(self, queries: Tensor, maps: Tensor) -> Tensor:
        """Return the cosines (Q, K) of sentences with the moments of their own video."""
        queries = nn.functional.normalize(queries, dim=1).unflatten(0, (len(maps), -1))  # type: ignore[no-untyped-call]
        return (queries @ nn.functional.normalize(maps, dim=1)).flatten(0, 1)


class OfficialWay(_Trained):
    """What the authors' code does: see speed.reference_mmn."""

    def __init__(self, task: SpeedTask) -> None:
        super().__init__(task, "dense")
        size, everything = len(self.model.mask), torch.ones_like(self.model.mask)
        self._truths = [
            VideoTruth(moment_ious(own.cpu().double().numpy(), everything).view(-1, size, size).to(task.device), own)
            for own in task.moments
        ]

    def _embed(self, watch: Stopwatch) -> OfficialEmbeddings:
        with watch.part("maps and heads"):
            contrastive, iou = encode_dense(self.model, self.task.clips)
        with watch.part("text"):
            queries = encode_sentences(self.model, self.backbone, self.task.tokens)
        return OfficialEmbeddings(contrastive, iou, queries)

    def _losses(self, watch: Stopwatch) -> Losses:
        found = self._embed(watch)
        with watch.part("loss"):
            return losses_by_video(self.model.mask, found, self._truths, self.task.loss)

    @torch.inference_mode()
    def answer(self, watch: Stopwatch) -> list[Tensor]:
        """Return the scores (2, S, N, N) of each video's sentences: cosines, predicted IoUs."""
        self.model.eval()
        found = self._embed(watch)
        with watch.part("scores"):
            return [torch.stack(scores) for scores in dense_scores(self.model, found)]


def sentence_counts(tokens: Sequence[TokenBatch]) -> int:
    """Return how many true tokens all sentences have together."""
    return sum(int(batch.mask.sum()) for batch in tokens)
