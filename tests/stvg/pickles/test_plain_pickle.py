"""Pickles of plain data come back as they were; whatever names more than that is refused and leaves no trace."""

import builtins
import functools
import os
import pickle
import pickletools
import random
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch

from stvg.errors import InputError
from stvg.pickles.plain_pickle import as_array, read_pickle

RNG = np.random.default_rng(0)
ARRAYS = [
    RNG.normal(size=(3, 6)),
    np.asfortranarray(RNG.normal(size=(3, 6)).astype(np.float32)),
    RNG.normal(size=(3, 6)).astype(np.float16),
    RNG.normal(size=(4, 4)).astype(">f8")[::2, 1:],
    np.arange(6, dtype=np.uint8).reshape(1, 2, 3),
    np.array([True, False]),
    np.zeros((0, 6)),
    np.array(2.5),
]


def plain(value):
    """Return read data with arrays in place of tensors and of this module's own kind of array."""
    if (array := as_array(value)) is not None:
        return array
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def written(tmp_path, data):
    path = tmp_path / "x_tubes.pkl"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_plain_data_come_back(tmp_path, protocol):
    data = {
        0: [[ARRAYS[0], np.float32(0.25)], [ARRAYS[1], 0.5]],
        "all": tuple(ARRAYS),
        "n": OrderedDict(a=None, b=True),
    }
    found = plain(read_pickle(written(tmp_path, pickle.dumps(data, protocol))))
    assert found[0][0][1] == 0.25
    assert found["n"] == {"a": None, "b": True}
    for one, other in zip(found["all"], ARRAYS, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype.newbyteorder("=") == (
            np.float32 if other.dtype == np.float16 else other.dtype.newbyteorder("=")
        )
        assert type(one) is np.ndarray


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_tensors_come_back(tmp_path, protocol):
    torch.manual_seed(0)
    data = torch.randn(4, 6)
    tensors = [
        data,
        data[1:, 2:],
        data.t(),
        data.half(),
        data.bfloat16(),
        data.double(),
        torch.arange(3),
        torch.zeros(0, 5),
        torch.tensor(1.5),
    ]
    found = plain(read_pickle(written(tmp_path, pickle.dumps({"tubes": tensors}, protocol))))
    for one, other in zip(found["tubes"], tensors, strict=True):
        np.testing.assert_array_equal(one, other.float() if other.is_floating_point() else other)


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_files_of_torch_save_come_back(tmp_path, options):
    data = {"a": [[torch.arange(3.0), torch.arange(3.0, 6.0)]]}
    torch.save(data, tmp_path / "csn.pkl", **options)
    found = plain(read_pickle(tmp_path / "csn.pkl"))
    np.testing.assert_array_equal(found["a"][0], [[0, 1, 2], [3, 4, 5]])


class Calls:
    """A pickle of this calls `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def a_tensor_with(inner):
    """A pickled tensor whose numbers are the pickle `inner`."""
    return b"\x80\x02ctorch.storage\n_load_from_bytes\nB" + len(inner).to_bytes(4, "little") + inner + b"\x85R."


def state_after(made, state):
    """A pickle that sets the state of what the opcodes `made` make."""
    return b"\x80\x02" + made + pickle.dumps(state, 2)[2:-1] + b"b."


def touching(tmp_path):
    """A shell command that leaves a trace."""
    return f"touch {tmp_path / 'trace'}"


MALICIOUS = {
    "os.system": (lambda p: pickle.dumps(Calls(os.system, touching(p))), "refused to execute posix.system"),
    "protocol 0": (lambda p: pickle.dumps(Calls(os.system, touching(p)), 0), "refused to execute posix.system"),
    "eval": (
        lambda p: pickle.dumps(Calls(eval, f"__import__('os').system({touching(p)!r})")),
        "refused to execute builtins.eval",
    ),
    "nested": (
        lambda p: pickle.dumps({0: [[np.ones((2, 6)), (1, {"a": [Calls(os.system, touching(p))]})]]}),
        "refused to execute posix.system",
    ),
    "as a key": (lambda p: pickle.dumps({(1, Calls(os.system, touching(p))): 1}), "refused to execute posix.system"),
    "as an argument": (
        lambda p: pickle.dumps(Calls(OrderedDict, Calls(os.system, touching(p)))),
        "refused to execute posix.system",
    ),
    "getattr": (lambda p: pickle.dumps(Calls(getattr, "text", "upper")), "refused to execute builtins.getattr"),
    "partial": (lambda p: pickle.dumps(functools.partial(print, "x")), "refused to execute functools.partial"),
    "import": (lambda p: pickle.dumps(Calls(builtins.__import__, "antigravity")), "builtins.__import__"),
    "the old way to call": (lambda p: f"(S{touching(p)!r}\nios\nsystem\n.".encode(), "refused to execute os.system"),
    "a path inside a module": (lambda p: b"\x80\x04\x8c\x05numpy\x8c\x0dcore.numerics\x93.", "numpy.core.numerics"),
    "a function of numpy": (lambda p: pickle.dumps(np.load), "refused to execute numpy.load"),
    "torch.load": (lambda p: pickle.dumps(torch.load), "refused to execute torch.serialization.load"),
    "object array": (
        lambda p: pickle.dumps(np.array([Calls(os.system, touching(p))], dtype=object)),
        r"refused (arrays of numpy.dtype 'O8'|to execute posix.system)",
    ),
    "plain object array": (
        lambda p: pickle.dumps({0: np.array([None], dtype=object)}),
        "refused arrays of numpy.dtype 'O8'",
    ),
    "object array, protocol 2": (
        lambda p: pickle.dumps(np.array([[1], None], dtype=object), 2),
        "refused arrays of numpy.dtype 'O8'",
    ),
    "text array": (lambda p: pickle.dumps(np.array(["a"])), "refused arrays of numpy.dtype 'U1'"),
    "record array": (lambda p: pickle.dumps(np.zeros(1, [("a", "f4"), ("b", "O")])), "refused arrays of numpy.dtype"),
    "record type in a plain one's state": (
        lambda p: state_after(b"cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R", (3, "<", None, ("a",), {}, 8, 1, 0)),
        "refused arrays of a numpy.dtype with a structure",
    ),
    "bytes called objects": (
        lambda p: pickle.dumps(np.zeros(1), 2).replace(b"f8", b"O8"),
        "refused arrays of numpy.dtype 'O8'",
    ),
    "a list in place of bytes": (lambda p: forged_list(), "refused arrays of list in place of bytes"),
    "inside a tensor": (
        lambda p: a_tensor_with(pickle.dumps(Calls(os.system, touching(p)), 2)),
        "refused posix.system inside the numbers of a tensor",
    ),
    "inside the numbers of a tensor": (
        lambda p: a_tensor_with(torch_bytes(Calls(os.system, touching(p)))),
        "refused posix.system inside the numbers of a tensor",
    ),
    "changing a guard": (lambda p: state_after(b"cnumpy\ndtype\n", (None, {"__call__": 1})), "refused a state for"),
    "changing a guard's class": (
        lambda p: state_after(b"ctorch._utils\n_rebuild_tensor_v2\n", {"__class__": 1}),
        "refused a state for",
    ),
    "calling a class": (lambda p: b"\x80\x02cnumpy\nndarray\n)R.", "expected a whole pickle, got: TypeError"),
    "making a class": (lambda p: b"\x80\x02cnumpy\ndtype\n)\x81.", "expected a whole pickle, got: UnpicklingError"),
    "a persistent id": (lambda p: b"Pid\n.", "expected a whole pickle, got: UnpicklingError"),
    "an extension": (lambda p: b"\x80\x02\x82\x01.", "expected a whole pickle, got: ValueError"),
}


def forged_list():
    data = pickle.dumps(np.zeros(1), 3)
    place = max(place for opcode, _, place in pickletools.genops(data) if opcode.name == "SHORT_BINBYTES")
    return data[:place] + b"]" + data[place + 10 :]


def torch_bytes(value):
    """What torch.save writes before torch 1.6."""
    import io

    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@pytest.mark.parametrize("name", MALICIOUS)
def test_what_is_more_than_plain_data_is_refused(tmp_path, name):
    make, message = MALICIOUS[name]
    path = written(tmp_path, make(tmp_path))
    with pytest.raises(InputError) as error:
        read_pickle(path)
    assert re.match(re.escape(f"{path}: expected "), str(error.value))
    assert re.search(message, str(error.value)), str(error.value)
    assert "\n" not in str(error.value)
    assert [one.name for one in tmp_path.iterdir()] == ["x_tubes.pkl"]


def test_the_malicious_ones_would_work_without_a_guard(tmp_path):
    for name in ("os.system", "eval", "nested", "the old way to call"):
        trace = tmp_path / "trace"
        pickle.loads(MALICIOUS[name][0](tmp_path))  # noqa: S301 (what a reader without a guard would do)
        assert trace.exists(), name
        trace.unlink()


def test_a_pickle_leaves_nothing_behind_for_the_next(tmp_path):
    good = pickle.dumps(np.arange(3.0))
    for name in MALICIOUS:
        with pytest.raises(InputError):
            read_pickle(written(tmp_path, MALICIOUS[name][0](tmp_path)))
    np.testing.assert_array_equal(read_pickle(written(tmp_path, good)), np.arange(3.0))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "expected a whole pickle, got: ValueError", id="empty"),
        pytest.param(pickle.dumps({0: [np.ones((50, 6))]})[:-900], "expected a whole pickle, got: ", id="truncated"),
        pytest.param(b"text", "expected a whole pickle, got: ", id="text"),
        pytest.param(torch_bytes({"a": torch.ones(9)})[:-20], "expected a whole file of torch.save", id="torch, cut"),
        pytest.param(
            pickle.dumps(np.zeros(4), 2).replace(b"K\x04\x85", b"K\x05\x85"),
            "expected a whole pickle, got: ValueError",
            id="another shape than bytes",
        ),
        pytest.param(
            pickle.dumps(torch.zeros(1).expand(10**9)),
            "ValueError .a tensor that uses its numbers more",
            id="one number used a thousand million times",
        ),
        pytest.param(
            pickle.dumps(torch.zeros(8).as_strided((2,), (2,), 5)).replace(b"K\x05K\x02", b"K\x07K\x02"),
            "expected a whole pickle, got: RuntimeError",
            id="beyond the numbers",
        ),
        pytest.param(
            b"\x80\x02]r\xff\xff\xff\x0f.",
            "expected a whole pickle, got: ValueError .object 268435455",
            id="a table of objects for gigabytes",
        ),
        pytest.param(
            b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x.",
            "expected a whole pickle, got: ValueError",
            id="a text of a terabyte",
        ),
    ],
)
def test_damaged_files(tmp_path, data, message):
    path = written(tmp_path, data)
    with pytest.raises(InputError, match=f"x_tubes.pkl: .*{message}"):
        read_pickle(path)


def test_missing_and_folder(tmp_path):
    with pytest.raises(InputError, match="expected a pickle, got: No such file"):
        read_pickle(tmp_path / "none.pkl")
    with pytest.raises(InputError, match="expected a pickle, got: Is a directory"):
        read_pickle(tmp_path)


def test_any_damage_ends_in_one_error_or_in_data(tmp_path):
    whole = pickle.dumps({0: [[ARRAYS[0], np.float32(1)], [torch.arange(4.0), 1]], "a": OrderedDict()})
    rng, errors = random.Random(0), 0  # noqa: S311 (damage, not secrets)
    for _ in range(150):
        data = bytearray(whole[: rng.randrange(1, len(whole))] if rng.random() < 0.2 else whole)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            read_pickle(written(tmp_path, bytes(data)))
        except InputError:
            errors += 1
    assert errors > 50


def test_other_tensors_are_no_arrays():
    assert as_array(torch.ones(2).to_sparse()) is None
    assert as_array(torch.zeros(1).expand(5)) is None
    assert as_array([1.0]) is None
    assert as_array(torch.ones(2, requires_grad=True)) is not None
