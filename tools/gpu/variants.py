"""Speed and memory of MMN's training step and inference on a device, for each way to convolve the map."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch

from speed.implementations import Implementation, OfficialMMN, ShippedMMN
from speed.task import SpeedTask, count_operations
from speed.timing import Runs, Stopwatch
from temporal.sparse_conv.layer import ActiveLayer
from temporal.training.config import Precision

Row = dict[str, Any]
"""Figures by their names; those in a dict are details that no table shows."""
_MOST_RUNS = 30


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to compute the map convolution, and settings of torch."""

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
OFFICIAL = "official"
"""Name of the authors' way: float32 with TF32 convolutions, as torch computes by default on a GPU."""


def variant_names() -> tuple[str, ...]:
    """Return what can be measured, the authors' way first."""
    return OFFICIAL, *(variant.name for variant in VARIANTS)


def measure_variants(task: SpeedTask, names: Sequence[str], ends: float, budget_s: float) -> Iterator[Row]:
    """Yield the figures of each of variant_names() that is in `names`; "skipped" after `ends`, in monotonic seconds.

    Each is run again and again for `budget_s` seconds in training and in inference; the median counts.
    """
    for name in variant_names():
        if name not in names:
            continue
        if time.monotonic() > ends:
            yield {"name": name, "skipped": "time is up"}
            continue
        try:
            yield {"name": name, **_measured(task, name, budget_s)}
        except Exception as error:  # a variant that does not run is a finding: it must not end the others
            yield {"name": name, "failed": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
        if task.device == "cuda":
            torch.cuda.empty_cache()


def profile_variant(task: SpeedTask, name: str, rows: int = 18) -> str:
    """Return the operations of three training steps that took the device longest, as a table."""
    with _implementation(task, name) as (one, _):
        one.set_mode(training=True)
        step = partial(one.train_step, Stopwatch("cpu"))
        for _ in range(2):
            step()
        activities = [torch.profiler.ProfilerActivity.CPU]
        if task.device == "cuda":
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        with torch.profiler.profile(activities=activities) as profile:
            for _ in range(3):
                step()
        key = f"self_{task.device}_time_total"
        return str(profile.key_averages().table(sort_by=key, row_limit=rows, max_name_column_width=60))


def _measured(task: SpeedTask, name: str, budget_s: float) -> Row:
    with _implementation(task, name) as (one, answer):
        row: Row = {}
        details: Row = {}
        computations: dict[str, Callable[[Stopwatch], None]] = {"training": one.train_step, "inference": answer}
        for mode, compute in computations.items():
            training = mode == "training"
            one.set_mode(training=training)
            started = time.perf_counter()
            runs = Runs(task.device, compute, partial(one.held_bytes, training=training), waits=False)
            runs.warm_up()
            warm_up_s = time.perf_counter() - started
            runs.fill(budget_s, _MOST_RUNS)
            operations = count_operations(task, training=training)
            row |= {
                f"{mode} videos/s": task.sizes.videos / runs.median_s,
                f"{mode} GiB": None if runs.peak_bytes is None else runs.peak_bytes / 2**30,
                f"{mode} TFLOP/s": operations / runs.median_s / 1e12,
            }
            details[mode] = {
                "median_s": runs.median_s,
                "fastest_s": runs.fastest.seconds,
                "runs": len(runs),
                "warm_up_s": warm_up_s,
            }
            sys.stderr.write(f"{name}: {row}\n")  # what stands if the next mode fails
        return {**row, "details": details}


@contextmanager
def _implementation(task: SpeedTask, name: str) -> Iterator[tuple[Implementation, Callable[[Stopwatch], None]]]:
    """Give what `name` stands for, under its settings, and how it answers."""
    if name == OFFICIAL:
        official = OfficialMMN(task)
        yield official, official.answer
        return
    variant = next(one for one in VARIANTS if one.name == name)
    chosen: Any = ActiveLayer.plan
    if variant.plan != "dense":
        ActiveLayer.plan = lambda layer, batch, conv: getattr(layer, variant.plan)  # type: ignore[method-assign,assignment]
    torch.backends.cuda.matmul.allow_tf32 = variant.tf32_products
    torch.backends.cudnn.benchmark = variant.cudnn_benchmark
    try:
        one = ShippedMMN(task, "dense" if variant.plan == "dense" else "active", variant.precision)
        if variant.channels_last:
            one.model.map_conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if variant.compiled:
            one.model.map_conv.moments = torch.compile(one.model.map_conv.moments)  # type: ignore[method-assign]

        def answer(watch: Stopwatch) -> None:
            with torch.autocast(task.device, torch.bfloat16, enabled=variant.precision == "bfloat16"):
                one.answer(watch)

        yield one, answer
    finally:
        ActiveLayer.plan = chosen  # type: ignore[method-assign]
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.benchmark = False
