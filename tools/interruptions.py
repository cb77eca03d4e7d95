"""Kill preprocess, both trainings and infer_stvg at random moments, run them again, and compare the bytes.

Exit code 1: a file differs from that of an undisturbed run (event logs aside).

Each command runs in a process forked from this one, so that a trial costs the work alone, not the imports. It is killed
(SIGKILL: no handler runs, no block is left) once it has used a drawn share of the processor time that it needs
undisturbed, so that the moment does not depend on how busy the machine is.
"""

import argparse
import importlib
import json
import logging
import os
import resource
import runpy
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stvg.cli import ExitCode, recipe_parser, run
from stvg.errors import InputError
from stvg.io.files import read_json

logger = logging.getLogger(__name__)
COMMANDS = ("preprocess", "train_temporal", "train_matcher", "infer_stvg")
"""In the order in which they need each other."""
_NOT_COMPARED = ("events",)
"""Folders of event logs, which hold times of day."""


def main() -> int:
    """Parse and check."""
    arguments = _parser().parse_intermixed_args()
    options = ["--config", str(arguments.config), *arguments.overrides]
    interrupted = InterruptedRun(
        Path(__file__).parent, options, arguments.annotations, arguments.videos, arguments.out.resolve()
    )
    trials = interrupted.check(arguments.commands or COMMANDS, arguments.kills, arguments.seed)
    for command in dict.fromkeys(trial.command for trial in trials):
        own = [trial for trial in trials if trial.command == command]
        same = sum(not trial.differing for trial in own)
        print(f"{command}: killed {sum(trial.was_killed for trial in own)} times, {same} of {len(own)} the same bytes")
    return ExitCode.CHECK_FAILED if any(trial.differing for trial in trials) else ExitCode.DONE


@dataclass(frozen=True, slots=True)
class Trial:
    """One killing: after which share of the command's processor time, whether it hit, and what differs afterwards."""

    command: str
    share: float
    was_killed: bool
    differing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InterruptedRun:
    """What is run: the tools in `tools`, with `options` (--config and overrides but output.root), into `out`.

    `annotations` and `videos` are what infer_stvg grounds.
    """

    tools: Path
    options: Sequence[str]
    annotations: Path
    videos: Path
    out: Path

    def check(self, commands: Sequence[str], kills: int, seed: int) -> list[Trial]:
        """Run all four commands undisturbed, then kill each of `commands` so many times at moments that `seed` draws.

        Raises:
            InputError: `out` is there already, or a command fails undisturbed.
        """
        if self.out.exists():
            raise InputError(f"{self.out}: expected a new folder, found one")
        _import_all()
        needed: dict[str, float] = {}
        for command in COMMANDS:
            code, needed[command] = self._run(command, None)
            if code != 0:
                raise InputError(f"{command}: expected to end well undisturbed, got code {code}; see {self._log}")
            shutil.copytree(self._root, self.out / "whole" / command)
        rng = np.random.default_rng(seed)
        return [
            self._trial(command, float(rng.random()), needed[command]) for command in commands for _ in range(kills)
        ]

    @property
    def _root(self) -> Path:
        return self.out / "run"

    @property
    def _log(self) -> Path:
        return self.out / "log.txt"

    def _trial(self, command: str, share: float, needed_s: float) -> Trial:
        before = COMMANDS.index(command) - 1
        shutil.rmtree(self._root)
        if before >= 0:
            shutil.copytree(self.out / "whole" / COMMANDS[before], self._root)
        code, _ = self._run(command, share * needed_s)
        again, _ = self._run(command, None)
        differing = _differences(self.out / "whole" / command, self._root) if again == 0 else [f"exit code {again}"]
        trial = Trial(command, share, code == -signal.SIGKILL, tuple(differing))
        logger.info(
            "%s, killed at %.0f %%: %s",
            command,
            100 * share,
            ", ".join(differing) or ("the same bytes" if trial.was_killed else "had ended"),
        )
        return trial

    def _run(self, command: str, limit_s: float | None) -> tuple[int, float]:
        """Run a command; return its exit code, or minus the signal that ended it, and the processor time it took."""
        self.out.mkdir(parents=True, exist_ok=True)
        child = os.fork()
        if child == 0:
            self._be(command)
        if limit_s is not None:
            _kill_after(child, limit_s)
        _, status, used = os.wait4(child, 0)
        return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime

    def _be(self, command: str) -> None:
        """Become the command, in the forked process; never returns."""
        code = 1
        try:
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
            logging.getLogger().handlers.clear()
            sys.argv = [f"{command}.py", *self._arguments(command)]
            runpy.run_path(str(self.tools / f"{command}.py"), run_name="__main__")
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException:
            logger.exception("%s", command)
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code)

    def _arguments(self, command: str) -> list[str]:
        given = [*self.options, f"output.root={json.dumps(str(self._root))}"]
        if command == "preprocess":
            return [*given, "--workers", "1"]
        if command == "infer_stvg":
            asked = ["--annotations", str(self.annotations), "--videos", str(self.videos), "--workers", "1"]
            return [*given, *asked, "--out", str(self._root / "results.json")]
        return [*given, "--resume"]


def _kill_after(child: int, limit_s: float) -> None:
    """Kill a child process once it has used so much processor time, if it does not end before."""
    ticks = limit_s * os.sysconf("SC_CLK_TCK")
    stat = Path(f"/proc/{child}/stat")
    while True:
        # After the name in brackets come the state, ten numbers, and the ticks in user and in system mode.
        state, *numbers = stat.read_text().rpartition(")")[2].split()
        if state == "Z":  # it has ended, and waits for its parent
            return
        if sum(map(int, numbers[10:12])) >= ticks:
            os.kill(child, signal.SIGKILL)
            return
        time.sleep(1e-3)


def _import_all() -> None:
    """Import what the commands need, once for all of them; nothing may start a thread before the last fork."""
    import torch

    from stvg.training import stages as train  # noqa: F401

    importlib.import_module("transformers")  # by name: this module uses nothing of it, and only the stages may
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _differences(one: Path, other: Path) -> list[str]:
    """Return the files that are not the same in both folders."""
    names = sorted(
        {
            path.relative_to(folder)
            for folder in (one, other)
            for path in folder.rglob("*")
            if path.is_file() and not set(path.parts) & set(_NOT_COMPARED)
        }
    )
    return [str(name) for name in names if _content(one / name) != _content(other / name)]


def _content(path: Path) -> object:
    """Return what is compared of a file; of a manifest all but the commit, which others may change meanwhile."""
    if not path.is_file():
        return None
    if path.name.endswith(".manifest.json"):
        return {key: value for key, value in read_json(path).items() if key != "commit"}
    return path.read_bytes()


def _parser() -> argparse.ArgumentParser:
    parser = recipe_parser(__doc__)
    parser.add_argument("--annotations", type=Path, required=True, metavar="F", help="what infer_stvg grounds")
    parser.add_argument("--videos", type=Path, required=True, metavar="DIR", help="folder of its videos")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder, which keeps the log")
    parser.add_argument("--kills", type=int, default=10, metavar="N", help="of each command (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="draws the moments (default %(default)s)")
    parser.add_argument("--commands", nargs="+", metavar="NAME", help="which commands to kill (default: all four)")
    return parser


if __name__ == "__main__":
    run(main)
