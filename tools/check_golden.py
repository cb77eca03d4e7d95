"""Recompute every golden figure of the .npz files in a folder; exit code 1 if any error is above its tolerance."""

import argparse
from pathlib import Path

import torch

from golden.file import Figure, GoldenFile
from golden.mmn import check_mmn
from golden.tube_mmn import check_tube_mmn
from stvg.cli import ExitCode, run
from stvg.errors import InputError

DTYPES = {"float64": torch.float64, "float32": torch.float32}


def main() -> int:
    """Parse, recompute, print a table per file and the worst figure of all."""
    arguments = _parser().parse_args()
    paths = sorted(arguments.folder.glob("*.npz"))
    if not paths:
        raise InputError(f"{arguments.folder}: expected a folder with golden .npz files, found none")
    worst: tuple[float, str] = (-1.0, "")
    for path in paths:
        golden = GoldenFile(path, DTYPES[arguments.dtype])
        figures = check_tube_mmn(golden) if golden.names("tube/") else check_mmn(golden)
        print(f"{path.name} ({golden.config.get('name')}, {arguments.dtype})")
        for quantity in dict.fromkeys(figure.quantity for figure in figures):
            group = [figure for figure in figures if figure.quantity == quantity]
            share, line = _row(group, tolerance(quantity, arguments.dtype))
            worst = max(worst, (share, f"{path.name}: {quantity}: {line}"))
            print(f"  {quantity:12} {len(group):4} figures  {line}")
    print(f"{'FAILED' if worst[0] > 1 else 'agreed'}; the worst is {worst[1]}")
    return ExitCode.CHECK_FAILED if worst[0] > 1 else ExitCode.DONE


def tolerance(quantity: str, dtype: str) -> float:
    """Return the largest error allowed, as the golden README states it."""
    if dtype == "float32":
        return 2e-3
    return 1e-6 if quantity in ("step", "batchnorm") else 1e-7


def _row(group: list[Figure], allowed: float) -> tuple[float, str]:
    """Return a group's largest error as a share of the allowed one, and its line of the table."""
    largest = max(group, key=lambda figure: figure.error)
    mark = "ok  " if largest.error <= allowed else "HIGH"
    return largest.error / allowed, f"largest error {largest.error:.1e} of {allowed:.0e} {mark} {largest.name}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of golden .npz files, as ../shared/golden")
    parser.add_argument(
        "--dtype", choices=tuple(DTYPES), default="float64", help="precision to recompute in (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    run(main)
