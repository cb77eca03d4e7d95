"""The ONNX graph that grows out of a TensorFlow.js graph.

TensorFlow keeps pictures as (batch, height, width, channels), ONNX as (batch, channels, height, width), so such graphs
are full of transpositions. None is carried over: each tensor stays in ONNX's order, and what a transposition says is
remembered with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Node = Mapping[str, Any]


class UnknownError(Exception):
    """Something in the graph that this converter does not know; the text says what."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the new graph: axis i of TensorFlow's tensor is axis `order[i]` of the one called `name`."""

    name: str
    order: tuple[int, ...]
    last_length: int | None = None
    """Of TensorFlow's last axis, where it is known."""

    def transposed(self, order: tuple[int, ...]) -> "Tensor":
        """Return the tensor whose axis i is this one's axis `order[i]`."""
        return Tensor(self.name, tuple(self.order[axis] for axis in order))


@dataclass(slots=True)
class Graph:
    """The graph as it grows: constants by TensorFlow's names, tensors by TensorFlow's names, ONNX nodes."""

    constants: dict[str, npt.NDArray[Any]]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)

    def constant(self, array: npt.NDArray[Any]) -> str:
        """Return the name of a new constant of the graph."""
        from onnx import numpy_helper

        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def emit(self, operation: str, inputs: list[str], *outputs: str, **attributes: Any) -> str:
        """Add an ONNX node; return the name of its first output, a new one where none is given."""
        from onnx import helper

        names = outputs or (f"{operation}_{len(self.nodes)}",)
        self.nodes.append(helper.make_node(operation, inputs, list(names), **attributes))
        return names[0]

    def keep(self, node: Node, name: str, order: tuple[int, ...], last_length: int | None = None) -> None:
        """Remember the tensor `name` as what TensorFlow's node gives."""
        self.tensors[node["name"]] = Tensor(name, order, last_length)

    def last_length(self, name: str) -> int | None:
        """Return the length of the last axis of a tensor or constant of TensorFlow's, where it is known."""
        return self.constants[name].shape[-1] if name in self.constants else self.tensors[name].last_length

    def in_order(self, tensor: Tensor, order: tuple[int, ...]) -> str:
        """Return the name of a tensor whose order is `order`, transposed if need be."""
        if tensor.order == order:
            return tensor.name
        axes = [0] * len(order)
        for wanted, given in zip(order, tensor.order, strict=True):
            axes[wanted] = given
        return self.emit("Transpose", [tensor.name], perm=axes)

    def plain(self, name: str) -> tuple[str, int]:
        """Return name and number of axes of a tensor or constant of TensorFlow's, in TensorFlow's order."""
        if name in self.constants:
            return self.constant(self.constants[name]), self.constants[name].ndim
        tensor = self.tensors[name]
        return self.in_order(tensor, tuple(range(len(tensor.order)))), len(tensor.order)
