"""Run `stvg validate`."""

from stvg.cli import run
from stvg.commands.evaluate import main_validate as main

if __name__ == "__main__":
    run(main)
