"""Run `stvg reproduce`."""

from stvg.cli import run
from stvg.commands.reproduce import main

if __name__ == "__main__":
    run(main)
