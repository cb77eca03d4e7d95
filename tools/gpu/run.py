"""Measure on a GPU what the docs say of GPUs: agreement with the CPU, speed and memory of MMN, the demo, a detector.

Each section runs in a process of its own and is ended when its time is up, so that none costs the others theirs.
Figures go to --json as they come; a table follows at the end. With --device cpu --small it tries itself out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))
RECIPES = {"charades_vgg": 48, "activitynet_c3d": 48, "tacos_c3d": 4}
SMALL = ["temporal.network.hidden_size=8", "temporal.network.joint_size=8"]
SECTIONS = {
    "facts": 20,
    "agreement": 25,
    "charades_vgg": 38,
    "activitynet_c3d": 62,
    "tacos_c3d": 38,
    "demo": 85,
    "detector": 40,
}
"""Seconds that each section may take."""


def main() -> int:
    """Run the sections, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--json", type=Path, default=Path("runs/gpu/figures.json"))
    parser.add_argument("--small", action="store_true", help="tiny networks and batches")
    parser.add_argument("--small-demo", action="store_true", help="the demo on the device alone")
    parser.add_argument("--only", nargs="+", choices=tuple(SECTIONS), default=tuple(SECTIONS))
    parser.add_argument("--variants", nargs="*", default=[], help="of the map convolution; default: all")
    parser.add_argument("--seconds", type=float, default=360.0, help="for all sections together")
    parser.add_argument("--work", type=Path, help="folder of the demo, in which finished steps are kept")
    parser.add_argument("--profile", nargs="*", default=["dense, bfloat16, channels last", "blocks, bfloat16"])
    parser.add_argument("--section", choices=tuple(SECTIONS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.section:
        _section(arguments)
        return 0
    figures: dict[str, Any] = {}
    ends = time.monotonic() + arguments.seconds
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        left = ends - time.monotonic()
        figures[name] = _measured(name, min(left, SECTIONS[name]), arguments) if left > 5 else {"skipped": "time is up"}
        arguments.json.write_text(json.dumps(figures, indent=1))
        print(f"== {name}", json.dumps(figures[name], indent=None)[:6000], flush=True)
    return 0


def _measured(name: str, seconds: float, arguments: argparse.Namespace) -> Any:
    lines, started = [], time.monotonic()
    command = [
        sys.executable,
        __file__,
        "--section",
        name,
        "--device",
        arguments.device,
        "--seconds",
        str(seconds - 8),
        *(["--small"] if arguments.small else []),
        *(["--small-demo"] if arguments.small_demo else []),
        *(["--work", str(arguments.work)] if arguments.work else []),
        "--profile",
        *arguments.profile,
        *(["--variants", *arguments.variants] if arguments.variants else []),
    ]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        running = subprocess.Popen(
            command,
            stdout=out,
            stderr=err,
            text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"},
        )
        try:
            code = running.wait(seconds)
        except subprocess.TimeoutExpired:
            running.kill()
            code = running.wait()
        out.seek(0)
        lines = [json.loads(line[5:]) for line in out if line.startswith("JSON ")]
        err.seek(0)
        errors = err.read()[-1500:]
    return {"figures": lines, "seconds": time.monotonic() - started, "exit": code, "errors": errors}


def _section(arguments: argparse.Namespace) -> None:
    name, device = arguments.section, arguments.device
    if name == "facts":
        _say(_facts(device))
    elif name == "agreement":
        from agreement import measure_agreement

        for row in measure_agreement(device, 4 if arguments.small else 64):
            _say(row)
    elif name in RECIPES:
        _speed(name, arguments)
    else:
        import road

        with nullcontext(arguments.work) if arguments.work else tempfile.TemporaryDirectory() as folder:
            measure = road.measure_demo if name == "demo" else road.measure_detector
            _say(measure(device, Path(folder), small=arguments.small or (arguments.small_demo and name == "demo")))


def _facts(device: str) -> dict[str, Any]:
    import torch

    from speed.device import copied_bytes, device_name, fastest

    rates = {}
    side = 4096 if device == "cuda" else 512
    for name, dtype, tf32 in (
        ("float32", torch.float32, False),
        ("TF32", torch.float32, True),
        ("bfloat16", torch.bfloat16, False),
    ):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        rates[name] = 2 * side**3 / fastest(device, lambda left=left, right=right: left @ right, 10) / 1e12
    return {
        "device": device_name(device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "products_tflops": rates,
        "copied_gb_per_s": copied_bytes(device) / 1e9,
    }


def _speed(name: str, arguments: argparse.Namespace) -> None:
    from speed import measure_speed, profile_step
    from stvg.recipe.schema import load_temporal_recipe

    recipe = load_temporal_recipe(ROOT / f"configs/temporal/{name}.yaml", SMALL if arguments.small else [])
    videos = 2 if arguments.small else RECIPES[name]
    ends = time.monotonic() + arguments.seconds
    for row in measure_speed(recipe, arguments.device, videos, arguments.seconds, arguments.variants):
        _say(row)
    for variant in arguments.profile:
        if time.monotonic() < ends:
            _say({"profile": variant, "table": profile_step(recipe, arguments.device, videos, variant)})


def _say(figures: Any) -> None:
    print("JSON " + json.dumps(figures), flush=True)


if __name__ == "__main__":
    sys.exit(main())
