"""How fast MMN trains and answers on a device, beside the authors' way of computing the same numbers.

Inputs are random: speed does not depend on them. The two ways take turns, and the fastest run of each counts. Both
keep the memory that they free (see stvg.compute.allocator), which makes the authors' way faster, too.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from speed.device import Stopwatch, copied_bytes, device_name, fastest, peak_flops, peak_memory
from speed.implementations import OfficialWay, OurWay, SpeedTask, Way, make_task
from speed.roofline import Work, work_of
from stvg.compute.allocator import keep_freed_memory
from stvg.recipe.schema import BenchmarkRecipe, Recipe

logger = logging.getLogger(__name__)
Run = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SpeedSettings:
    """What is measured: `videos` of `sentences` each, features of `width` columns, the fastest of `repeats` runs."""

    videos: int
    sentences: int
    tokens: int
    width: int
    repeats: int
    official: bool = True


def benchmark_speed(recipe: Recipe | BenchmarkRecipe, device: str, settings: SpeedSettings) -> dict[str, Any]:
    """Return throughput, step time by part, peak memory, share of the device's peak and the floor, as plain data.

    Raises:
        InputError: sizes that do not fit each other.
    """
    keep_freed_memory()
    torch.manual_seed(recipe.seed)
    task = make_task(recipe.temporal, device, settings.videos, settings.sentences, settings.tokens, settings.width)
    ways: dict[str, Way] = {"ours": OurWay(task)}
    if settings.official:
        ways["official"] = OfficialWay(task)
    peak, bandwidth = peak_flops(device), copied_bytes(device)
    result: dict[str, Any] = {
        "device": device_name(device),
        "threads": torch.get_num_threads() if device == "cpu" else None,
        "torch": torch.__version__,
        "text": task.text,
        "settings": asdict(settings),
        "peak_gflops": peak / 1e9,
        "copied_gb_per_s": bandwidth / 1e9,
    }
    if settings.official:
        result["agreement"] = agreement(ways["ours"], ways["official"])
    for mode in ("training", "inference"):
        work = work_of(task, training=mode == "training")
        logger.info("%s: measure %s", mode, ", ".join(ways))
        result[mode] = _measure(ways, mode, settings, work, peak, bandwidth)
    result["convolution"] = _convolution(task, settings)
    return result


def _measure(
    ways: dict[str, Way], mode: str, settings: SpeedSettings, work: Work, peak: float, bandwidth: float
) -> Run:
    """Return the fastest run of each way, which take turns, and the floor."""
    best: dict[str, Stopwatch] = {}
    memory: dict[str, int | None] = {}
    for turn in range(settings.repeats + 1):
        for name, way in ways.items():
            watch = Stopwatch(way.task.device)
            compute = _step(way, mode, watch)
            if turn == 0:
                memory[name] = peak_memory(way.task.device, compute)
                continue
            compute()
            if name not in best or watch.total < best[name].total:
                best[name] = watch
    floor = max(work.operations / peak, work.bytes / bandwidth)
    measured: Run = {"floor_seconds": floor, "operations": work.operations, "bytes": work.bytes}
    for name, watch in best.items():
        measured[name] = {
            "seconds": watch.total,
            "videos_per_s": settings.videos / watch.total,
            "parts": watch.seconds,
            "peak_memory_bytes": memory[name],
            "share_of_peak": work.operations / watch.total / peak,
        }
    if len(best) > 1:
        measured["speedup"] = best["official"].total / best["ours"].total
    return measured


def _step(way: Way, mode: str, watch: Stopwatch) -> Callable[[], object]:
    return (lambda: way.train_step(watch)) if mode == "training" else (lambda: way.answer(watch))


def _convolution(task: SpeedTask, settings: SpeedSettings) -> Run:
    """Return the seconds of the map convolution alone, over active cells and over the whole canvas."""
    network = task.network
    maps = torch.randn(settings.videos, network.hidden_size, network.num_clips, network.num_clips, device=task.device)
    measured: Run = {}
    stacks = {kernel: task.make_network(kernel).map_conv for kernel in ("active", "dense")}
    maps *= task.make_network("dense").mask
    for mode in ("training", "inference"):
        times: dict[str, float] = {}
        for _ in range(settings.repeats):
            for kernel, stack in stacks.items():
                stack.train(mode == "training")

                def compute(stack: Any = stack, mode: str = mode) -> None:
                    with torch.set_grad_enabled(mode == "training"):
                        leaf = maps.detach().requires_grad_(mode == "training")
                        moments = stack.moments(leaf)
                        if mode == "training":
                            moments.backward(moments.detach())

                times[kernel] = min(times.get(kernel, float("inf")), fastest(task.device, compute, 1))
        measured[mode] = {**times, "speedup": times["dense"] / times["active"]}
    return measured


def agreement(ours: Way, official: Way) -> dict[str, float]:
    """Return how far the two ways are apart, relative to the largest value: losses, gradient norm, scores."""
    found: dict[str, float] = {}
    for way in (ours, official):
        way.without_dropout()
    mine, theirs = ours.losses(), official.losses()
    for name in ("vid", "sent", "iou"):
        expected = getattr(theirs, name).detach()
        found[name] = float((getattr(mine, name).detach() - expected).abs() / expected.abs())
    norms = [way.gradient_norm(losses) for way, losses in ((ours, mine), (official, theirs))]
    found["gradient_norm"] = abs(norms[0] - norms[1]) / norms[1]
    pairs = list(zip(ours.scores(), official.scores(), strict=True))
    largest = max(float(expected.abs().max()) for _, expected in pairs)
    found["scores"] = max(float((one - expected).abs().max()) for one, expected in pairs) / largest
    return found


def speed_to_text(result: dict[str, Any], config: Path) -> str:
    """Return the figures as lines for a terminal."""
    lines = [f"{config}: {result['device']}, text encoder: {result['text']}"]
    for mode in ("training", "inference"):
        run, convolution = result[mode], result["convolution"][mode]
        lines += [f"{mode:9} {name:8} {_run_to_text(run[name])}" for name in ("ours", "official") if name in run]
        whole = f"; whole {run['speedup']:.2f} x the official way" if "speedup" in run else ""
        lines.append(
            f"{mode:9} floor {run['floor_seconds']:.3f} s; map convolution {convolution['active']:.3f} s, "
            f"dense {convolution['dense']:.3f} s ({convolution['speedup']:.2f} x){whole}"
        )
    return "\n".join(lines)


def _run_to_text(run: Run) -> str:
    parts = ", ".join(f"{part} {seconds:.3f}" for part, seconds in run["parts"].items())
    memory = run["peak_memory_bytes"]
    told = "not told" if memory is None else f"{memory / 2**30:.2f} GiB"
    return (
        f"{run['videos_per_s']:9.2f} videos/s, {run['seconds']:.3f} s ({parts}), peak memory {told}, "
        f"{100 * run['share_of_peak']:.0f} % of the peak"
    )
