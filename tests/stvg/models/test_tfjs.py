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

    def entries(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
        return {
            f"{name}:0": {"name": f"{name}:0", "tensorShape": {"dim": [{"size": str(n)} for n in shape]}}
            for name, shape in shapes.items()
        }

    given = [{"name": "x", "op": "Placeholder"}, *({"name": name, "op": "Const"} for name in weights)]
    model = {
        "modelTopology": {"node": [*given, *nodes]},
        "weightsManifest": [{"paths": ["m.bin"], "weights": manifest}],
        "signature": {"inputs": entries({"x": shape}), "outputs": entries(outputs)},
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


RNG = np.random.default_rng(0)
X = RNG.normal(size=SHAPE).astype(np.float32)
KERNEL = RNG.normal(size=(3, 2, 3, 4)).astype(np.float32)
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
    swap = (0, 2, 1, 3)[: expected.ndim] if expected.ndim == 4 else (0, 2, 1)
    nodes = [node("Transpose", ["x", "back"], "t"), made, node("Transpose", ["y", "swap"], "z")]
    weights = {**weights, "back": ints(*back), "swap": ints(*swap)}
    wanted = expected.transpose(swap)
    model = convert_graph(*files(nodes, weights, {"z": wanted.shape}, shape=given.shape), "m")
    np.testing.assert_allclose(answer(model, given)[0], wanted, rtol=1e-5, atol=1e-6)


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
        (node("Tanh", ["x"]), r"m: node y: expected one of Add, .*Transpose, got Tanh"),
        (wrong(padding=text("SAME")), "m: node y: expected padding VALID, got SAME"),
        (wrong(data_format=text("NCHW")), "m: node y: expected data_format NHWC, got NCHW"),
        (wrong(dilations={"list": {"i": [1, 2, 2, 1]}}), "m: node y: expected no dilation"),
        (wrong(strides={"list": {"i": [1, 2, 2, 2]}}), "m: node y: expected strides over height and width only"),
        (
            node("ResizeBilinear", ["x", "s"], align_corners={"b": True}, half_pixel_centers={"b": False}),
            "m: node y: expected ResizeBilinear with half_pixel_centers",
        ),
        (node("Add", ["x", "w"]), r"m: node y: expected a vector to add, got shape \(3, 2, 3, 4\)"),
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
