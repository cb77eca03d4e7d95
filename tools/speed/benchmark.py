"""Speed, memory and share of the device's peak of a recipe's MMN, beside the authors' way.

Inputs are random: speed does not depend on them. Both implementations take turns, and the fastest run of each counts.
Both keep the memory that they free (see stvg.compute.allocator), which makes the authors' way faster, too.
"""

import logging
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from speed.device import device_name, peak_flops
from speed.implementations import Implementation, OfficialMMN, ShippedMMN, agreement
from speed.task import BatchSizes, count_operations, make_task
from speed.timing import Runs
from stvg.compute.allocator import keep_freed_memory
from stvg.recipe.schema import BenchmarkRecipe, Recipe

logger = logging.getLogger(__name__)


def benchmark_speed(
    recipe: Recipe | BenchmarkRecipe, device: str, sizes: BatchSizes, repeats: int, *, official: bool
) -> dict[str, Any]:
    """Return throughput, time by part, peak memory and share of the device's peak, as plain data.

    Raises:
        InputError: sizes that do not fit each other.
    """
    keep_freed_memory()
    torch.manual_seed(recipe.seed)
    task = make_task(recipe.temporal, device, sizes)
    measured: dict[str, Implementation] = {"ours": ShippedMMN(task)}
    if official:
        measured["official"] = OfficialMMN(task)
    peak = peak_flops(device)
    result: dict[str, Any] = {
        "device": device_name(device),
        "threads": torch.get_num_threads() if device == "cpu" else None,
        "torch": torch.__version__,
        "text": task.text,
        "settings": {**asdict(sizes), "repeats": repeats, "official": official},
        "peak_gflops": peak / 1e9,
    }
    if official:
        result["agreement"] = agreement(measured["ours"], measured["official"])
    for mode in ("training", "inference"):
        operations = count_operations(task, training=mode == "training")
        result[mode] = _measure(measured, mode == "training", repeats, sizes.videos, operations, peak)
    return result


def _measure(
    measured: dict[str, Implementation], training: bool, repeats: int, videos: int, operations: int, peak: float
) -> dict[str, Any]:
    """Return the figures of the fastest run of each implementation in one mode."""
    runs = {}
    for name, one in measured.items():
        one.set_mode(training=training)
        compute = one.train_step if training else one.answer
        runs[name] = Runs(one.task.device, compute, partial(one.held_bytes, training=training))
        runs[name].warm_up()
    logger.info("%s: measure %s", "training" if training else "inference", ", ".join(runs))
    for _ in range(repeats):
        for own in runs.values():
            own.run()
    figures: dict[str, Any] = {"operations": operations}
    for name, own in runs.items():
        figures[name] = {
            "seconds": own.fastest.seconds,
            "videos_per_s": videos / own.fastest.seconds,
            "parts": own.fastest.parts,
            "peak_memory_bytes": own.peak_bytes,
            "share_of_peak": operations / own.fastest.seconds / peak,
        }
    if "official" in runs:
        figures["speedup"] = runs["official"].fastest.seconds / runs["ours"].fastest.seconds
    return figures


def speed_to_text(result: dict[str, Any], config: Path) -> str:
    """Return the figures as lines for a terminal."""
    lines = [f"{config}: {result['device']}, text encoder: {result['text']}"]
    for mode in ("training", "inference"):
        figures = result[mode]
        lines += [f"{mode:9} {name:8} {_to_text(figures[name])}" for name in ("ours", "official") if name in figures]
        if "speedup" in figures:
            lines.append(f"{mode:9} {figures['speedup']:.2f} x the official way")
    return "\n".join(lines)


def _to_text(run: dict[str, Any]) -> str:
    parts = ", ".join(f"{part} {seconds:.3f}" for part, seconds in run["parts"].items())
    memory = run["peak_memory_bytes"]
    told = "not told" if memory is None else f"{memory / 2**30:.2f} GiB"
    return (
        f"{run['videos_per_s']:9.2f} videos/s, {run['seconds']:.3f} s ({parts}), peak memory {told}, "
        f"{100 * run['share_of_peak']:.0f} % of the peak"
    )
