"""TensorFlow's operations on pictures in ONNX: convolution, pooling, resizing."""

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from stvg.models.tfjs_graph import Graph, Node, UnknownError

_CHANNELS_LAST = (0, 2, 3, 1)
"""The order that turns an ONNX picture into TensorFlow's."""
_ONES = {"list": {"i": [1, 1, 1, 1]}}
_ACTIVATIONS: dict[str, tuple[float, ...]] = {"Relu": (0,), "Relu6": (0, 6)}
"""What may be fused with a convolution: the least value, and the largest where there is one."""


def convolve(graph: Graph, node: Node, inputs: list[str]) -> None:
    """Conv2D, with weights (height, width, in, out)."""
    weights = graph.constants[inputs[1]].transpose(3, 2, 0, 1)
    _emit_convolution(graph, node, inputs, weights, group=1)


def convolve_depthwise(graph: Graph, node: Node, inputs: list[str]) -> None:
    """DepthwiseConv2dNative, with weights (height, width, in, outputs of each)."""
    weights = graph.constants[inputs[1]]
    height, width, channels, multiplier = weights.shape
    by_output = weights.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    _emit_convolution(graph, node, inputs, by_output, group=channels)


def _emit_convolution(graph: Graph, node: Node, inputs: list[str], weights: npt.NDArray[Any], group: int) -> None:
    """Add a convolution with ONNX's weights, and the bias and activation that are fused with it."""
    strides, padding = _window(node, "strides"), _text(node["attr"]["padding"]["s"])
    if padding not in ("VALID", "SAME"):
        raise UnknownError(f"node {node['name']}: expected padding VALID or SAME, got {padding}")
    if _window(node, "dilations") != [1, 1]:
        raise UnknownError(f"node {node['name']}: expected no dilation")
    fused = [_text(one) for one in node["attr"].get("fused_ops", {"list": {}})["list"].get("s", [])]
    if fused and (fused[0] != "BiasAdd" or len(fused) > 2 or any(one not in _ACTIVATIONS for one in fused[1:])):
        raise UnknownError(
            f"node {node['name']}: expected BiasAdd and one of {', '.join(_ACTIVATIONS)} fused, got {', '.join(fused)}"
        )
    bias = [graph.constant(graph.constants[inputs[2]])] if fused else []
    picture = graph.in_order(graph.tensors[inputs[0]], _CHANNELS_LAST)
    # SAME_UPPER: the odd row of zeros below and to the right, as TensorFlow has it
    pads = "SAME_UPPER" if padding == "SAME" else "VALID"
    inputs = [picture, graph.constant(weights), *bias]
    name = graph.emit("Conv", inputs, strides=strides, group=group, auto_pad=pads)
    for activation in fused[1:]:
        limits = [graph.constant(np.array(one, np.float32)) for one in _ACTIVATIONS[activation]]
        name = graph.emit("Clip", [name, *limits])
    graph.keep(node, name, _CHANNELS_LAST)


def pool(graph: Graph, node: Node, inputs: list[str]) -> None:
    """MaxPool without padding."""
    if (padding := _text(node["attr"]["padding"]["s"])) != "VALID":
        raise UnknownError(f"node {node['name']}: expected padding VALID, got {padding}")
    picture = graph.in_order(graph.tensors[inputs[0]], _CHANNELS_LAST)
    sizes = {"kernel_shape": _window(node, "ksize"), "strides": _window(node, "strides")}
    graph.keep(node, graph.emit("MaxPool", [picture], **sizes), _CHANNELS_LAST)


def resize(graph: Graph, node: Node, inputs: list[str]) -> None:
    """ResizeBilinear between the centres of pixels."""
    attributes = node["attr"]
    if attributes["align_corners"]["b"] or not attributes["half_pixel_centers"]["b"]:
        raise UnknownError(f"node {node['name']}: expected ResizeBilinear with half_pixel_centers")
    picture = graph.in_order(graph.tensors[inputs[0]], _CHANNELS_LAST)
    batch_and_channels = graph.emit("Shape", [picture], end=2)  # not the attribute axes: onnxruntime 1.32 fails
    sizes = graph.emit("Concat", [batch_and_channels, graph.constant(graph.constants[inputs[1]])], axis=0)
    name = graph.emit("Resize", [picture, "", "", sizes], mode="linear", coordinate_transformation_mode="half_pixel")
    graph.keep(node, name, _CHANNELS_LAST)


def _window(node: Node, key: str) -> list[int]:
    """Return height and width of a setting of a convolution or of MaxPool, which must be of channels-last kind."""
    if (found := _text(node["attr"]["data_format"]["s"])) != "NHWC":
        raise UnknownError(f"node {node['name']}: expected data_format NHWC, got {found}")
    batch, height, width, channels = (int(value) for value in node["attr"].get(key, _ONES)["list"]["i"])
    if (batch, channels) != (1, 1):
        raise UnknownError(f"node {node['name']}: expected {key} over height and width only")
    return [height, width]


def _text(value: str) -> str:
    """Return what a setting says: it is kept in base 64."""
    return base64.b64decode(value).decode()
