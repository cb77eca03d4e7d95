"""Make damaged files of a format: at random bytes, or at random values written whole again."""

import io
import json
import pickle
import struct
import warnings
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import torch
import yaml

from fuzz.mutations import NUMBERS, OTHERS, Rng, damaged_bytes, damaged_tree

Damage = Callable[[bytes, Rng], bytes]


def damaged(data: bytes, form: str, rng: Rng) -> bytes:
    """Return a mutant of a healthy file: three of four times by its values, where its format is known, else by bytes.

    What a change makes impossible to write in the format becomes damaged bytes.
    """
    if form in _BY_VALUE and rng.random() < 0.75:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _BY_VALUE[form](data, rng)
        except Exception:  # a value that the format's own writer refuses
            return damaged_bytes(data, rng)
    return damaged_bytes(data, rng)


def _json(data: bytes, rng: Rng) -> bytes:
    return json.dumps(damaged_tree(json.loads(data), rng)).encode()


def _json_lines(data: bytes, rng: Rng) -> bytes:
    lines = [json.loads(line) for line in data.splitlines()]
    return b"".join(json.dumps(line).encode() + b"\n" for line in damaged_tree(lines, rng))


def _yaml(data: bytes, rng: Rng) -> bytes:
    return yaml.safe_dump(damaged_tree(yaml.safe_load(data), rng), sort_keys=False).encode()


def _table(data: bytes, rng: Rng) -> bytes:
    """Damage cells of comma-separated text."""
    rows = [line.split(",") for line in data.decode().splitlines()]
    rows = damaged_tree(rows, rng)
    return "\n".join(",".join(map(str, row)) if isinstance(row, list) else str(row) for row in rows).encode()


def _pickle(data: bytes, rng: Rng) -> bytes:
    protocol = int(rng.integers(0, 6))
    return pickle.dumps(damaged_tree(pickle.loads(data), rng), protocol)  # noqa: S301 (our own seed)


def _torch(data: bytes, rng: Rng) -> bytes:
    value = torch.load(io.BytesIO(data), weights_only=True)
    out = io.BytesIO()
    torch.save(damaged_tree(value, rng), out, _use_new_zipfile_serialization=bool(rng.random() < 0.7))
    return out.getvalue()


def _safetensors(data: bytes, rng: Rng) -> bytes:
    """Damage the header, a JSON object behind its length, or the numbers."""
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    if rng.random() < 0.3:
        numbers = np.frombuffer(body, np.float32).copy()
        numbers[int(rng.integers(0, len(numbers)))] = rng.choice([np.nan, np.inf, 1e38])
        body = numbers.tobytes()
    elif "config" in header.get("__metadata__", {}) and rng.random() < 0.5:
        config = damaged_tree(json.loads(header["__metadata__"]["config"]), rng)
        header["__metadata__"]["config"] = json.dumps(config)
    else:
        header = damaged_tree(header, rng)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def _protobuf(data: bytes, rng: Rng) -> bytes:
    """Damage an ONNX model's values, as protobuf's JSON form has them."""
    import onnx
    from google.protobuf import json_format

    tree = json_format.MessageToDict(onnx.load_model_from_string(data))
    out: bytes = json_format.ParseDict(damaged_tree(tree, rng), onnx.ModelProto()).SerializeToString()
    return out


def _hdf5(data: bytes, rng: Rng) -> bytes:
    """Damage attributes, data sets and names of an HDF5 file."""
    out = io.BytesIO(data)
    with h5py.File(out, "r+") as file:
        items: list[Any] = [file]
        file.visititems(lambda _, item: items.append(item))
        for _ in range(int(rng.integers(1, 4))):
            item = items[int(rng.integers(0, len(items)))]
            if item:
                _damage_item(file, item, rng)
    return out.getvalue()


def _damage_item(file: h5py.File, item: Any, rng: Rng) -> None:
    choice = int(rng.integers(0, 6))
    odd = (NUMBERS + OTHERS)[int(rng.integers(0, len(NUMBERS) + len(OTHERS)))]
    if choice < 3 and len(item.attrs):
        name = str(rng.choice(list(item.attrs)))
        if choice == 0:
            del item.attrs[name]
        else:
            item.attrs[name] = [odd, odd] if choice == 2 else odd
    elif item.name == "/":
        file[f"odd{rng.integers(0, 9)}"] = np.zeros(int(rng.integers(0, 3)))
    elif choice < 5 and isinstance(item, h5py.Dataset):
        _damage_dataset(file, item, rng)
    else:
        name, parent = item.name, item.parent.name
        match int(rng.integers(0, 4)):
            case 0:
                del file[name]
            case 1:
                file.move(name, f"{parent}/moved")
            case 2:
                del file[name]
                file[name] = h5py.SoftLink(str(rng.choice([parent, "/nowhere", name])))
            case _:
                del file[name]
                file[name] = h5py.ExternalLink(str(rng.choice(["/etc/passwd", "other.h5", "/dev/zero"])), "/x")


def _damage_dataset(file: h5py.File, item: h5py.Dataset, rng: Rng) -> None:
    name, array = item.name, item[()]
    del file[name]
    match int(rng.integers(0, 6)):
        case 0:
            file[name] = array.reshape(-1)
        case 1:
            file[name] = array[:0]
        case 2:
            file[name] = array.astype(str(rng.choice(["f8", "f2", "i4", "i1", "S3", "c8", "b1"])))
        case 3:  # promises what is not there
            file.create_dataset(name, (10 ** int(rng.integers(3, 13)), *array.shape[1:]), array.dtype, chunks=True)
        case 4:
            file.create_dataset(name, dtype=h5py.Empty("f4").dtype, shape=None, data=h5py.Empty("f4"))
        case _:
            with np.errstate(all="ignore"):
                array = array.astype(np.float64)
                array.reshape(-1)[: 1 + int(rng.integers(0, 3))] = float(rng.choice([np.nan, np.inf, 1e300, -1e30, -1]))
                file[name] = array if rng.random() < 0.5 else array.astype(np.float32)


_BY_VALUE: dict[str, Damage] = {
    "json": _json,
    "json lines": _json_lines,
    "yaml": _yaml,
    "table": _table,
    "pickle": _pickle,
    "torch": _torch,
    "safetensors": _safetensors,
    "onnx": _protobuf,
    "hdf5": _hdf5,
}
