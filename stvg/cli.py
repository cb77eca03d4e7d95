"""Logging, one-line errors, exit codes and options that all commands share."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from pathlib import Path
from typing import NoReturn, Protocol

from stvg.compute.allocator import keep_freed_memory
from stvg.errors import InputError
from stvg.io.files import is_disk_full


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    CHECK_FAILED = 1
    UNUSABLE_INPUT = 2
    SOME_FAILED = 3
    INTERRUPTED = 130


class _Failed(Protocol):
    """An item that could not be done."""

    @property
    def video_id(self) -> str:
        """Which."""

    @property
    def reason(self) -> str:
        """Why, in one line."""


def recipe_parser(description: str | None, prog: str | None = None) -> argparse.ArgumentParser:
    """Return a parser with --config and the `key=value` overrides that may follow it; `prog` as of argparse."""
    parser = argparse.ArgumentParser(prog, description=description)
    parser.add_argument("--config", type=Path, required=True, metavar="C", help="recipe, a YAML file of configs/")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="recipe values to replace, as data.root=DIR")
    return parser


def add_how_to_prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that prepare videos: where, and what is tried again."""
    parser.add_argument("--workers", type=int, metavar="N", help="processes that prepare videos (default: all cores)")
    parser.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="prepare on the Ray cluster at ADDRESS (auto: this machine's); without ADDRESS on one "
        "that is started here, of --workers processes",
    )
    parser.add_argument(
        "--ray-gpus",
        type=float,
        metavar="SHARE",
        help="GPUs for each job on the cluster (default: 1 with device=cuda, else 0)",
    )
    parser.add_argument("--retry-failed", action="store_true", help="try videos again that are recorded as failed")


def refuse_without_ray(arguments: argparse.Namespace) -> None:
    """Refuse those of the options of `add_how_to_prepare` that mean nothing beside the others.

    Raises:
        InputError: as `refuse`.
    """
    if arguments.ray is None:
        refuse(arguments, ["--ray-gpus"], "with --ray")
    elif arguments.ray:
        refuse(arguments, ["--workers"], "on this machine, not with --ray ADDRESS")


def refuse(arguments: argparse.Namespace, options: Iterable[str], when: str) -> None:
    """Refuse options that have no effect in this call; their defaults must be None or False.

    Raises:
        InputError: one of `options`, such as "--retry-failed", was given; `when` says with what it has an effect.
    """
    for option in options:
        value = getattr(arguments, option.removeprefix("--").replace("-", "_"))
        if value is not None and value is not False:
            raise InputError(f"{option}: expected only {when}; it has no effect here")


def add_world_sizes(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that make the demo world: how many videos each split gets."""
    for split, count, clips in (("train", 240, "twelve clips"), ("val", 40, "four clips"), ("test", 80, "one clip")):
        parser.add_argument(
            f"--{split}",
            type=int,
            default=count,
            metavar="N",
            help=f"videos of the split {split}, {clips} of each (default %(default)s)",
        )


def report_failures(failures: Sequence[_Failed]) -> ExitCode:
    """List what failed on stderr, an item a line, and return the exit code that says so."""
    for failure in failures:
        sys.stderr.write(f"failed: {failure.video_id}: {failure.reason}\n")
    return ExitCode.SOME_FAILED if failures else ExitCode.DONE


def configure_logging() -> None:
    """Write the log to stderr from INFO on, a line per message; for command lines and the processes they start."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")


def run(main: Callable[[], int]) -> NoReturn:
    """Call a command's `main` and exit with what it returns; the log goes to stderr from INFO on.

    An InputError becomes one line on stderr and exit code 2, an interrupt from the keyboard exit code 130. Any other
    exception is a defect of this project and keeps its traceback.
    """
    configure_logging()
    keep_freed_memory()
    try:
        code = main()
    except InputError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        code = ExitCode.UNUSABLE_INPUT
    except OSError as error:
        if not is_disk_full(error, None):
            raise
        sys.stderr.write(f"error: expected room on the disk, found none left: {' '.join(str(error).split())}\n")
        code = ExitCode.UNUSABLE_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        code = ExitCode.INTERRUPTED
    sys.exit(int(code))
