"""Measure on a GPU: products, agreement with the CPU, speed and memory of MMN, the demo, a detector.

Each section runs in a process of its own and is ended when its time is up, so that none costs the others theirs; when
the time of all is up, those left are skipped. Figures go to --json as they come; tables follow at the end. With
--small --device cpu the measurement itself is tried out.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]  # nothing need be installed where this runs

Row = dict[str, Any]
SMALL = [
    f"temporal.network.{size}"
    for size in ("hidden_size=8", "joint_size=8", "num_pre_clips=32", "num_clips=16", "pool_kernel=2", "conv_layers=2")
]
SMALL += ["temporal.network.pooling_counts=[15]"]
SMALL_VARIANTS = ("official", "tiles", "dense, bfloat16, channels last", "dense", "blocks")
PROFILED = ("dense, bfloat16, channels last", "blocks, bfloat16")
_ALL_S, _STRETCH = 360.0, {"cuda": 1.0, "cpu": 5.0}
"""Seconds for all sections, and the factor on them and on the limits of each, which are those of a GPU."""
_TO_END_S = 3.0
"""What a section is given less than its process, to end by itself."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a section is told; `ends` is when it should be done, in monotonic seconds."""

    device: str
    small: bool
    small_demo: bool
    work: Path | None
    variants: tuple[str, ...]
    profile: tuple[str, ...]
    ends: float


@dataclass(frozen=True, slots=True)
class Section:
    """A measurement and the seconds that it may take on a GPU."""

    seconds: float
    measure: Callable[[Options], Iterator[Row]]


def main() -> int:
    """Run the sections, or one of them."""
    arguments = _parser().parse_args()
    if arguments.section:
        _run_section(arguments)
        return 0
    figures: dict[str, Row] = {}
    stretch = arguments.stretch or _STRETCH[arguments.device]
    ends = time.monotonic() + (arguments.seconds or stretch * _ALL_S)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        left = min(ends - time.monotonic(), stretch * SECTIONS[name].seconds)
        figures[name] = _measured(name, left, sys.argv[1:]) if left > 2 * _TO_END_S else {"skipped": "time is up"}
        arguments.json.write_text(json.dumps(figures, indent=1))
        sys.stdout.write(f"{name}: {_outcome(figures[name])}\n")
        sys.stdout.flush()
    for name, found in figures.items():
        sys.stdout.write(f"\n{name}\n{_tables(found.get('figures', []))}")
    return 0 if all(found.get("exit") == 0 for found in figures.values()) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--json", type=Path, default=Path("runs/gpu/figures.json"), help="default: %(default)s")
    parser.add_argument("--small", action="store_true", help="tiny networks and batches, few variants")
    parser.add_argument("--small-demo", action="store_true", help="the demo on the device alone")
    parser.add_argument("--only", nargs="+", choices=tuple(SECTIONS), default=tuple(SECTIONS), metavar="SECTION")
    parser.add_argument("--variants", nargs="+", metavar="NAME", help="of the map convolution; default: all")
    parser.add_argument("--profile", nargs="*", metavar="NAME", help="variants whose operations are listed")
    parser.add_argument("--seconds", type=float, help=f"for all sections together; default: {_ALL_S:.0f} x --stretch")
    parser.add_argument("--stretch", type=float, help=f"factor on the time of each section; default: {_STRETCH}")
    parser.add_argument("--work", type=Path, metavar="DIR", help="folder of the demo, in which finished steps are kept")
    parser.add_argument("--section", choices=tuple(SECTIONS), help=argparse.SUPPRESS)
    parser.add_argument("--within", type=float, default=60.0, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    return parser


def _measured(name: str, seconds: float, given: Sequence[str]) -> Row:
    """Run a section in a process of its own, which is killed with all that it started after `seconds`."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        rows, errors = Path(folder) / "rows", Path(folder) / "errors"
        rows.touch()
        own = ["--section", name, "--within", str(seconds - _TO_END_S), "--rows", str(rows)]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with errors.open("w") as log:
            running = subprocess.Popen(
                [sys.executable, __file__, *given, *own],
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
            try:
                code = running.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                code = running.wait()
        figures = [json.loads(line) for line in rows.read_text().splitlines() if line.endswith("}")]
        log_end = errors.read_text()[-1500:] if code else ""
    return {"figures": figures, "seconds": time.monotonic() - started, "exit": code, "log": log_end}


def _run_section(arguments: argparse.Namespace) -> None:
    options = Options(
        device=arguments.device,
        small=arguments.small,
        small_demo=arguments.small_demo,
        work=arguments.work,
        variants=tuple(arguments.variants or (SMALL_VARIANTS if arguments.small else ())),
        profile=tuple(PROFILED if arguments.profile is None and not arguments.small else arguments.profile or ()),
        ends=time.monotonic() + arguments.within,
    )
    with arguments.rows.open("a") as out:
        for row in SECTIONS[arguments.section].measure(options):
            out.write(json.dumps(row) + "\n")
            out.flush()


def _facts(options: Options) -> Iterator[Row]:
    """Yield what the device is and how fast it multiplies and copies."""
    import torch

    from speed.device import device_name, fastest

    device = options.device
    yield {
        "device": device_name(device),
        "torch": torch.__version__,
        "CUDA": torch.version.cuda,
        "cuDNN": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
    }
    side = 256 if options.small else 4096
    for name, dtype in (("float32", torch.float32), ("TF32", torch.float32), ("bfloat16", torch.bfloat16)):
        torch.backends.cuda.matmul.allow_tf32 = name == "TF32"
        left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        seconds = fastest(device, partial(torch.matmul, left, right), 10)
        yield {"products": name, "TFLOP/s": 2 * side**3 / seconds / 1e12}
    source = torch.ones(2**22 if options.small else 2**26, device=device)
    copy = torch.empty_like(source)
    yield {
        "copies": "read and written",
        "GB/s": 2 * source.nbytes / fastest(device, lambda: copy.copy_(source), 5) / 1e9,
    }


def _agreement(options: Options) -> Iterator[Row]:
    from gpu.agreement import measure_agreement

    return measure_agreement(options.device, 4 if options.small else 64)


def _speed(config: str, videos: int, options: Options) -> Iterator[Row]:
    """Yield the figures of a recipe's network, by variant."""
    import torch

    from gpu.variants import measure_variants, profile_variant, variant_names
    from speed.task import BatchSizes, make_task, random_distilbert
    from stvg.errors import InputError
    from stvg.recipe.schema import load_temporal_recipe

    known = variant_names()
    for name in (*options.variants, *options.profile):
        if name not in known:
            raise InputError(f"--variants, --profile: expected names of {', '.join(map(repr, known))}, got {name!r}")
    recipe = load_temporal_recipe(ROOT / f"configs/temporal/{config}.yaml", SMALL if options.small else [])
    torch.manual_seed(recipe.seed)
    small_text = random_distilbert(dim=32, n_layers=1, n_heads=2, hidden_dim=32) if options.small else None
    sizes = BatchSizes(2, width=64) if options.small else BatchSizes(videos)
    task = make_task(recipe.temporal, options.device, sizes, small_text)
    budget_s = 0.2 if options.small else 2.0
    yield from measure_variants(task, options.variants or known, options.ends, budget_s)
    for name in options.profile:
        if time.monotonic() < options.ends:
            yield {"profile": name, "table": profile_variant(task, name)}


def _demo(options: Options) -> Iterator[Row]:
    from gpu.demo import measure_demo

    with nullcontext(options.work) if options.work else tempfile.TemporaryDirectory() as folder:
        yield from measure_demo(options.device, Path(folder), small=options.small or options.small_demo)


def _detector(options: Options) -> Iterator[Row]:
    from gpu.detector import measure_detector

    with tempfile.TemporaryDirectory() as folder:
        yield from measure_detector(options.device, Path(folder), small=options.small)


SECTIONS = {
    "facts": Section(20, _facts),
    "agreement": Section(25, _agreement),
    "charades_vgg": Section(38, partial(_speed, "charades_vgg", 48)),
    "activitynet_c3d": Section(62, partial(_speed, "activitynet_c3d", 48)),
    "tacos_c3d": Section(38, partial(_speed, "tacos_c3d", 4)),
    "demo": Section(85, _demo),
    "detector": Section(40, _detector),
}


def _outcome(found: Row) -> str:
    """Return in one line how a section ended."""
    if "skipped" in found:
        return f"skipped: {found['skipped']}"
    reason = found["log"].strip().rpartition("\n")[2]
    ended = {0: "done", -signal.SIGKILL: "ended, its time is up"}.get(found["exit"], f"failed: {reason}")
    return f"{ended}, {len(found['figures'])} figures in {found['seconds']:.0f} s"


def _tables(rows: Sequence[Row]) -> str:
    """Return rows as aligned text, a table for those in a row with the same columns."""
    lines = []
    shown = [{name: value for name, value in row.items() if name != "details"} for row in rows if "table" not in row]
    for columns, group in groupby(shown, key=tuple):
        cells = [columns, *(tuple(_cell(row[name]) for name in columns) for row in group)]
        widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
        lines += ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return "".join(line.rstrip() + "\n" for line in lines)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
