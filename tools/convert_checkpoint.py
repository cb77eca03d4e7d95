"""Convert a checkpoint of the official MMN or MMN-STVG (.pth) to safetensors; nothing in it is executed.

Name the result in a recipe as temporal.checkpoint or matcher.checkpoint.
"""

import argparse
from pathlib import Path

from stvg.cli import ExitCode, run


def main() -> int:
    """Parse, convert and print what the tensors tell of the network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, metavar="IN", help="official checkpoint, as pool_model_10e.pth")
    parser.add_argument("target", type=Path, metavar="OUT", help="file to write, as pool_model_10e.safetensors")
    arguments = parser.parse_args()

    from temporal.official.checkpoint import convert_checkpoint

    for key, value in convert_checkpoint(arguments.source, arguments.target).items():
        print(f"{key}: {value}")
    return ExitCode.DONE


if __name__ == "__main__":
    run(main)
