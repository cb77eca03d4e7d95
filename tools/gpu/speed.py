"""Speed and memory of MMN's training step and inference on a device, in each way that the map can be convolved.

The step is the shipped one: items from memory, the network, the losses, the optimiser. The authors' way is OfficialWay
of speed.implementations: float32 with TF32 convolutions, as torch computes by default on a GPU.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from speed.device import Stopwatch
from speed.implementations import OfficialWay, make_task
from speed.random_text import random_distilbert
from stvg.recipe.schema import BenchmarkRecipe, Recipe
from temporal.benchmarks.ranker import MomentRanker, RecallConfig
from temporal.mmn.moment_map import moment_ious
from temporal.mmn.network import MMN, make_mmn
from temporal.mmn.text_cache import CachedTokens
from temporal.mmn.text_encoder import TextBackbone, TokenBatch
from temporal.sparse_conv.layer import ActiveLayer
from temporal.training.embedder import BatchEmbedder, Precision
from temporal.training.items import MomentItem, MomentLoss
from temporal.training.optimizer import clip_and_step, make_optimizer

SENTENCES, TOKENS, WIDTH = 3, 12, 4096


@dataclass(frozen=True)
class Variant:
    """One way to compute the map convolution."""

    name: str
    plan: Literal["dense", "blocks", "tiles"]
    precision: Precision = "float32"
    channels_last: bool = False
    tf32_products: bool = False
    cudnn_benchmark: bool = False
    compiled: bool = False


VARIANTS = (
    Variant("tiles, TF32 products", "tiles", tf32_products=True),
    Variant("dense, bfloat16, channels last", "dense", "bfloat16", channels_last=True),
    Variant("blocks, bfloat16", "blocks", "bfloat16"),
    Variant("dense, channels last, cuDNN benchmark", "dense", channels_last=True, cudnn_benchmark=True),
    Variant("dense, bfloat16, channels last, cuDNN benchmark", "dense", "bfloat16", True, cudnn_benchmark=True),
    Variant("blocks, bfloat16, cuDNN benchmark", "blocks", "bfloat16", cudnn_benchmark=True),
    Variant("dense", "dense"),
    Variant("blocks", "blocks"),
    Variant("tiles", "tiles"),
    Variant("dense, channels last", "dense", channels_last=True),
    Variant("dense, bfloat16, channels last, compiled", "dense", "bfloat16", True, compiled=True),
)


class _RandomTokens:
    """Stands for a tokenizer: random tokens, as many as sentences of the benchmarks have on average."""

    def tokenize(self, sentences: Sequence[str]) -> TokenBatch:
        width = TOKENS + 4
        lengths = torch.randint(TOKENS - 4, width + 1, (len(sentences), 1))
        return TokenBatch(torch.randint(30_000, (len(sentences), width)), torch.arange(width) < lengths)


@contextmanager
def _settings(variant: Variant) -> Iterator[None]:
    chosen = ActiveLayer.plan
    if variant.plan != "dense":
        ActiveLayer.plan = lambda layer, batch, conv: getattr(layer, variant.plan)  # type: ignore[assignment,method-assign]
    torch.backends.cuda.matmul.allow_tf32 = variant.tf32_products
    torch.backends.cudnn.benchmark = variant.cudnn_benchmark
    try:
        yield
    finally:
        ActiveLayer.plan = chosen  # type: ignore[method-assign]
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.benchmark = False


def measure_speed(
    recipe: Recipe | BenchmarkRecipe, device: str, videos: int, seconds: float, names: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Yield the figures of the authors' way and of each variant until `seconds` are up; later ones are "skipped"."""
    ends = time.monotonic() + seconds
    if not names or "official" in names:
        yield _row("official", lambda: _official(recipe, device, videos))
    for variant in VARIANTS:
        if names and variant.name not in names:
            continue
        if time.monotonic() > ends:
            yield {"name": variant.name, "skipped": "time is up"}
            continue
        with _settings(variant):
            yield _row(variant.name, partial(_ours, recipe, device, videos, variant))


def _row(name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"name": name, **measure()}
    except Exception as error:  # a way that does not run is a finding: it must not end the others
        return {"name": name, "failed": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _official(recipe: Recipe | BenchmarkRecipe, device: str, videos: int) -> dict[str, Any]:
    torch.manual_seed(recipe.seed)
    way = OfficialWay(make_task(recipe.temporal, device, videos, SENTENCES, TOKENS, WIDTH))
    watch = Stopwatch("cpu")  # it never waits for the device
    return _both(device, videos, lambda: way.train_step(watch), lambda: way.answer(watch))


def _ours(recipe: Recipe | BenchmarkRecipe, device: str, videos: int, variant: Variant) -> dict[str, Any]:
    torch.manual_seed(recipe.seed)
    model = _network(recipe, device, variant)
    tokens = CachedTokens(cast(Any, _RandomTokens()))
    items = [_item(number, recipe, model) for number in range(videos)]
    loss = MomentLoss(BatchEmbedder(model, tokens, variant.precision), recipe.temporal.loss)
    training = recipe.temporal.training
    assert model.text_backbone is not None
    optimizer = make_optimizer(model, model.text_backbone.parameters(), training)
    ranker = MomentRanker(model, tokens, RecallConfig(), clamp=True, power=0.5)
    clips = torch.cat([item.read_clips() for item in items])
    texts = [item.texts for item in items]

    def step() -> None:
        losses = loss.of(items)
        optimizer.zero_grad(set_to_none=True)
        losses.total(recipe.temporal.loss.contrastive_weight).backward()  # type: ignore[no-untyped-call]
        clip_and_step(optimizer, model.parameters(), training.clip_norm)

    def answer() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=variant.precision == "bfloat16"):
            ranker.scores(clips, texts)

    return _both(device, videos, step, answer, model)


@cache
def _text(hidden_size: int) -> TextBackbone:
    """Return a text encoder of the published size, or for small trials of the network a small one."""
    if hidden_size >= 512:
        return random_distilbert()
    from transformers import DistilBertConfig, DistilBertModel

    return TextBackbone(DistilBertModel(DistilBertConfig(dim=32, n_layers=1, n_heads=2, hidden_dim=32)), 32)


def _network(recipe: Recipe | BenchmarkRecipe, device: str, variant: Variant) -> MMN:
    text = deepcopy(_text(recipe.temporal.network.hidden_size))
    sizes = replace(recipe.temporal.network, map_kernel="dense" if variant.plan == "dense" else "active")
    model = make_mmn(sizes, WIDTH, text.hidden_size, text).to(device)
    if variant.channels_last:
        model.map_conv.to(memory_format=torch.channels_last)
    if variant.compiled:
        model.map_conv.moments = torch.compile(model.map_conv.moments)  # type: ignore[method-assign]
    return model


def _item(number: int, recipe: Recipe | BenchmarkRecipe, model: MMN) -> MomentItem:
    clips = nn.functional.normalize(torch.randn(1, recipe.temporal.network.num_pre_clips, WIDTH), dim=2)
    moments = torch.rand(SENTENCES, 2).sort(dim=1).values + torch.tensor([0.0, 1e-2])
    return MomentItem(
        texts=tuple(f"video {number} sentence {one}" for one in range(SENTENCES)),
        num_maps=1,
        read_clips=lambda: clips,
        described=torch.zeros(SENTENCES, dtype=torch.int64),
        ious=moment_ious(moments.double().numpy(), model.mask.cpu()),
        moments=moments,
    )


def _both(
    device: str, videos: int, step: Callable[[], object], answer: Callable[[], object], model: nn.Module | None = None
) -> dict[str, Any]:
    if model is not None:
        model.train()
    trained = _timed(device, step)
    print(f"training: {videos / trained['seconds']:.2f} videos/s", file=sys.stderr)  # what stands if the next fails
    if model is not None:
        model.eval()
    answered = _timed(device, answer)
    return {
        "training_videos_per_s": videos / trained["seconds"],
        "inference_videos_per_s": videos / answered["seconds"],
        "training": trained,
        "inference": answered,
    }


def _timed(device: str, compute: Callable[[], object], budget_s: float = 2.0) -> dict[str, Any]:
    """Return the median seconds of a run, of as many as fit into `budget_s`, and the most memory that one held."""
    started = time.perf_counter()
    for _ in range(2 if device == "cuda" else 1):
        compute()
        _wait(device)
    warm = time.perf_counter() - started
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    runs: list[float] = []
    started = time.perf_counter()
    while not runs or (time.perf_counter() - started < budget_s and len(runs) < 30):
        before = time.perf_counter()
        compute()
        _wait(device)
        runs.append(time.perf_counter() - before)
    memory = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else None
    return {
        "seconds": statistics.median(runs),
        "fastest": min(runs),
        "slowest": max(runs),
        "runs": len(runs),
        "warm_up_s": warm,
        "peak_gib": memory,
    }


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def profile_step(recipe: Recipe | BenchmarkRecipe, device: str, videos: int, name: str, rows: int = 18) -> str:
    """Return the operations of three training steps of a variant that took the device longest, as a table."""
    variant = next(one for one in VARIANTS if one.name == name)
    with _settings(variant):
        torch.manual_seed(0)
        model = _network(recipe, device, variant).train()
        tokens = CachedTokens(cast(Any, _RandomTokens()))
        items = [_item(number, recipe, model) for number in range(videos)]
        loss = MomentLoss(BatchEmbedder(model, tokens, variant.precision), recipe.temporal.loss)

        def step() -> Tensor:
            total = loss.of(items).total(0.05)
            total.backward()  # type: ignore[no-untyped-call]
            return total

        for _ in range(2):
            step()
        activities = [torch.profiler.ProfilerActivity.CPU]
        if device == "cuda":
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        with torch.profiler.profile(activities=activities) as seen:
            for _ in range(3):
                step()
            _wait(device)
        key = "self_cuda_time_total" if device == "cuda" else "self_cpu_time_total"
        return str(seen.key_averages().table(sort_by=key, row_limit=rows, max_name_column_width=60))
