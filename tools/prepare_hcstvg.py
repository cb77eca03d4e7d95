"""Run `stvg data`."""

from stvg.cli import run
from stvg.commands.data import main

if __name__ == "__main__":
    run(main)
