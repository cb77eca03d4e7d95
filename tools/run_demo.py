"""Run `stvg demo`."""

from stvg.cli import run
from stvg.commands.demo import main

if __name__ == "__main__":
    run(main)
