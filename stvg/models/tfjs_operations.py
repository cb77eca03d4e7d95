"""TensorFlow's operations in ONNX: those of the fetched models, no others."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from stvg.models.tfjs_graph import Graph, Node, Tensor, UnknownError
from stvg.models.tfjs_pictures import convolve, convolve_depthwise, pool, resize

_LARGEST_CONSTANT = 1 << 22
_MOST_PARTS = 64
_ARITHMETIC = {"Add": "Add", "AddV2": "Add", "Sub": "Sub", "Mul": "Mul", "RealDiv": "Div"}


def _transpose(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Remember another order of axes."""
    graph.tensors[node["name"]] = graph.tensors[inputs[0]].transposed(tuple(graph.constants[inputs[1]].tolist()))


def _elementwise(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Identity, LeakyRelu, Sigmoid, Sqrt."""
    slope = {"alpha": float(node["attr"]["alpha"]["f"])} if node["op"] == "LeakyRelu" else {}
    tensor = graph.tensors[inputs[0]]
    graph.keep(node, graph.emit(node["op"], [tensor.name], **slope), tensor.order)


def _cast(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Cast whole numbers to float32."""
    from onnx import TensorProto

    if (kind := node["attr"]["DstT"]["type"]) != "DT_FLOAT":
        raise UnknownError(f"node {node['name']}: expected a cast to DT_FLOAT, got {kind}")
    tensor = graph.tensors[inputs[0]]
    graph.keep(node, graph.emit("Cast", [tensor.name], to=TensorProto.FLOAT), tensor.order)


def _arithmetic(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Sum, difference, product, quotient, with TensorFlow's broadcasting."""
    *operands, order = _operands(graph, inputs)
    graph.keep(node, graph.emit(_ARITHMETIC[node["op"]], operands), order)


def _squared_difference(graph: Graph, node: Node, inputs: list[str]) -> None:
    """SquaredDifference, likewise."""
    *operands, order = _operands(graph, inputs)
    difference = graph.emit("Sub", operands)
    graph.keep(node, graph.emit("Mul", [difference, difference]), order)


def _floor_divide(graph: Graph, node: Node, inputs: list[str]) -> None:
    """FloorDiv of whole numbers: ONNX rounds quotients towards zero, so what is over is taken off before."""
    if (kind := node["attr"]["T"]["type"]) != "DT_INT32":
        raise UnknownError(f"node {node['name']}: expected FloorDiv of DT_INT32, got {kind}")
    first, second, order = _operands(graph, inputs)
    multiple = graph.emit("Sub", [first, graph.emit("Mod", [first, second])])
    graph.keep(node, graph.emit("Div", [multiple, second]), order)


def _operands(graph: Graph, inputs: list[str]) -> tuple[str, str, tuple[int, ...]]:
    """Return two names that ONNX broadcasts as TensorFlow does, by their last axes, and the order of what comes out."""
    order = _common_order(graph, inputs)
    first, second = (_operand(graph, one, order) for one in inputs)
    return first, second, order


def _common_order(graph: Graph, inputs: list[str]) -> tuple[int, ...]:
    """Return the first tensor's order, or TensorFlow's where others have more axes or all are constants."""
    orders = [graph.tensors[one].order for one in inputs if one in graph.tensors]
    constants = [graph.constants[one].ndim for one in inputs if one in graph.constants]
    rank = max([len(order) for order in orders] + constants)
    is_alike = all(len(order) == rank for order in orders)
    return orders[0] if orders and is_alike else tuple(range(rank))


def _operand(graph: Graph, name: str, order: tuple[int, ...]) -> str:
    """Return the name of a tensor in this order, of fewer axes in TensorFlow's, or of a constant as fits it."""
    if name in graph.tensors:
        rank = len(graph.tensors[name].order)
        return graph.in_order(graph.tensors[name], order if rank == len(order) else tuple(range(rank)))
    array = graph.constants[name]
    full = array.reshape((1,) * (len(order) - array.ndim) + array.shape)
    return graph.constant(full.transpose(np.argsort(order)))


def _pad(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Pad (with 0) and PadV2 (with a given value)."""
    tensor, amounts = graph.tensors[inputs[0]], graph.constants[inputs[1]]
    pads = np.zeros((2, len(tensor.order)), dtype=np.int64)
    pads[:, list(tensor.order)] = amounts.T
    value = graph.constants[inputs[2]] if len(inputs) > 2 else np.zeros((), np.float32)
    name = graph.emit("Pad", [tensor.name, graph.constant(pads.ravel()), graph.constant(value)], mode="constant")
    graph.keep(node, name, tensor.order)


def _concatenate(graph: Graph, node: Node, inputs: list[str]) -> None:
    """ConcatV2, whose last input is the axis."""
    *parts, axis = inputs
    order = _common_order(graph, parts)
    names = [_operand(graph, part, order) for part in parts]
    place = order[int(graph.constants[axis])]
    lengths = [graph.last_length(part) for part in parts] if place == order[-1] else [None]
    length = None if None in lengths else sum(one for one in lengths if one)
    graph.keep(node, graph.emit("Concat", names, axis=place), order, length)


def _split(graph: Graph, node: Node, inputs: list[str]) -> None:
    """SplitV; its outputs are called NAME, NAME:1 and so on."""
    tensor, sizes, axis = graph.tensors[inputs[0]], graph.constants[inputs[1]], int(graph.constants[inputs[2]])
    names = [f"Split_{len(graph.nodes)}_{part}" for part in range(len(sizes))]
    graph.emit("Split", [tensor.name, graph.constant(sizes)], *names, axis=tensor.order[axis])
    for part, name in enumerate(names):
        graph.tensors[f"{node['name']}:{part}" if part else node["name"]] = Tensor(name, tensor.order)


def _unpack(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Unpack, which takes an axis away; its outputs are called NAME, NAME:1 and so on."""
    name, rank = graph.plain(inputs[0])
    axis, count = int(node["attr"]["axis"]["i"]), int(node["attr"]["num"]["i"])
    if count > _MOST_PARTS:
        raise UnknownError(f"node {node['name']}: expected at most {_MOST_PARTS} parts, got {count}")
    for part in range(count):
        one = graph.emit("Gather", [name, graph.constant(np.array(part, np.int64))], axis=axis)
        graph.tensors[f"{node['name']}:{part}" if part else node["name"]] = Tensor(one, tuple(range(rank - 1)))


def _pack(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Pack, which adds an axis."""
    axis = int(node["attr"]["axis"]["i"])
    parts = [graph.plain(one) for one in inputs]
    names = [graph.emit("Unsqueeze", [name, graph.constant(np.array([axis], np.int64))]) for name, _ in parts]
    order = tuple(range(parts[0][1] + 1))
    graph.keep(node, graph.emit("Concat", names, axis=axis), order, len(parts) if order[axis] == order[-1] else None)


def _expand(graph: Graph, node: Node, inputs: list[str]) -> None:
    """ExpandDims, whose second input is the place of the new axis."""
    name, rank = graph.plain(inputs[0])
    axis = graph.constants[inputs[1]].reshape(1)
    graph.keep(node, graph.emit("Unsqueeze", [name, graph.constant(axis)]), tuple(range(rank + 1)))


def _squeeze(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Squeeze of named axes."""
    name, rank = graph.plain(inputs[0])
    axes = np.array([int(one) for one in node["attr"]["squeeze_dims"]["list"]["i"]], np.int64)
    graph.keep(node, graph.emit("Squeeze", [name, graph.constant(axes)]), tuple(range(rank - len(axes))))


def _arg_max(graph: Graph, node: Node, inputs: list[str]) -> None:
    """ArgMax, whose second input is the axis; of equal ones the first."""
    name, rank = graph.plain(inputs[0])
    axis = int(graph.constants[inputs[1]])
    graph.keep(node, graph.emit("ArgMax", [name], axis=axis, keepdims=0), tuple(range(rank - 1)))


def _gather(graph: Graph, node: Node, inputs: list[str]) -> None:
    """GatherNd, whose second input has one index for each of the first axes of the first along its last axis."""
    (values, rank), (places, rank_of_places) = graph.plain(inputs[0]), graph.plain(inputs[1])
    if (indices := graph.last_length(inputs[1])) is None:
        raise UnknownError(f"node {node['name']}: expected indices from Pack or ConcatV2 along the last axis")
    order = tuple(range(rank_of_places - 1 + rank - indices))
    graph.keep(node, graph.emit("GatherND", [values, places]), order)


def _reshape(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Reshape to a constant shape."""
    shape = graph.constants[inputs[1]]
    name = graph.emit("Reshape", [graph.plain(inputs[0])[0], graph.constant(shape)])
    graph.keep(node, name, tuple(range(len(shape))))


def _dense(indices: npt.NDArray[Any], shape: npt.NDArray[Any], values: npt.NDArray[Any], rest: npt.NDArray[Any]) -> Any:
    """Return what SparseToDense does with constants."""
    if math.prod(int(side) for side in shape) > _LARGEST_CONSTANT:
        raise UnknownError(f"expected constants of at most {_LARGEST_CONSTANT} numbers, got shape {shape.tolist()}")
    dense = np.full(shape, rest)
    dense[tuple(indices.T)] = values
    return dense


FOLDED: Mapping[str, Callable[..., Any]] = {"AddV2": np.add, "Add": np.add, "SparseToDense": _dense}
"""What is computed here and now where all inputs are constants."""
KNOWN: Mapping[str, Callable[[Graph, Node, list[str]], None]] = {
    "Add": _arithmetic,
    "AddV2": _arithmetic,
    "ArgMax": _arg_max,
    "Cast": _cast,
    "ConcatV2": _concatenate,
    "Conv2D": convolve,
    "DepthwiseConv2dNative": convolve_depthwise,
    "ExpandDims": _expand,
    "FloorDiv": _floor_divide,
    "FusedDepthwiseConv2dNative": convolve_depthwise,
    "GatherNd": _gather,
    "Identity": _elementwise,
    "LeakyRelu": _elementwise,
    "MaxPool": pool,
    "Mul": _arithmetic,
    "Pack": _pack,
    "Pad": _pad,
    "PadV2": _pad,
    "RealDiv": _arithmetic,
    "Reshape": _reshape,
    "ResizeBilinear": resize,
    "Sigmoid": _elementwise,
    "SplitV": _split,
    "Sqrt": _elementwise,
    "SquaredDifference": _squared_difference,
    "Squeeze": _squeeze,
    "Sub": _arithmetic,
    "Transpose": _transpose,
    "Unpack": _unpack,
    "_FusedConv2D": convolve,
}
"""What adds each operation of TensorFlow to the graph, given its node and the names of its inputs."""
