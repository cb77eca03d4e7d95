"""Run `stvg view`."""

from stvg.cli import run
from stvg.commands.view import main

if __name__ == "__main__":
    run(main)
