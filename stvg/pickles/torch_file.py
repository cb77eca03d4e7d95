"""Read files of torch.save without executing code."""

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stvg.errors import InputError
from stvg.io.files import refuse_pointer
from stvg.pickles.limits import TooMuchError, check_torch

_ZIP_MAGIC = b"PK\x03\x04"
_LONGEST_NAME = 100


def read_torch_file(path: Path, mapped: bool = True) -> Any:
    """Return what torch.save wrote to `path`, tensors on the CPU; torch's weights_only reader admits no code.

    With `mapped`, tensors of files in the zip form stay on disk until they are looked at.

    Raises:
        InputError: no such file, damaged, of another kind, or one that would have to execute something: the message
            names what.
    """
    try:
        refuse_pointer(path)
        with path.open("rb") as file:
            zipped = file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
            file.seek(0)
            check_torch(file, path.stat().st_size)
    except OSError as error:
        raise InputError(f"{path}: expected a file of torch.save, got: {error.strerror or error}") from error
    except TooMuchError as error:
        raise InputError(f"{path}: expected tensors and plain data, refused {error}") from error
    except (ValueError, LookupError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: {_reason(error)}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols: the error below is all that a user needs
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped and mapped)
    except Exception as error:  # torch promises no set of exceptions for damaged files
        raise InputError(f"{path}: {_reason(error)}") from error


def is_dense(value: object) -> bool:
    """Tell whether a value is a plain tensor with all its numbers in the file, none of them used many times over."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    return not value.is_quantized and value.nbytes <= value.untyped_storage().nbytes()


def _reason(error: Exception) -> str:
    """Return what is wrong with a file, in few words; torch's own text is an essay."""
    refused = re.search(r"GLOBAL (\S+)", str(error))
    if refused:
        return f"expected tensors and plain data, refused to execute {refused[1][:_LONGEST_NAME]}"
    return f"expected a whole file of torch.save, found one that cannot be read ({type(error).__name__})"
