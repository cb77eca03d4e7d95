"""Run `stvg ground`."""

from stvg.cli import run
from stvg.commands.ground import main

if __name__ == "__main__":
    run(main)
