"""Unpickle plain data, arrays and tensors without executing code.

A pickle is a program: it builds objects by calling what it names. Here it can name only the functions by which NumPy
and torch pickle arrays, and what it gets for each is a part of this module that looks at its arguments first. These
parts cannot be changed by a pickle (they have no attributes to set and refuse a state), and none of NumPy's or torch's
own is ever handed out: their states can be forged. Any other name, and arrays of Python objects, are refused.
"""

import io
import math
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from stvg.errors import InputError
from stvg.io.files import refuse_pointer
from stvg.pickles.limits import TooMuchError, check_pickle, check_torch
from stvg.pickles.torch_file import is_dense, read_torch_file

_TORCH_FILES = (b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
"""How files of torch.save begin: the zip form, and torch's magic number before 1.6."""
_NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
"""Types of array elements: truth values, integers, floating numbers."""


def read_pickle(path: Path) -> Any:
    """Return the plain data in a pickle or in a file of torch.save; as_array makes its arrays and tensors alike.

    Raises:
        InputError: no such file, a damaged one, or one that would have to execute something: the message names what.
    """
    refuse_pointer(path)
    try:
        with path.open("rb") as file:
            if file.read(len(_TORCH_FILES[1])).startswith(_TORCH_FILES):
                return read_torch_file(path)
            file.seek(0)
            data = file.read()
        check_pickle(io.BytesIO(data), len(data))
        return _Unpickler(io.BytesIO(data)).load()
    except OSError as error:
        raise InputError(f"{path}: expected a pickle, got: {error.strerror or error}") from error
    except (_RefusedError, TooMuchError) as error:
        raise InputError(f"{path}: expected plain data, arrays and tensors, refused {error}") from error
    except InputError:
        raise
    except Exception as error:  # what the opcodes of a damaged file do can fail in any way
        reason = " ".join(str(error).split())[:100]
        raise InputError(f"{path}: expected a whole pickle, got: {type(error).__name__} ({reason})") from error


def as_array(value: object) -> npt.NDArray[Any] | None:
    """Return an array or dense tensor that read_pickle gave as a plain array, None for anything else.

    Floating numbers of 16 bits become float32; others keep their type.
    """
    if isinstance(value, Tensor):
        return _of_tensor(value.detach()) if is_dense(value) else None
    if not isinstance(value, np.ndarray):
        return None
    return np.asarray(value, dtype=np.float32 if value.dtype == np.float16 else value.dtype)


def _of_tensor(tensor: Tensor) -> npt.NDArray[Any]:
    """Return a tensor as an array; NumPy lacks one kind of floating numbers of 16 bits."""
    small = tensor.is_floating_point() and tensor.element_size() < np.float32().itemsize
    array: npt.NDArray[Any] = (tensor.float() if small else tensor).numpy()
    return array


class _RefusedError(pickle.UnpicklingError):
    """A pickle names something that it may not have; the text says what."""


class _Sealed:
    """Something a pickle may hold or call, but not change."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise _RefusedError(f"a state for {type(self).__name__}")


class _PlainArray(np.ndarray[Any, Any]):
    """An array whose state, where a pickle sets it, is checked first."""

    def __setstate__(self, state: Any) -> None:
        shape, dtype, fortran, data = state[-4:]
        array = _array(data, dtype, shape, "F" if fortran else "C")
        super().__setstate__((1, array.shape, array.dtype, bool(fortran), bytes(data)))  # type: ignore[arg-type]


class _ElementType(_Sealed):
    """A type of numbers; stands for a numpy.dtype."""

    __slots__ = ("dtype",)

    def __init__(self, code: object) -> None:
        if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
            raise _RefusedError(f"arrays of numpy.dtype {str(code)[:20]!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        _, order, *structure = state
        if order not in ("<", ">", "|", "=") or any(part is not None for part in structure[:3]):
            raise _RefusedError("arrays of a numpy.dtype with a structure")
        self.dtype = self.dtype.newbyteorder(order)


class _MakeElementType(_Sealed):
    """Stands for the class numpy.dtype."""

    __slots__ = ()

    def __call__(self, code: object, align: object = False, copy: object = False) -> _ElementType:
        return _ElementType(code)


class _ArrayClass(_Sealed):
    """Stands for the class numpy.ndarray, which pickles of arrays name but need not call."""

    __slots__ = ()


class _MakeArray(_Sealed):
    """Stands for numpy's _reconstruct: an empty array, which its state then fills."""

    __slots__ = ()

    def __call__(self, kind: object, shape: object, code: object) -> _PlainArray:
        return _PlainArray((0,), np.int8)


class _MakeArrayOfBuffer(_Sealed):
    """Stands for numpy's _frombuffer."""

    __slots__ = ()

    def __call__(self, data: object, dtype: object, shape: object, order: object) -> _PlainArray:
        return _array(data, dtype, shape, "F" if order == "F" else "C").view(_PlainArray)


class _MakeScalar(_Sealed):
    """Stands for numpy's scalar: a Python number."""

    __slots__ = ()

    def __call__(self, dtype: object, data: object) -> Any:
        return _array(data, dtype, (), "C").item()


class _MakeBytes(_Sealed):
    """Stands for _codecs.encode, by which old protocols write bytes."""

    __slots__ = ()

    def __call__(self, text: str, encoding: object) -> bytes:
        return text.encode("latin1")


class _MakeNoBytes(_Sealed):
    """Stands for the class bytes, by which old protocols write b""."""

    __slots__ = ()

    def __call__(self) -> bytes:
        return b""


class _MakeMapping(_Sealed):
    """Stands for collections.OrderedDict."""

    __slots__ = ()

    def __call__(self) -> dict[Any, Any]:
        return {}


class _Storage(_Sealed):
    """The numbers that tensors are views of, in one row."""

    __slots__ = ("numbers",)

    def __init__(self, numbers: Tensor) -> None:
        self.numbers = numbers


class _MakeStorage(_Sealed):
    """Stands for torch's _load_from_bytes, which would unpickle the bytes without any guard."""

    __slots__ = ()

    def __call__(self, data: bytes) -> _Storage:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch wants these storages gone; the files have them
            check_torch(io.BytesIO(data), len(data))
            try:
                loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            except pickle.UnpicklingError as error:
                named = re.search(r"GLOBAL (\S+)", str(error))
                raise _RefusedError(f"{named[1] if named else 'something'} inside the numbers of a tensor") from error
            storage, numbers = loaded.untyped(), torch.empty(0, dtype=loaded.dtype)
        return _Storage(numbers.set_(storage, 0, (len(storage) // numbers.element_size(),), (1,)))


class _MakeTensor(_Sealed):
    """Stands for torch's _rebuild_tensor and _rebuild_tensor_v2: an array."""

    __slots__ = ()

    def __call__(self, storage: _Storage, offset: int, size: Any, stride: Any, *rest: object) -> _PlainArray:
        if math.prod(size) > len(storage.numbers):
            raise ValueError("a tensor that uses its numbers more than once")
        tensor = torch.as_strided(storage.numbers, tuple(size), tuple(stride), offset)
        return _of_tensor(tensor.contiguous()).view(_PlainArray)


_ADMITTED: dict[tuple[str, str], _Sealed] = {
    ("numpy", "ndarray"): _ArrayClass(),
    ("numpy", "dtype"): _MakeElementType(),
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _MakeArray() for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _MakeScalar() for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _MakeArrayOfBuffer() for core in ("core", "_core")},
    ("_codecs", "encode"): _MakeBytes(),
    **{(module, "bytes"): _MakeNoBytes() for module in ("__builtin__", "builtins")},
    ("collections", "OrderedDict"): _MakeMapping(),
    ("torch.storage", "_load_from_bytes"): _MakeStorage(),
    ("torch._utils", "_rebuild_tensor"): _MakeTensor(),
    ("torch._utils", "_rebuild_tensor_v2"): _MakeTensor(),
}


class _Unpickler(pickle.Unpickler):
    """Hands out the parts of this module in place of what a pickle names, and refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise _RefusedError(f"to execute {module}.{name}"[:200])
        return _ADMITTED[module, name]


def _array(data: object, dtype: object, shape: Any, order: str) -> npt.NDArray[Any]:
    """Return the array of these bytes, all arguments checked."""
    if not isinstance(dtype, _ElementType):
        raise _RefusedError("arrays without a numpy.dtype")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise _RefusedError(f"arrays of {type(data).__name__} in place of bytes")
    return np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if order == "F" else "C").copy(order="K")
