"""Run `stvg mmn evaluate`."""

from stvg.cli import run
from stvg.commands.evaluate import main_mmn as main

if __name__ == "__main__":
    run(main)
