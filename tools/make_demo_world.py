"""Run `stvg demo world`."""

from stvg.cli import run
from stvg.commands.demo import main_world as main

if __name__ == "__main__":
    run(main)
