"""Compare MMN's losses and negatives on a benchmark, over several seeds, as one table.

Losses as published and corrected, with and without negatives of other videos, with and without the contrastive branch.
"""

import argparse
import logging
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from stvg.cli import ExitCode, configure_logging, recipe_parser, run
from stvg.compute.allocator import keep_freed_memory
from stvg.config import load_config
from stvg.errors import InputError
from stvg.io.files import read_json, write_json_atomically, write_text_atomically
from stvg.recipe.schema import BenchmarkRecipe, OutputConfig
from stvg.training.benchmark import evaluate_benchmark, train_benchmark

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Variant:
    """One row: what its recipe changes in the losses; `power` None keeps the recipe's."""

    name: str
    loss: dict[str, Any]
    power: float | None = None


VARIANTS = (
    Variant("match", {"mode": "match"}),
    Variant("corrected", {"mode": "corrected"}),
    Variant("match, negatives of the own video", {"mode": "match", "negatives": "own_video"}),
    Variant("corrected, negatives of the own video", {"mode": "corrected", "negatives": "own_video"}),
    Variant("no contrastive branch", {"contrastive_weight": 0.0}, power=0.0),
)


def main() -> int:
    """Parse, train and evaluate all variants, print the table."""
    arguments = _parser().parse_intermixed_args()
    recipe = load_config(BenchmarkRecipe, arguments.config, arguments.overrides)
    sys.stdout.write(ablate_mmn(recipe, arguments.seeds, arguments.out, arguments.workers))
    return ExitCode.DONE


def ablate_mmn(recipe: BenchmarkRecipe, seeds: Sequence[int], out: Path, workers: int | None = None) -> str:
    """Train and evaluate every variant with every seed; write `out`/ablation.json and .md, return the table.

    Runs lie in `out`/VARIANT/SEED; finished ones are not done again, interrupted ones are taken up. `workers` runs go
    at once (None: one a core), each on its share of the cores.

    Raises:
        InputError: as train_benchmark; fewer than two seeds, of which no interval can be told.
    """
    if len(set(seeds)) < 2:
        raise InputError(f"--seeds: expected at least two different ones, got {list(seeds)}")
    cores = len(os.sched_getaffinity(0))
    workers = workers or cores
    jobs = [(_varied(recipe, variant, seed, out), variant.name, seed) for variant in VARIANTS for seed in seeds]
    results = _run_all([job for job, _, _ in jobs], workers, max(1, cores // workers))
    rows = [{"variant": name, "seed": seed, **result} for (_, name, seed), result in zip(jobs, results, strict=True)]
    table = ablation_table(rows)
    write_json_atomically(out / "ablation.json", rows, indent=1)
    write_text_atomically(out / "ablation.md", table)
    return table


def _varied(recipe: BenchmarkRecipe, variant: Variant, seed: int, out: Path) -> BenchmarkRecipe:
    stage = recipe.temporal
    stage = replace(stage, loss=replace(stage.loss, **variant.loss))
    if variant.power is not None:
        stage = replace(stage, power=variant.power)
    folder = variant.name.replace(", ", "-").replace(" ", "_")
    return replace(recipe, temporal=stage, seed=seed, output=OutputConfig(root=out / folder / str(seed)))


def _run_all(jobs: Sequence[BenchmarkRecipe], workers: int, threads: int) -> list[dict[str, Any]]:
    """Run the jobs, `workers` at once with so many threads each, in this process if it is one; results in order."""
    if workers == 1:
        return [_run(job) for job in tqdm(jobs, desc="ablate", unit="run")]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start, (threads,)) as pool:
        running = [pool.submit(_run, job) for job in jobs]
        for _ in tqdm(as_completed(running), total=len(jobs), desc="ablate", unit="run"):
            pass
    return [job.result() for job in running]


def _start(threads: int) -> None:
    configure_logging()
    keep_freed_memory()
    logging.getLogger().setLevel(logging.WARNING)
    torch.set_num_threads(threads)


def _run(recipe: BenchmarkRecipe) -> dict[str, Any]:
    """Train and evaluate one variant with one seed, unless that is done."""
    result = recipe.output.root / "test.json"
    if not result.is_file():
        train_benchmark(recipe, resume=True)
        evaluate_benchmark(recipe, None, "test", result)
    recalls: dict[str, Any] = read_json(result)
    return {key: value for key, value in recalls.items() if key not in ("split", "by_length")}


def ablation_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table: each variant's mean over seeds and half its 95 % interval (Student's t).

    Below it the differences to the first variant, paired by seed.
    """
    scores = [key for key in rows[0] if key not in ("variant", "seed", "num_queries")]
    names = list(dict.fromkeys(row["variant"] for row in rows))
    values = {
        name: 100 * np.array([[row[key] for key in scores] for row in rows if row["variant"] == name]) for name in names
    }
    lines = ["| variant | " + " | ".join(scores) + " |", "| --- |" + " ---: |" * len(scores)]
    lines += [f"| {name} | " + " | ".join(map(_interval, values[name].T)) + " |" for name in names]
    lines += [
        f"| {name} minus {names[0]} | " + " | ".join(map(_interval, (values[name] - values[names[0]]).T)) + " |"
        for name in names[1:]
    ]
    return "\n".join(lines) + "\n"


def _interval(values: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.1f} ± {half:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = recipe_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="S")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets ablation.json, .md and the runs")
    parser.add_argument("--workers", type=int, metavar="N", help="runs at once; default: one a core")
    return parser


if __name__ == "__main__":
    run(main)
