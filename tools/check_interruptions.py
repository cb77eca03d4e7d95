"""Kill preprocess, both trainings and infer_stvg at random moments, run them again, and compare the bytes.

Exit code 1: a file differs from that of an undisturbed run (event logs aside).
"""

from pathlib import Path

from stvg.cli import ExitCode, recipe_parser, run


def main() -> int:
    """Parse and check."""
    parser = recipe_parser(__doc__)
    parser.add_argument("--annotations", type=Path, required=True, metavar="F", help="what infer_stvg grounds")
    parser.add_argument("--videos", type=Path, required=True, metavar="DIR", help="folder of its videos")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder, which keeps the log")
    parser.add_argument("--kills", type=int, default=10, metavar="N", help="of each command (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="draws the moments (default %(default)s)")
    parser.add_argument("--commands", nargs="+", metavar="NAME", help="which commands to kill (default: all four)")
    arguments = parser.parse_intermixed_args()

    from interruptions import COMMANDS, InterruptedRun

    options = ["--config", str(arguments.config), *arguments.overrides]
    road = InterruptedRun(
        Path(__file__).parent, options, arguments.annotations, arguments.videos, arguments.out.resolve()
    )
    trials = road.check(arguments.commands or COMMANDS, arguments.kills, arguments.seed)
    for command in dict.fromkeys(trial.command for trial in trials):
        own = [trial for trial in trials if trial.command == command]
        same = sum(not trial.differing for trial in own)
        print(f"{command}: killed {sum(trial.was_killed for trial in own)} times, {same} of {len(own)} the same bytes")
    return ExitCode.CHECK_FAILED if any(trial.differing for trial in trials) else ExitCode.DONE


if __name__ == "__main__":
    run(main)
