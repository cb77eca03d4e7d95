"""Run the command `stvg` as `python -m stvg`."""

from stvg.cli import main

if __name__ == "__main__":
    main()
