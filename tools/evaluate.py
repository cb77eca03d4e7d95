"""Run `stvg evaluate`."""

from stvg.cli import run
from stvg.commands.evaluate import main

if __name__ == "__main__":
    run(main)
