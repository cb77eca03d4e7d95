"""Fuzz the readers of foreign files: mutants of small healthy files, seeded, bounded.

Right for every mutant: it is read, or refused by one InputError of one line, within 5 s of processor time and 500 MiB.
Exit code 1: some were not; each kind is shown with how often it came and the file of its first mutant, under --out.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import numpy as np  # noqa: E402 (after the path is set)

from fuzz.formats import damaged  # noqa: E402
from fuzz.readers import READERS, Reader  # noqa: E402
from fuzz.sandbox import REFUSED, Limits, call  # noqa: E402

_BATCH = 200
"""Mutants that one process reads; then the folder is emptied."""


def main() -> int:
    """Parse, fuzz, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", nargs="+", choices=READERS, default=list(READERS), metavar="NAME")
    parser.add_argument("--mutants", type=int, default=2000, metavar="N", help="for each reader (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "fuzz", help="folder of the mutants found")
    arguments = parser.parse_args()
    bad = 0
    for name in arguments.reader:
        found = fuzz(READERS[name], name, arguments.mutants, arguments.seed, arguments.out)
        bad += sum(found.values())
        print(f"{name:20} {arguments.mutants:6} mutants {sum(found.values()):5} findings", flush=True)
        for kind, count in found.most_common():
            print(f"    {count:5} {kind}", flush=True)
    return 1 if bad else 0


def fuzz(reader: Reader, name: str, mutants: int, seed: int, out: Path) -> Counter[str]:
    """Return what went wrong with how many mutants; the first mutant of each kind is kept in `out`.

    Raises:
        RuntimeError: a healthy file is not read.
    """
    with tempfile.TemporaryDirectory() as work:
        seeds = []
        for index, one in enumerate(reader.seeds(Path(work))):
            seeds.append(one)
            healthy = Path(work) / f"healthy{index}"
            healthy.write_bytes(one.data)
            if problem := call(reader.read, [healthy], Limits())[0]:
                raise RuntimeError(f"{name}: expected the healthy file {index} to be read, got: {problem}")
    found: Counter[str] = Counter()
    for start in range(0, mutants, _BATCH):
        with tempfile.TemporaryDirectory() as work:
            paths = []
            for number in range(start, min(start + _BATCH, mutants)):
                rng = np.random.default_rng([seed, number])
                one = seeds[number % len(seeds)]
                paths.append(Path(work) / f"{name}-{seed}-{number}")
                paths[-1].write_bytes(damaged(one.data, one.form, rng))
            for path, problem in zip(paths, call(reader.read, paths, Limits()), strict=True):
                if problem and not problem.startswith(REFUSED):
                    kind = _kind(problem)
                    if not found[kind]:
                        out.mkdir(parents=True, exist_ok=True)
                        (out / path.name).write_bytes(path.read_bytes())
                        found[kind] += 0
                        print(f"      {path.name}: {problem}", flush=True)
                    found[kind] += 1
    return found


def _kind(problem: str) -> str:
    """Return what a finding has in common with its like: the exception and the place."""
    name, _, place = problem.partition(":")
    return f"{name} [{place.rpartition('[')[2]}" if "[" in place else problem.partition(" s and")[0].split(" ")[0]


if __name__ == "__main__":
    sys.exit(main())
