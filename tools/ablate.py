"""Run `stvg ablate`."""

from stvg.cli import run
from stvg.commands.ablate import main

if __name__ == "__main__":
    run(main)
