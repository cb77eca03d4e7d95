"""Call readers in forked processes with limits on time and memory."""

import json
import os
import resource
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fuzz.readers import Read, one_line
from stvg.errors import InputError

_TOOK = "took "
_SLACK = 4
"""Addresses that may be used for each byte of memory: most of what threads and libraries reserve is never touched."""
_WALL = 12
"""Seconds of the clock for each second of the processor, on a machine with other work."""
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading a file may take: seconds of processor time, MiB of memory beyond the start."""

    seconds: float = 5.0
    mib: float = 500.0


REFUSED = "refused: "
"""How the result begins where a file was properly refused."""


def call(read: Read, paths: Sequence[Path], limits: Limits) -> list[str]:
    """Return for each file what went wrong with it, "" where it was read, REFUSED and the message where it was refused.

    One process reads file after file, each with a new empty folder; when it dies, or a limit is passed, the next goes
    on behind the file that it died of.
    """
    found: list[str] = []
    while len(found) < len(paths):
        found += _in_child(read, paths[len(found) :], limits)
    return found


def _in_child(read: Read, paths: Sequence[Path], limits: Limits) -> list[str]:
    """Read as many of the files as a process survives; the last result may say why it did not."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.close(reading)
            _read_all(read, paths, limits, lambda text: os.write(writing, json.dumps(text).encode() + b"\n"))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        found: list[str] = [json.loads(line) for line in file]
    _, status = os.waitpid(child, 0)
    if len(found) < len(paths) and not (found and found[-1].startswith(_TOOK)):
        ended = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {status}"
        found.append(f"the process ended: {ended}")
    return found


def _read_all(read: Read, paths: Sequence[Path], limits: Limits, tell: Callable[[str], object]) -> None:
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)  # what libraries print of damaged files
    torch.set_num_threads(1)
    most = _addresses() + int(_SLACK * limits.mib * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for path in paths:
        signal.setitimer(signal.ITIMER_PROF, 2 * limits.seconds)  # ends the process, whatever it is in
        signal.setitimer(signal.ITIMER_REAL, _WALL * limits.seconds)
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of memory, also that of the process before
        start, used = _peak_mib(), time.process_time()
        folder = Path(tempfile.mkdtemp())
        text = _problem(read, path, folder)
        shutil.rmtree(folder)
        seconds, mib = time.process_time() - used, _peak_mib() - start
        passed = seconds > limits.seconds or mib > limits.mib
        tell(f"{_TOOK}{seconds:.1f} s and {mib:.0f} MiB ({text})" if passed else text)
        if passed:
            return


def _problem(read: Read, path: Path, folder: Path) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            read(path, folder)
    except InputError as error:
        try:
            one_line(error)
        except Exception:
            return _short(error, "a message: ")
        return f"{REFUSED}{error}"
    except BaseException as error:
        return _short(error)
    return ""


def _short(error: BaseException, what: str = "") -> str:
    """Return an exception's kind and text, and the places in this project that it came through, the inmost last."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename.startswith(str(_ROOT))]
    places = " < ".join(f"{Path(one.filename).relative_to(_ROOT)}:{one.lineno}" for one in reversed(frames[-3:]))
    text = " ".join(str(error).split())[:200]
    return f"{what}{type(error).__name__}: {text} [{places}]".encode("utf-8", "replace").decode()


def _addresses() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmSize")).split()[1]) * 1024


def _peak_mib() -> float:
    """Return the largest resident memory since the peak was forgotten."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
