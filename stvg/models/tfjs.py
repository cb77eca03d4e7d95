"""A TensorFlow.js graph model, read from its files and turned into ONNX."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from stvg.errors import InputError
from stvg.models.tfjs_graph import Graph, Node, Tensor, UnknownError
from stvg.models.tfjs_operations import FOLDED, KNOWN

OPSET, IR_VERSION = 18, 9
_STORED = {"float16": np.float16, "float32": np.float32, "int32": np.int32}


def convert_graph(model_json: bytes, weights: bytes, source: str) -> bytes:
    """Return the ONNX model that computes what a TensorFlow.js graph model does.

    `model_json` is the text of its .json file, `weights` its one .bin file; `source` names the model in errors.

    Raises:
        InputError: the package onnx is missing, the files do not fit each other, or the graph has an operation, or a
            setting of one, that is not known here.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise InputError(f"{source}: expected the package onnx, to convert it: pip install onnx") from error
    try:
        model = json.loads(model_json)
        if not isinstance(model, dict):
            raise TypeError("expected an object")
        constants = _read_weights(model["weightsManifest"], weights)
        return _convert(Graph(constants), model["modelTopology"]["node"], model["signature"])
    except UnknownError as error:
        raise InputError(f"{source}: {error}") from error
    except (ArithmeticError, LookupError, ValueError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"{source}: expected a TensorFlow.js graph model, got: {type(error).__name__}: {reason}"
        ) from error


def _read_weights(manifest: Any, data: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return the constants by name, half precision widened to float32.

    Raises:
        ValueError: another number of bytes than the manifest says.
        UnknownError: element types of another kind.
    """
    constants, start = {}, 0
    for entry in (entry for group in manifest for entry in group["weights"]):
        quantization = entry.get("quantization", {})
        stored = quantization.get("dtype", entry["dtype"])
        if stored not in _STORED or {"scale", "min"} & quantization.keys():
            raise UnknownError(f"weight {entry['name']}: expected one of {', '.join(_STORED)}, got {stored}")
        dtype = np.dtype(_STORED[stored]).newbyteorder("<")
        stop = start + dtype.itemsize * math.prod(int(side) for side in entry["shape"])
        if not start <= stop <= len(data):
            raise ValueError(f"weight {entry['name']}: expected it within {len(data)} bytes, got its end at {stop}")
        array = np.frombuffer(data[start:stop], dtype).reshape(entry["shape"])
        constants[entry["name"]] = array.astype(np.int64 if stored == "int32" else np.float32)
        start = stop
    if start != len(data):
        raise ValueError(f"expected {start} bytes of weights, got {len(data)}")
    return constants


def _convert(graph: Graph, nodes: list[Node], signature: Mapping[str, Any]) -> bytes:
    """Return the whole model, serialized; its outputs stand in the order of their names."""
    from onnx import TensorProto, checker, helper, shape_inference

    inputs = []
    for name, shape, kind in _signature(signature["inputs"]):
        graph.tensors[name] = Tensor(name, tuple(range(len(shape))))
        inputs.append(helper.make_tensor_value_info(name, kind, shape))
    for node in nodes:
        _add(graph, node)
    outputs = []
    for name, shape, kind in sorted(_signature(signature["outputs"])):
        if kind != TensorProto.FLOAT:
            raise UnknownError(f"output {name}: expected DT_FLOAT, got DT_INT32")
        graph.emit("Identity", [graph.in_order(graph.tensors[name], tuple(range(len(shape))))], name)
        outputs.append(helper.make_tensor_value_info(name, kind, shape))
    made = helper.make_graph(graph.nodes, "model", inputs, outputs, graph.initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    try:
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        raise ValueError(error) from error
    return bytes(model.SerializeToString())


def _add(graph: Graph, node: Node) -> None:
    """Add what a node of TensorFlow says."""
    name, operation, inputs = node["name"], node["op"], node.get("input", [])
    if operation in ("Const", "Placeholder"):
        if name not in graph.constants and name not in graph.tensors:
            raise UnknownError(f"node {name}: expected a weight or an input of that name, found none")
        return
    if all(one in graph.constants for one in inputs) and operation in FOLDED:
        graph.constants[name] = FOLDED[operation](*(graph.constants[one] for one in inputs))
        return
    if operation not in KNOWN:
        raise UnknownError(f"node {name}: expected one of {', '.join(sorted(KNOWN))}, got {operation}")
    KNOWN[operation](graph, node, [one.removesuffix(":0") for one in inputs])


def _signature(entries: Mapping[str, Any]) -> list[tuple[str, list[int], int]]:
    """Return name, shape and ONNX's element type of each input or output."""
    from onnx import TensorProto

    kinds = {"DT_FLOAT": TensorProto.FLOAT, "DT_INT32": TensorProto.INT32}
    found = []
    for entry in entries.values():
        name, kind = entry["name"].removesuffix(":0"), entry["dtype"]
        if kind not in kinds:
            raise UnknownError(f"{name}: expected one of {', '.join(kinds)}, got {kind}")
        found.append((name, [int(side["size"]) for side in entry["tensorShape"]["dim"]], int(kinds[kind])))
    return found
