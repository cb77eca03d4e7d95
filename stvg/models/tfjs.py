"""A TensorFlow.js graph model turned into ONNX: the operations of the one detector that we fetch, and no others.

TensorFlow keeps pictures as (batch, height, width, channels), ONNX as (batch, channels, height, width), so such graphs
are full of transpositions. None is carried over: each tensor stays in ONNX's order, and what a transposition says is
remembered with it.
"""

import base64
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from stvg.errors import InputError

OPSET, IR_VERSION = 18, 9
_CHANNELS_LAST = (0, 2, 3, 1)
"""The order that turns an ONNX picture into TensorFlow's."""
_STORED = {"float16": np.float16, "float32": np.float32, "int32": np.int32}
Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor of the new graph: axis i of TensorFlow's tensor is axis `order[i]` of the one called `name`."""

    name: str
    order: tuple[int, ...]

    def transposed(self, order: tuple[int, ...]) -> "_Tensor":
        return _Tensor(self.name, tuple(self.order[axis] for axis in order))


class _UnknownError(Exception):
    """Something in the graph that this converter does not know; the text says what."""


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
        return _Converter(constants).run(model["modelTopology"]["node"], model["signature"])
    except _UnknownError as error:
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
        _UnknownError: element types of another kind.
    """
    constants, start = {}, 0
    for entry in (entry for group in manifest for entry in group["weights"]):
        quantization = entry.get("quantization", {})
        stored = quantization.get("dtype", entry["dtype"])
        if stored not in _STORED or {"scale", "min"} & quantization.keys():
            raise _UnknownError(f"weight {entry['name']}: expected one of {', '.join(_STORED)}, got {stored}")
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


@dataclass(slots=True)
class _Converter:
    """The graph as it grows: constants by TensorFlow's names, tensors by TensorFlow's names, ONNX nodes."""

    constants: dict[str, npt.NDArray[Any]]
    tensors: dict[str, _Tensor] = field(default_factory=dict)
    nodes: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)

    def run(self, nodes: list[Node], signature: Mapping[str, Any]) -> bytes:
        """Return the whole model, serialized; its outputs stand in the order of their names."""
        from onnx import TensorProto, checker, helper

        inputs = []
        for name, shape in _signature(signature["inputs"]):
            self.tensors[name] = _Tensor(name, tuple(range(len(shape))))
            inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        for node in nodes:
            self._add(node)
        outputs = []
        for name, shape in sorted(_signature(signature["outputs"])):
            inner = self._in_order(self.tensors[name], tuple(range(len(shape))))
            self._emit("Identity", [inner], name)
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        graph = helper.make_graph(self.nodes, "detector", inputs, outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        try:
            checker.check_model(model, full_check=True)
        except Exception as error:  # onnx's own classes have no common base but Exception
            raise ValueError(f"a graph that ONNX refuses ({error})") from error
        return bytes(model.SerializeToString())

    def _add(self, node: Node) -> None:
        """Add what a node of TensorFlow says."""
        name, operation, inputs = node["name"], node["op"], node.get("input", [])
        if operation in ("Const", "Placeholder"):
            if name not in self.constants and name not in self.tensors:
                raise _UnknownError(f"node {name}: expected a weight or an input of that name, found none")
            return
        if all(one in self.constants for one in inputs) and operation in _FOLDED:
            self.constants[name] = _FOLDED[operation](*(self.constants[one] for one in inputs))
            return
        if operation not in _KNOWN:
            raise _UnknownError(f"node {name}: expected one of {', '.join(sorted(_KNOWN))}, got {operation}")
        _KNOWN[operation](self, node, [one.removesuffix(":0") for one in inputs])

    def _constant(self, array: npt.NDArray[Any]) -> str:
        """Return the name of a new constant of the graph."""
        from onnx import numpy_helper

        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _emit(self, operation: str, inputs: list[str], *outputs: str, **attributes: Any) -> str:
        """Add an ONNX node; return the name of its first output, a new one where none is given."""
        from onnx import helper

        names = outputs or (f"{operation}_{len(self.nodes)}",)
        self.nodes.append(helper.make_node(operation, inputs, list(names), **attributes))
        return names[0]

    def _in_order(self, tensor: _Tensor, order: tuple[int, ...]) -> str:
        """Return the name of a tensor whose order is `order`, transposed if need be."""
        if tensor.order == order:
            return tensor.name
        axes = [0] * len(order)
        for wanted, given in zip(order, tensor.order, strict=True):
            axes[wanted] = given
        return self._emit("Transpose", [tensor.name], perm=axes)

    def transpose(self, node: Node, inputs: list[str]) -> None:
        """Remember another order of axes."""
        self.tensors[node["name"]] = self.tensors[inputs[0]].transposed(tuple(self.constants[inputs[1]].tolist()))

    def elementwise(self, node: Node, inputs: list[str]) -> None:
        """Identity, LeakyRelu, Sigmoid."""
        slope = {"alpha": float(node["attr"]["alpha"]["f"])} if node["op"] == "LeakyRelu" else {}
        tensor = self.tensors[inputs[0]]
        self.tensors[node["name"]] = _Tensor(self._emit(node["op"], [tensor.name], **slope), tensor.order)

    def add(self, node: Node, inputs: list[str]) -> None:
        """A sum of two tensors of one shape, or of a tensor and a vector along TensorFlow's last axis."""
        first, second = inputs
        tensor = self.tensors[first]
        if second in self.constants:
            vector = self.constants[second]
            if vector.ndim != 1:
                raise _UnknownError(f"node {node['name']}: expected a vector to add, got shape {vector.shape}")
            other = self._constant(vector.reshape(-1, *(1,) * (len(tensor.order) - 1 - tensor.order[-1])))
        else:
            other = self._in_order(self.tensors[second], tensor.order)
        self.tensors[node["name"]] = _Tensor(self._emit("Add", [tensor.name, other]), tensor.order)

    def convolve(self, node: Node, inputs: list[str]) -> None:
        """Conv2D with weights (height, width, in, out), without padding."""
        picture, weights = self.tensors[inputs[0]], self.constants[inputs[1]].transpose(3, 2, 0, 1)
        name = self._emit(
            "Conv", [self._in_order(picture, _CHANNELS_LAST), self._constant(weights)], strides=_window(node, "strides")
        )
        if _window(node, "dilations") != [1, 1]:
            raise _UnknownError(f"node {node['name']}: expected no dilation")
        self.tensors[node["name"]] = _Tensor(name, _CHANNELS_LAST)

    def pool(self, node: Node, inputs: list[str]) -> None:
        """MaxPool without padding."""
        name = self._emit(
            "MaxPool",
            [self._in_order(self.tensors[inputs[0]], _CHANNELS_LAST)],
            kernel_shape=_window(node, "ksize"),
            strides=_window(node, "strides"),
        )
        self.tensors[node["name"]] = _Tensor(name, _CHANNELS_LAST)

    def pad(self, node: Node, inputs: list[str]) -> None:
        """Pad (with 0) and PadV2 (with a given value)."""
        tensor, amounts = self.tensors[inputs[0]], self.constants[inputs[1]]
        pads = np.zeros((2, len(tensor.order)), dtype=np.int64)
        pads[:, list(tensor.order)] = amounts.T
        value = self.constants[inputs[2]] if len(inputs) > 2 else np.zeros((), np.float32)
        name = self._emit("Pad", [tensor.name, self._constant(pads.ravel()), self._constant(value)], mode="constant")
        self.tensors[node["name"]] = _Tensor(name, tensor.order)

    def concatenate(self, node: Node, inputs: list[str]) -> None:
        """ConcatV2, whose last input is the axis."""
        *parts, axis = inputs
        order = self.tensors[parts[0]].order
        names = [self._in_order(self.tensors[part], order) for part in parts]
        place = order[int(self.constants[axis])]
        self.tensors[node["name"]] = _Tensor(self._emit("Concat", names, axis=place), order)

    def split(self, node: Node, inputs: list[str]) -> None:
        """SplitV; its outputs are called NAME, NAME:1 and so on."""
        tensor, sizes, axis = self.tensors[inputs[0]], self.constants[inputs[1]], int(self.constants[inputs[2]])
        names = [f"Split_{len(self.nodes)}_{part}" for part in range(len(sizes))]
        self._emit("Split", [tensor.name, self._constant(sizes)], *names, axis=tensor.order[axis])
        for part, name in enumerate(names):
            self.tensors[f"{node['name']}:{part}" if part else node["name"]] = _Tensor(name, tensor.order)

    def resize(self, node: Node, inputs: list[str]) -> None:
        """ResizeBilinear between the centres of pixels."""
        attributes = node["attr"]
        if attributes["align_corners"]["b"] or not attributes["half_pixel_centers"]["b"]:
            raise _UnknownError(f"node {node['name']}: expected ResizeBilinear with half_pixel_centers")
        picture = self._in_order(self.tensors[inputs[0]], _CHANNELS_LAST)
        batch_and_channels = self._emit("Shape", [picture], end=2)  # not the attribute axes: onnxruntime 1.32 fails
        sizes = self._emit("Concat", [batch_and_channels, self._constant(self.constants[inputs[1]])], axis=0)
        name = self._emit(
            "Resize", [picture, "", "", sizes], mode="linear", coordinate_transformation_mode="half_pixel"
        )
        self.tensors[node["name"]] = _Tensor(name, _CHANNELS_LAST)

    def reshape(self, node: Node, inputs: list[str]) -> None:
        """Reshape to a constant shape."""
        tensor, shape = self.tensors[inputs[0]], self.constants[inputs[1]]
        plain = self._in_order(tensor, tuple(range(len(tensor.order))))
        name = self._emit("Reshape", [plain, self._constant(shape)])
        self.tensors[node["name"]] = _Tensor(name, tuple(range(len(shape))))


def _signature(entries: Mapping[str, Any]) -> list[tuple[str, list[int]]]:
    """Return name and shape of each input or output."""
    return [
        (entry["name"].removesuffix(":0"), [int(side["size"]) for side in entry["tensorShape"]["dim"]])
        for entry in entries.values()
    ]


def _window(node: Node, key: str) -> list[int]:
    """Return height and width of a setting of Conv2D or MaxPool, which must be of channels-last and unpadded kind."""
    for setting, expected in (("data_format", "NHWC"), ("padding", "VALID")):
        if (found := base64.b64decode(node["attr"][setting]["s"]).decode()) != expected:
            raise _UnknownError(f"node {node['name']}: expected {setting} {expected}, got {found}")
    batch, height, width, channels = (int(value) for value in node["attr"].get(key, _ONES)["list"]["i"])
    if (batch, channels) != (1, 1):
        raise _UnknownError(f"node {node['name']}: expected {key} over height and width only")
    return [height, width]


def _dense(indices: npt.NDArray[Any], shape: npt.NDArray[Any], values: npt.NDArray[Any], rest: npt.NDArray[Any]) -> Any:
    """Return what SparseToDense does with constants."""
    if math.prod(int(side) for side in shape) > _LARGEST_CONSTANT:
        raise _UnknownError(f"expected constants of at most {_LARGEST_CONSTANT} numbers, got shape {shape.tolist()}")
    dense = np.full(shape, rest)
    dense[tuple(indices.T)] = values
    return dense


_LARGEST_CONSTANT = 1 << 22
_ONES = {"list": {"i": [1, 1, 1, 1]}}
_FOLDED: dict[str, Callable[..., Any]] = {"AddV2": np.add, "Add": np.add, "SparseToDense": _dense}
"""What is computed here and now where all inputs are constants."""
_KNOWN: dict[str, Callable[[_Converter, Node, list[str]], None]] = {
    "Add": _Converter.add,
    "AddV2": _Converter.add,
    "ConcatV2": _Converter.concatenate,
    "Conv2D": _Converter.convolve,
    "Identity": _Converter.elementwise,
    "LeakyRelu": _Converter.elementwise,
    "MaxPool": _Converter.pool,
    "Pad": _Converter.pad,
    "PadV2": _Converter.pad,
    "Reshape": _Converter.reshape,
    "ResizeBilinear": _Converter.resize,
    "Sigmoid": _Converter.elementwise,
    "SplitV": _Converter.split,
    "Transpose": _Converter.transpose,
}
