"""Run `stvg app`."""

from stvg.cli import run
from stvg.commands.view import main_app as main

if __name__ == "__main__":
    run(main)
