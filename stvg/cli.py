"""What all command lines share: logging, one-line errors, exit codes."""

import logging
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import NoReturn

from stvg.errors import InputError


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    CHECK_FAILED = 1
    UNUSABLE_INPUT = 2
    SOME_FAILED = 3
    INTERRUPTED = 130


def run(main: Callable[[], int]) -> NoReturn:
    """Call a command's `main` and exit with what it returns; the log goes to stderr from INFO on.

    An InputError becomes one line on stderr and exit code 2, an interrupt from the keyboard exit code 130. Any other
    exception is a defect of this project and keeps its traceback.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        code = main()
    except InputError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        code = ExitCode.UNUSABLE_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        code = ExitCode.INTERRUPTED
    sys.exit(int(code))
