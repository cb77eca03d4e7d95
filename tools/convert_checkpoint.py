"""Run `stvg convert checkpoint`."""

from stvg.cli import run
from stvg.commands.convert import main_checkpoint as main

if __name__ == "__main__":
    run(main)
