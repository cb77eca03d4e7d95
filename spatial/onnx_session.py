"""Open ONNX models with onnxruntime."""

from pathlib import Path
from typing import Any

from stvg.errors import InputError
from stvg.io.files import refuse_pointer


def open_session(path: Path, threads: int, device: str, *, owner: str, expected: str, fetched: str) -> Any:
    """Return an onnxruntime session for the file, with `threads` inside one operator.

    In errors `owner` is the part of the recipe that asks, `expected` what the file should be, and `fetched` what of it
    `stvg models` fetches.

    Raises:
        InputError: no onnxruntime, no such file, not an ONNX model, no such device.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(f"{owner}: expected the package onnxruntime: pip install onnxruntime") from error
    if not path.is_file():
        raise InputError(f"{path}: expected {expected}, found no such file; stvg models fetches {fetched}")
    refuse_pointer(path)
    provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise InputError(f"{owner}: device cuda needs the package onnxruntime-gpu: pip install onnxruntime-gpu")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: exports carry unused weights
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # onnxruntime's own classes have no common base but Exception
        raise InputError(f"{path}: expected an ONNX model, got: {' '.join(str(error).split())}") from error
