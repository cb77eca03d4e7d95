"""Run `stvg track`."""

from stvg.cli import run
from stvg.commands.track import main

if __name__ == "__main__":
    run(main)
