"""Run `stvg train matcher`."""

from stvg.cli import run
from stvg.commands.train import main_matcher as main

if __name__ == "__main__":
    run(main)
