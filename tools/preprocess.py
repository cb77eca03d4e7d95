"""Run `stvg prepare`."""

from stvg.cli import run
from stvg.commands.prepare import main

if __name__ == "__main__":
    run(main)
