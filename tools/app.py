"""Run `stvg app`."""

from stvg.cli import run
from stvg.commands.app import main

if __name__ == "__main__":
    run(main)
