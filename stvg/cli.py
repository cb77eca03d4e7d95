"""The command line `stvg`: its words, shared options, errors, exit codes."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from enum import IntEnum
from pathlib import Path
from pkgutil import resolve_name
from typing import NoReturn, Protocol

from stvg.compute.allocator import keep_freed_memory
from stvg.errors import InputError
from stvg.io.files import is_disk_full

COMMANDS = {
    "data": ("stvg.commands.data:main", "check HC-STVG or VidSTG, lay it out for recipes"),
    "prepare": ("stvg.commands.prepare:main", "decode videos once: detect, track, link, extract features"),
    "train temporal": ("stvg.commands.train:main_temporal", "train the temporal stage, which finds when"),
    "train matcher": ("stvg.commands.train:main_matcher", "train the matcher, which finds who"),
    "ground": ("stvg.commands.ground:main", "ground a sentence in a video, or all of a split"),
    "evaluate": ("stvg.commands.evaluate:main", "score a submission: m_tIoU, m_vIoU, vIoU@0.3, vIoU@0.5"),
    "validate": ("stvg.commands.evaluate:main_validate", "list every problem of a submission"),
    "ablate": ("stvg.commands.ablate:main", "score every combination of parts, oracles included"),
    "track": ("stvg.commands.track:main", "turn detections into tubes, both as MOTChallenge text"),
    "view": ("stvg.commands.view:main", "write a page, videos and figures of a submission"),
    "app": ("stvg.commands.view:main_app", "serve a form in the browser to ask about videos"),
    "mmn train": ("stvg.commands.train:main_mmn", "train an MMN on a benchmark of temporal grounding"),
    "mmn evaluate": ("stvg.commands.evaluate:main_mmn", "score such an MMN: R@n at IoU = m"),
    "convert checkpoint": ("stvg.commands.convert:main_checkpoint", "convert a checkpoint of MMN or MMN-STVG"),
    "convert mmn-stvg": ("stvg.commands.convert:main_mmn_stvg", "import MMN-STVG's own tubes and tube features"),
    "reproduce": ("stvg.commands.reproduce:main", "run HC-STVG from the authors' folder to a submission"),
    "demo": ("stvg.commands.demo:main", "run every step on a small synthetic data set"),
    "demo world": ("stvg.commands.demo:main_world", "make that data set alone"),
    "models": ("stvg.models.fetch:main", "fetch a person detector and pose models from npm"),
}
"""Each command's function, imported when it is called, and what it does; in the order in which people need them."""


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    CHECK_FAILED = 1
    UNUSABLE_INPUT = 2
    SOME_FAILED = 3
    INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command that the command line names; exit as `run` says."""
    run(lambda: dispatch(sys.argv[1:]))


def dispatch(arguments: Sequence[str]) -> int:
    """Call the command that the first one or two of `arguments` name, with the rest; return its exit code.

    Raises:
        InputError: no command has that name, or as the command.
    """
    for length in (2, 1):
        command = " ".join(arguments[:length])
        if command in COMMANDS and len(arguments) >= length:
            code: int = resolve_name(COMMANDS[command][0])(arguments[length:])
            return code
    group = [command for command in COMMANDS if arguments and command.startswith(f"{arguments[0]} ")]
    words = arguments[1:] if group else arguments
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(usage(group or COMMANDS))
        return ExitCode.DONE if words else ExitCode.UNUSABLE_INPUT
    asked = " ".join(arguments[:2] if group else arguments[:1])
    known = group or list(dict.fromkeys(command.split()[0] for command in COMMANDS))
    listed = " or ".join(f"stvg {command}" for command in group) or "a command that stvg --help lists"
    nearest = "".join(f"; did you mean stvg {command}?" for command in get_close_matches(asked, known, n=1))
    raise InputError(f"stvg {asked}: expected {listed}{nearest}")


def usage(commands: Iterable[str]) -> str:
    """Return the list of these commands, one line each."""
    rows = "".join(f"  {command:<19} {COMMANDS[command][1]}\n" for command in commands)
    return f"usage: stvg COMMAND ...\n\n{rows}\nstvg COMMAND --help lists the options of a command.\n"


class _Failed(Protocol):
    """An item that could not be done."""

    @property
    def video_id(self) -> str:
        """Which."""

    @property
    def reason(self) -> str:
        """Why, in one line."""


def recipe_parser(
    description: str | None, prog: str | None = None, default: Path | None = None
) -> argparse.ArgumentParser:
    """Return a parser with --config and the `key=value` overrides that may follow it; `prog` as of argparse.

    `default` is the recipe that counts without --config; None: there must be one.
    """
    parser = argparse.ArgumentParser(prog, description=description)
    without = "" if default is None else " (default: the package's own, for filmed people)"
    parser.add_argument(
        "--config",
        type=Path,
        default=default,
        required=default is None,
        metavar="C",
        help=f"recipe, a YAML file of configs/{without}",
    )
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


class _LogLine(logging.Formatter):
    """Formats a message as "12:34:56 message", with the word "warning" before one that must not be overlooked."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """Return the line."""
        mark = "warning: " if record.levelno >= logging.WARNING else ""
        return f"{self.formatTime(record, '%H:%M:%S')} {mark}{record.message}"


def configure_logging() -> None:
    """Write the log to stderr from INFO on, a line per message; for command lines and the processes they start."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LogLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


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
