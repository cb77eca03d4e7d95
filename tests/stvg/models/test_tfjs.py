"""The converter on small graphs, each operation against NumPy or torch, in TensorFlow's order of axes."""

import base64
import json
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stvg.errors import InputError
from stvg.models.tfjs import convert_graph

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
SHAPE = (1, 6, 5, 3)
TO_ONNX, TO_TF = [0, 3, 1, 2], [0, 2, 3, 1]


def text(value: str) -> dict[str, str]:
    return {"s": base64.b64encode(value.encode()).decode()}


def window(strides: tuple[int, int] = (1, 1), **others: Any) -> dict[str, Any]:
    ones = [1, *strides, 1]
    return {
        "data_format": text("NHWC"),
        "padding": text("VALID"),
        "strides": {"list": {"i": ones}},
        "dilations": {"list": {"i": ["1", "1", "1", "1"]}},
        **others,
    }


def files(
    nodes: list[dict[str, Any]],
    weights: dict[str, np.ndarray],
    outputs: dict[str, tuple[int, ...]],
    half: bool = False,
    shape: tuple[int, ...] = SHAPE,
    kind: str = "DT_FLOAT",
) -> tuple[bytes, bytes]:
    """The .json and .bin of a graph with one input `x`."""
    manifest, data = [], b""
    for name, array in weights.items():
        entry = {"name": name, "shape": list(array.shape), "dtype": str(array.dtype)}
        if half and array.dtype == np.float32:
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
            array = array.astype(np.float16)
        manifest.append(entry)
        data += array.tobytes()

    def entries(shapes: dict[str, tuple[int, ...]], kind: str = "DT_FLOAT") -> dict[str, Any]:
        return {
            f"{name}:0": {"name": f"{name}:0", "dtype": kind, "tensorShape": {"dim": [{"size": str(n)} for n in shape]}}
            for name, shape in shapes.items()
        }

    given = [{"name": "x", "op": "Placeholder"}, *({"name": name, "op": "Const"} for name in weights)]
    model = {
        "modelTopology": {"node": [*given, *nodes]},
        "weightsManifest": [{"paths": ["m.bin"], "weights": manifest}],
        "signature": {"inputs": entries({"x": shape}, kind), "outputs": entries(outputs)},
    }
    return json.dumps(model).encode(), data


def node(op: str, inputs: list[str], name: str = "y", **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": inputs, "attr": attributes}


def answer(model: bytes, x: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    outputs: list[np.ndarray] = session.run(None, {"x": x})
    return outputs


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def fused(*names: str) -> dict[str, Any]:
    return {"list": {"s": [text(name)["s"] for name in names]}}


def convolved(x: np.ndarray, kernel: np.ndarray, strides: tuple[int, int], is_same: bool) -> np.ndarray:
    """A convolution of each channel alone, one product at a time; SAME as TensorFlow's documentation defines it."""
    sides = zip(x.shape[1:3], kernel.shape[:2], strides, strict=True)
    over = [max((-(-side // step) - 1) * step + size - side, 0) if is_same else 0 for side, size, step in sides]
    padded = np.pad(x, [(0, 0), *((one // 2, one - one // 2) for one in over), (0, 0)]).astype(np.float64)
    height, width = (
        (side - size) // step + 1 for side, size, step in zip(padded.shape[1:3], kernel.shape, strides, strict=False)
    )
    out = np.zeros((len(x), height, width, kernel.shape[2] * kernel.shape[3]))
    for b, i, j, c, m in np.ndindex(*out.shape[:3], *kernel.shape[2:]):
        for k, n in np.ndindex(*kernel.shape[:2]):
            pixel = padded[b, i * strides[0] + k, j * strides[1] + n, c]
            out[b, i, j, c * kernel.shape[3] + m] += pixel * kernel[k, n, c, m]
    return out


RNG = np.random.default_rng(0)
X = RNG.normal(size=SHAPE).astype(np.float32)
KERNEL = RNG.normal(size=(3, 2, 3, 4)).astype(np.float32)
EACH = RNG.normal(size=(3, 2, 3, 2)).astype(np.float32)
BIAS = RNG.normal(size=6).astype(np.float32)
GRID = RNG.normal(size=(5, 3)).astype(np.float32)
PADDINGS = np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32)
TORCH_X = torch.from_numpy(X.transpose(TO_ONNX))
CASES: dict[str, tuple[dict[str, Any], dict[str, np.ndarray], np.ndarray]] = {
    "conv, stride 2 and 1": (
        node("Conv2D", ["x", "w"], **window((2, 1))),
        {"w": KERNEL},
        F.conv2d(TORCH_X, torch.tensor(KERNEL.transpose(3, 2, 0, 1)), stride=(2, 1)).numpy().transpose(TO_TF),
    ),
    "max pool": (
        node("MaxPool", ["x"], **window((2, 2), ksize={"list": {"i": ["1", "3", "2", "1"]}})),
        {},
        F.max_pool2d(TORCH_X, (3, 2), (2, 2)).numpy().transpose(TO_TF),
    ),
    "resize": (
        node("ResizeBilinear", ["x", "s"], align_corners={"b": False}, half_pixel_centers={"b": True}),
        {"s": ints(9, 10)},
        F.interpolate(TORCH_X, (9, 10), mode="bilinear", align_corners=False).numpy().transpose(TO_TF),
    ),
    "conv, each channel alone": (
        node("DepthwiseConv2dNative", ["x", "w"], **window((1, 2))),
        {"w": EACH},
        convolved(X, EACH, (1, 2), is_same=False),
    ),
    "conv, each channel alone, as many pixels": (
        node("DepthwiseConv2dNative", ["x", "w"], **window(padding=text("SAME"))),
        {"w": EACH},
        convolved(X, EACH, (1, 1), is_same=True),
    ),
    "conv, each channel alone, half as many pixels, no less than 0": (
        node(
            "FusedDepthwiseConv2dNative",
            ["x", "w", "b"],
            **window((2, 2), padding=text("SAME"), fused_ops=fused("BiasAdd", "Relu")),
        ),
        {"w": EACH, "b": BIAS},
        np.maximum(convolved(X, EACH, (2, 2), is_same=True) + BIAS, 0),
    ),
    "conv with a bias, between 0 and 6": (
        node("_FusedConv2D", ["x", "w", "b"], **window(fused_ops=fused("BiasAdd", "Relu6"))),
        {"w": 3 * KERNEL, "b": BIAS[:4]},
        np.clip(
            3 * F.conv2d(TORCH_X, torch.tensor(KERNEL.transpose(3, 2, 0, 1))).numpy().transpose(TO_TF) + BIAS[:4], 0, 6
        ),
    ),
    "conv with a bias alone": (
        node("_FusedConv2D", ["x", "w", "b"], **window(fused_ops=fused("BiasAdd"))),
        {"w": KERNEL, "b": BIAS[:4]},
        F.conv2d(TORCH_X, torch.tensor(KERNEL.transpose(3, 2, 0, 1))).numpy().transpose(TO_TF) + BIAS[:4],
    ),
    "pad": (node("Pad", ["x", "p"]), {"p": PADDINGS}, np.pad(X, PADDINGS)),
    "pad with a value": (
        node("PadV2", ["x", "p", "v"]),
        {"p": PADDINGS, "v": np.float32(-7).reshape(())},
        np.pad(X, PADDINGS, constant_values=-7),
    ),
    "leaky": (node("LeakyRelu", ["x"], alpha={"f": 0.25}), {}, np.where(X < 0, X / 4, X)),
    "sigmoid": (node("Sigmoid", ["x"]), {}, 1 / (1 + np.exp(-X))),
    "identity": (node("Identity", ["x"]), {}, X),
    "add a vector": (node("AddV2", ["x", "v"]), {"v": np.arange(3, dtype=np.float32)}, X + np.arange(3)),
    "add a number": (node("AddV2", ["x", "v"]), {"v": np.float32(1.5).reshape(())}, X + 1.5),
    "subtract from a grid": (node("Sub", ["v", "x"]), {"v": GRID}, GRID - X),
    "times a grid": (node("Mul", ["x", "v"]), {"v": GRID}, X * GRID),
    "divided by": (node("RealDiv", ["v", "x"]), {"v": GRID}, GRID / X),
    "squared difference": (node("SquaredDifference", ["x", "v"]), {"v": GRID}, (X - GRID) ** 2),
    "expand": (node("ExpandDims", ["x", "a"]), {"a": ints(-1).reshape(())}, X[..., None]),
    "squeeze": (node("Squeeze", ["x"], squeeze_dims={"list": {"i": ["0"]}}), {}, X[0]),
    "unpack": (node("Unpack", ["x"], axis={"i": "0"}, num={"i": "1"}), {}, X[0]),
    "pack": (node("Pack", ["x", "x", "v"], axis={"i": "3"}), {"v": X + 1}, np.stack([X, X, X + 1], axis=3)),
    "gather one": (node("GatherNd", ["x", "i"]), {"i": ints(0, 4, 1, 2)}, X[0, 4, 1, 2]),
    "gather vectors": (
        node("GatherNd", ["x", "i"]),
        {"i": np.array([[0, 5, 4], [0, 0, 3]], np.int32)},
        X[[0, 0], [5, 0], [4, 3]],
    ),
    "concat with a constant": (
        node("ConcatV2", ["v", "x", "a"]),
        {"v": X[..., :1] + 1, "a": ints(-1).reshape(())},
        np.concatenate([X[..., :1] + 1, X], axis=-1),
    ),
    "add itself": (node("Add", ["x", "x"]), {}, 2 * X),
    "transpose": (node("Transpose", ["x", "p"]), {"p": ints(0, 3, 1, 2)}, X.transpose(TO_ONNX)),
    "concat": (node("ConcatV2", ["x", "x", "a"]), {"a": ints(2).reshape(())}, np.concatenate([X, X], axis=2)),
    "reshape": (node("Reshape", ["x", "s"]), {"s": ints(1, -1, 3)}, X.reshape(1, -1, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_operations(name: str) -> None:
    made, weights, expected = CASES[name]
    model = convert_graph(*files([made], weights, {"y": expected.shape}), "m")
    np.testing.assert_allclose(answer(model, X)[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("order", [(0, 3, 1, 2), (0, 2, 1, 3), (0, 1, 3, 2)])
def test_operations_after_and_before_a_transposition(name: str, order: tuple[int, ...]) -> None:
    """The input comes in another order, is transposed to x, and the answer's first two picture axes are swapped."""
    made, weights, expected = CASES[name]
    given = X.transpose(order)
    back = tuple(np.argsort(order).tolist())
    made = {**made, "input": ["t" if one == "x" else one for one in made.get("input", [])]}
    swap = {4: (0, 2, 1, 3), 3: (0, 2, 1)}.get(expected.ndim, tuple(range(expected.ndim))[::-1])
    nodes = [node("Transpose", ["x", "back"], "t"), made, node("Transpose", ["y", "swap"], "z")]
    weights = {**weights, "back": ints(*back), "swap": ints(*swap)}
    wanted = expected.transpose(swap)
    model = convert_graph(*files(nodes, weights, {"z": wanted.shape}, shape=given.shape), "m")
    np.testing.assert_allclose(answer(model, given)[0], wanted, rtol=1e-5, atol=1e-6)


WHERE = {"a": ints(1).reshape(()), "seven": ints(-7).reshape(()), "five": ints(5).reshape(())}


def test_places_of_the_largest_become_coordinates_and_values() -> None:
    """As decoders of heat maps have it: ArgMax, FloorDiv and what is over, Pack, GatherNd; the first of equal ones."""
    x = RNG.integers(0, 4, (1, 6, 5, 3)).astype(np.int32)
    nodes = [
        node("Cast", ["x"], "f", DstT={"type": "DT_FLOAT"}),
        node("Reshape", ["f", "s"], "flat"),
        node("ArgMax", ["flat", "a"], "places"),
        node("Reshape", ["places", "v"], "p"),
        node("FloorDiv", ["p", "five"], "row", T={"type": "DT_INT32"}),
        node("Mul", ["row", "five"], "start"),
        node("Sub", ["p", "start"], "column"),
        node("Pack", ["zeros", "row", "column"], "pixel", axis={"i": "1"}),
        node("ConcatV2", ["pixel", "channel", "a"], "entry"),
        node("GatherNd", ["f", "entry"], "best"),
        node("GatherNd", ["f", "pixel"], "around"),
        node("ExpandDims", ["best", "a"], "y"),
        node("Cast", ["column"], "z", DstT={"type": "DT_FLOAT"}),
    ]
    weights = {**WHERE, "s": ints(1, 30, 3), "v": ints(-1), "zeros": ints(0, 0, 0), "channel": ints(0, 1, 2)[:, None]}
    shapes = {"around": (3, 3), "y": (3, 1), "z": (3,)}
    around, best, column = answer(convert_graph(*files(nodes, weights, shapes, kind="DT_INT32"), "m"), x)
    for channel in range(3):
        values = x[0, :, :, channel].ravel().tolist()
        place = values.index(max(values))
        assert (best[channel, 0], column[channel]) == (max(values), place % 5)
        assert around[channel].tolist() == x[0, place // 5, place % 5].tolist()


@pytest.mark.parametrize("divisor", ["five", "seven"])
def test_quotients_of_whole_numbers_are_rounded_down(divisor: str) -> None:
    x = np.array([0, 1, 2, 3], np.float32)
    nodes = [
        node("ArgMax", ["x", "zero"], "m"),
        node("Sub", ["m", "v"], "n"),
        node("FloorDiv", ["n", divisor], "q", T={"type": "DT_INT32"}),
        node("Cast", ["q"], "y", DstT={"type": "DT_FLOAT"}),
    ]
    values = np.arange(-12, 13).astype(np.int32)
    weights = {**WHERE, "zero": ints(0).reshape(()), "v": values}
    model = convert_graph(*files(nodes, weights, {"y": (25,)}, shape=(4,)), "m")
    expected = [(3 - value) // int(weights[divisor]) for value in values.tolist()]
    assert answer(model, x)[0].tolist() == expected


def test_square_root_and_tensors_of_fewer_axes() -> None:
    """The root of x's squares, less its own last picture row: broadcast by the last axes, as TensorFlow does."""
    nodes = [
        node("Transpose", ["x", "p"], "t"),
        node("Mul", ["t", "t"], "squares"),
        node("Sqrt", ["squares"], "sizes"),
        node("GatherNd", ["t", "i"], "row"),
        node("Sub", ["sizes", "row"]),
    ]
    turned = X.transpose(TO_ONNX)
    model = convert_graph(*files(nodes, {"p": ints(*TO_ONNX), "i": ints(0, 2)}, {"y": turned.shape}), "m")
    np.testing.assert_allclose(answer(model, X)[0], np.abs(turned) - turned[0, 2], rtol=1e-5, atol=1e-6)


def test_split_names_its_outputs_and_outputs_stand_in_order() -> None:
    made = node("SplitV", ["x", "n", "a"])
    last = node("Identity", ["y:1"], "z")
    first = node("Identity", ["y"], "b")
    weights = {"n": ints(1, 2), "a": ints(-1).reshape(())}
    model = convert_graph(*files([made, last, first], weights, {"z": (1, 6, 5, 2), "b": (1, 6, 5, 1)}), "m")
    small, large = answer(model, X)
    np.testing.assert_array_equal(small, X[..., :1])
    np.testing.assert_array_equal(large, X[..., 1:])


def test_sums_of_constants_are_made_at_once() -> None:
    """As the exports say shapes: a constant and a vector of nothing but zeros, given sparsely."""
    weights = {
        "i": np.zeros((0, 1), np.int32),
        "n": ints(3),
        "v": np.zeros(0, np.int32),
        "d": ints(0).reshape(()),
        "s": ints(1, -1, 3),
        "one": np.array([[1]], np.int32),
        "two": ints(2),
    }
    nodes = [
        node("SparseToDense", ["i", "n", "v", "d"], "zeros"),
        node("AddV2", ["s", "zeros"], "shape"),
        node("Reshape", ["x", "shape"]),
    ]
    model = convert_graph(*files(nodes, weights, {"y": (1, 30, 3)}), "m")
    np.testing.assert_array_equal(answer(model, X)[0], X.reshape(1, 30, 3))
    nodes[0] = node("SparseToDense", ["one", "n", "two", "d"], "zeros")  # 0, 2, 0: the shape is 1, 1, 3
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.Fail):
        answer(convert_graph(*files(nodes, weights, {"y": (1, 1, 3)}), "m"), X)


def test_half_precision_weights_become_float32() -> None:
    made, weights, expected = CASES["conv, stride 2 and 1"]
    model = convert_graph(*files([made], weights, {"y": expected.shape}, half=True), "m")
    gap = np.abs(answer(model, X)[0] - expected).max()
    assert 0 < gap < 1e-2
    assert {one.data_type for one in onnx.load_model_from_string(model).graph.initializer} == {onnx.TensorProto.FLOAT}


def test_no_transposition_is_carried_over() -> None:
    """Two convolutions between transpositions there and back, as exports of PyTorch models have them."""
    kernel = {"w": RNG.normal(size=(1, 1, 3, 3)).astype(np.float32), "in": ints(*TO_TF), "out": ints(*TO_ONNX)}
    nodes = [
        node("Transpose", ["x", "in"], "a"),
        node("Conv2D", ["a", "w"], "b", **window()),
        node("Transpose", ["b", "out"], "c"),
        node("LeakyRelu", ["c"], "d", alpha={"f": 0.1}),
        node("Transpose", ["d", "in"], "e"),
        node("Conv2D", ["e", "w"], "f", **window()),
        node("Transpose", ["f", "out"], "y"),
    ]
    model = convert_graph(*files(nodes, kernel, {"y": (1, 3, 6, 5)}, shape=(1, 3, 6, 5)), "m")
    assert [one.op_type for one in onnx.load_model_from_string(model).graph.node] == [
        "Conv",
        "LeakyRelu",
        "Conv",
        "Identity",
    ]


GOOD = CASES["conv, stride 2 and 1"]


def wrong(**changes: Any) -> dict[str, Any]:
    return {**GOOD[0], "attr": {**GOOD[0]["attr"], **changes}}


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (node("Tanh", ["x"]), r"m: node y: expected one of Add, .*, _FusedConv2D, got Tanh"),
        (wrong(padding=text("EXPLICIT")), "m: node y: expected padding VALID or SAME, got EXPLICIT"),
        (
            node("MaxPool", ["x"], **window(padding=text("SAME"), ksize={"list": {"i": [1, 2, 2, 1]}})),
            "m: node y: expected padding VALID, got SAME",
        ),
        (
            wrong(fused_ops=fused("BiasAdd", "Elu")),
            "m: node y: expected BiasAdd and one of Relu, Relu6 fused, got BiasAdd, Elu",
        ),
        (wrong(fused_ops=fused("Relu")), "m: node y: expected BiasAdd and one of Relu, Relu6 fused, got Relu"),
        (node("Cast", ["x"], DstT={"type": "DT_INT32"}), "m: node y: expected a cast to DT_FLOAT, got DT_INT32"),
        (
            node("FloorDiv", ["x", "w"], T={"type": "DT_FLOAT"}),
            "m: node y: expected FloorDiv of DT_INT32, got DT_FLOAT",
        ),
        (node("GatherNd", ["w", "x"]), "m: node y: expected indices from Pack or ConcatV2 along the last axis"),
        (
            node("Unpack", ["x"], axis={"i": "0"}, num={"i": "1000000000"}),
            "m: node y: expected at most 64 parts, got 1000000000",
        ),
        (wrong(data_format=text("NCHW")), "m: node y: expected data_format NHWC, got NCHW"),
        (wrong(dilations={"list": {"i": [1, 2, 2, 1]}}), "m: node y: expected no dilation"),
        (wrong(strides={"list": {"i": [1, 2, 2, 2]}}), "m: node y: expected strides over height and width only"),
        (
            node("ResizeBilinear", ["x", "s"], align_corners={"b": True}, half_pixel_centers={"b": False}),
            "m: node y: expected ResizeBilinear with half_pixel_centers",
        ),
        (node("Add", ["x", "w"]), r"m: expected a TensorFlow\.js graph model, got: ValueError: .*Incompatible dim"),
        (node("ConcatV2", ["nobody", "s"]), r"m: expected a TensorFlow\.js graph model, got: \w+Error"),
        (node("Sigmoid", ["nobody"]), r"m: expected a TensorFlow\.js graph model, got: KeyError: 'nobody'"),
        (node("Const", []), "m: node y: expected a weight or an input of that name, found none"),
    ],
)
def test_what_is_not_known_is_refused_in_one_line(made: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        convert_graph(*files([made], {**GOOD[1], "s": ints(9, 10)}, {"y": GOOD[2].shape}), "m")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("cut", "added"), [(1, b""), (0, b"\0"), (100, b"")])
def test_weights_of_another_length_are_refused(cut: int, added: bytes) -> None:
    graph, weights = files([GOOD[0]], GOOD[1], {"y": GOOD[2].shape})
    with pytest.raises(InputError, match=r"m: expected a TensorFlow\.js graph model, got: ValueError"):
        convert_graph(graph, weights[: len(weights) - cut] + added, "m")


@pytest.mark.parametrize("entry", [{"dtype": "uint8", "scale": 0.1, "min": 0}, {"dtype": "uint16"}])
def test_weights_of_another_kind_are_refused(entry: dict[str, Any]) -> None:
    graph, weights = files([GOOD[0]], GOOD[1], {"y": GOOD[2].shape})
    model = json.loads(graph)
    model["weightsManifest"][0]["weights"][0]["quantization"] = entry
    with pytest.raises(InputError, match="m: weight w: expected one of float16, float32, int32, got uint"):
        convert_graph(json.dumps(model).encode(), weights, "m")


@pytest.mark.parametrize("graph", [b"", b"[]", b"{}", b'{"weightsManifest": 3}', b"\xff\xfe"])
def test_files_of_another_kind_are_refused(graph: bytes) -> None:
    with pytest.raises(InputError, match=r"m: expected a TensorFlow\.js graph model"):
        convert_graph(graph, b"", "m")


@pytest.mark.parametrize(("side", "expected"), [("inputs", "one of DT_FLOAT, DT_INT32"), ("outputs", "DT_FLOAT")])
def test_inputs_and_outputs_of_other_kinds_are_refused(side: str, expected: str) -> None:
    graph, weights = files([GOOD[0]], GOOD[1], {"y": GOOD[2].shape})
    model = json.loads(graph)
    (entry,) = model["signature"][side].values()
    entry["dtype"] = "DT_INT64" if side == "inputs" else "DT_INT32"
    with pytest.raises(InputError, match=rf"m: .*: expected {expected}, got {entry['dtype']}$"):
        convert_graph(json.dumps(model).encode(), weights, "m")
