"""Some mutants for each quick reader; and the fuzzer itself sees what goes wrong."""

import mmap
import time
import warnings
from pathlib import Path

import numpy as np
import onnxruntime  # noqa: F401 (loaded before the limits on memory)
import pytest

from fuzz.formats import damaged
from fuzz.readers import READERS, finite
from fuzz.run import fuzz
from fuzz.sandbox import REFUSED, Limits, call
from stvg.errors import InputError

QUICK = [name for name, reader in READERS.items() if not reader.slow]


@pytest.mark.parametrize("name", QUICK)
def test_mutants_are_read_or_refused(name, tmp_path):
    assert fuzz(READERS[name], name, 50, seed=1, out=tmp_path) == {}


def test_the_same_seed_makes_the_same_mutants(tmp_path):
    (seed, *_) = READERS["annotations"].seeds(tmp_path)

    def mutants(first):
        return [damaged(seed.data, seed.form, np.random.default_rng([first, k])) for k in range(20)]

    assert mutants(0) == mutants(0) != mutants(1)
    assert len(set(mutants(0))) > 15


def refuse(path, folder):
    raise InputError(f"{path.name}: expected another")


def raise_other(path, folder):
    raise KeyError("x")


def warn(path, folder):
    warnings.warn("overflow", RuntimeWarning, stacklevel=1)


def hang(path, folder):
    ends = time.process_time() + 30
    while time.process_time() < ends:
        pass


def fill(path, folder):
    with mmap.mmap(-1, 80 << 20) as memory:  # not from what an earlier test's allocator kept
        for page in range(0, len(memory), mmap.PAGESIZE):
            memory[page] = 1


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda path, folder: None, ""),
        (refuse, REFUSED),
        (raise_other, "KeyError"),
        (warn, "RuntimeWarning"),
        (lambda path, folder: finite([np.nan]), "AssertionError"),
        (hang, "the process ended: SIGPROF"),
        (fill, "took "),
    ],
)
def test_what_goes_wrong_is_seen_and_the_next_file_is_read(read, expected, tmp_path):
    def first_only(path, folder):
        return read(path, folder) if path.name == "first" else None

    seconds = 0.5 if read is hang else 20.0
    first, second = call(first_only, [tmp_path / "first", Path("second")], Limits(seconds=seconds, mib=50))
    assert first.startswith(expected) if expected else first == "", first
    assert second == ""
