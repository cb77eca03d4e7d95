"""Exports of the DETR family: a real one of transformers, and small graphs with known answers."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from spatial.detectors.onnx import OnnxConfig, OnnxDetector
from spatial.detectors.onnx_decoders import DECODERS
from spatial.detectors.transformers import TransformersConfig, TransformersDetector
from stvg.errors import InputError
from stvg.types import FloatArray, VideoFrames, VideoMeta

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
SIDE = 64
BOX = [0.5, 0.25, 0.25, 0.5]  # centre and size, as shares


def footage(count: int, width: int = 128, height: int = 96, noise: bool = False) -> VideoFrames:
    meta = VideoMeta("v.mp4", Path("v.mp4"), 2 * count, 10.0, 2 * width, 2 * height)
    shape = (count, height, width, 3)
    images = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8) if noise else np.zeros(shape, np.uint8)
    return VideoFrames(meta, np.arange(0, 2 * count, 2), images, 0.5, ())


def answering(
    path: Path,
    outputs: dict[str, FloatArray],
    others: dict[str, tuple[int, list[int | str]]] | None = None,
    shape: tuple[int | str, ...] = ("n", 3, SIDE, SIDE),
    float_type: int = 1,
) -> Path:
    """A model that answers every picture with the same outputs (without the batch axis)."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node("Shape", ["images"], ["count"], start=0, end=1)]
    weights = []
    for name, output in outputs.items():
        weights.append(numpy_helper.from_array(output[None], f"w_{name}"))
        weights.append(numpy_helper.from_array(np.array(output.shape, np.int64), f"s_{name}"))
        nodes.append(helper.make_node("Concat", ["count", f"s_{name}"], [f"t_{name}"], axis=0))
        nodes.append(helper.make_node("Expand", [f"w_{name}", f"t_{name}"], [name]))
    inputs = [helper.make_tensor_value_info("images", float_type, list(shape))]
    inputs += [helper.make_tensor_value_info(name, *kind) for name, kind in (others or {}).items()]
    outs = [
        helper.make_tensor_value_info(
            name, TensorProto.INT64 if output.dtype == np.int64 else TensorProto.FLOAT, ["n", *output.shape]
        )
        for name, output in outputs.items()
    ]
    graph = helper.make_graph(nodes, "constant", inputs, outs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def logits(*rows: list[float]) -> dict[str, FloatArray]:
    """One query for each row; the first at BOX, the others at the lower left."""
    boxes = [BOX] + [[0.25, 0.75, 0.25, 0.25]] * (len(rows) - 1)
    return {"logits": np.array(rows, np.float32), "pred_boxes": np.array(boxes, np.float32)}


def test_an_export_of_transformers_answers_as_the_model_itself(rtdetr_folder: Path, tmp_path: Path) -> None:
    """A tiny RT-DETR, exported, against TransformersDetector with the same weights, on pictures of the input's size."""
    from transformers import RTDetrForObjectDetection

    class Outputs(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = RTDetrForObjectDetection.from_pretrained(rtdetr_folder).eval()

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            answer = self.model(pixel_values=pixels)
            return answer.logits, answer.pred_boxes

    path = tmp_path / "rtdetr.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about its future and about values it takes as constants
        torch.onnx.export(
            Outputs(),
            (torch.rand(1, 3, SIDE, SIDE),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["pixel_values"],
            output_names=["logits", "pred_boxes"],
        )
    seen = footage(3, SIDE, SIDE, noise=True)
    ours = OnnxDetector(OnnxConfig(path=path, decoder="rtdetr", person_class=1, threshold=0.0, min_side=0.0)).detect(
        seen
    )
    theirs = TransformersDetector(
        TransformersConfig(name=str(rtdetr_folder), threshold=0.0, min_side=0.0), "cpu"
    ).detect(seen)
    for one, other in zip(ours, theirs, strict=True):
        # post_process_object_detection keeps the best query-class pairs, ours every query: theirs are among ours
        assert 0 < len(other) <= len(one)
        for box, score in zip(other.boxes_xyxy, other.scores, strict=True):
            gap = np.abs(one.boxes_xyxy - box).max(axis=1) + 100 * np.abs(one.scores - score)
            assert gap.min() < 0.05


@pytest.mark.parametrize(
    ("decoder", "rows", "person", "expected"),
    [
        ("rtdetr", [[np.log(4.0), 5], [-9, 9]], 0, [0.8]),
        ("deformable_detr", [[-3, np.log(4.0), 9], [9, -9, 9]], 1, [0.8]),
        ("detr", [[np.log(0.1), np.log(0.7), np.log(0.2)], [0, -9, 9]], 1, [0.7]),  # the last is "no object"
    ],
)
@pytest.mark.parametrize(
    ("fit", "box"),  # on the input of 64 x 64: 24, 0 to 40, 32; the video has 256 x 192
    [(None, [96, 0, 160, 96]), ("stretch", [96, 0, 160, 96]), ("letterbox", [96, 0, 160, 128])],
)
def test_shares_become_pixels_of_the_video(
    tmp_path: Path,
    decoder: str,
    rows: list[list[float]],
    person: int,
    expected: list[float],
    fit: str | None,
    box: list[float],
) -> None:
    path = answering(tmp_path / "m.onnx", logits(*rows))
    found = OnnxDetector(OnnxConfig(path=path, decoder=decoder, person_class=person, fit=fit, batch_size=2)).detect(
        footage(3)
    )
    assert [item.frame for item in found] == [0, 2, 4]
    for item in found:
        np.testing.assert_allclose(item.scores, expected, rtol=1e-5)
        np.testing.assert_allclose(item.boxes_xyxy, [box], atol=1e-3)


def test_other_names_are_told_apart_by_their_widths(tmp_path: Path) -> None:
    """RF-DETR calls them dets and labels."""
    told = logits([9, -9, -9], [-9, 9, -9])
    path = answering(tmp_path / "m.onnx", {"dets": told["pred_boxes"], "labels": told["logits"]})
    (item,) = OnnxDetector(OnnxConfig(path=path, decoder="deformable_detr", person_class=1)).detect(footage(1))
    np.testing.assert_allclose(item.boxes_xyxy, [[32, 120, 96, 168]], atol=1e-3)


def test_exports_with_post_processing(tmp_path: Path) -> None:
    outputs = {
        "labels": np.array([0, 1, 0, 0]),
        "boxes": np.array([[8, 8, 16, 32], [0, 0, 64, 64], [32, 0, 64, 64], [0, 0, 9, 9]], np.float32),
        "scores": np.array([0.5, 0.9, 0.75, 0.1], np.float32),
    }
    path = answering(tmp_path / "m.onnx", outputs, {"orig_target_sizes": (7, ["n", 2])})
    (item,) = OnnxDetector(OnnxConfig(path=path, decoder="rtdetr")).detect(footage(1))
    assert item.boxes_xyxy.tolist() == [[128, 0, 256, 192], [32, 24, 64, 96]]
    assert item.scores.tolist() == [0.75, 0.5]


class Records:
    """Stands in for a session: keeps what it is given."""

    def __init__(self) -> None:
        self.fed: list[dict[str, np.ndarray]] = []

    def run(self, _: None, feed: dict[str, np.ndarray]) -> list[FloatArray]:
        self.fed.append(feed)
        return [np.repeat(output[None], len(feed["images"]), axis=0) for output in logits([9, -9]).values()]


def test_mask_and_sizes_are_filled(tmp_path: Path) -> None:
    others = {"pixel_mask": (7, ["n", "h", "w"]), "orig_target_sizes": (7, ["n", 2])}
    path = answering(tmp_path / "m.onnx", logits([9, -9]), others, ("n", 3, "h", "w"))
    detector = OnnxDetector(OnnxConfig(path=path, decoder="detr", size=(80, 40), fit="letterbox"))
    detector._session = Records()
    detector.detect(footage(2, 40, 40))
    (feed,) = detector._session.fed
    assert feed["images"].shape == (2, 3, 40, 80)
    assert feed["orig_target_sizes"].tolist() == [[80, 40]] * 2
    assert feed["pixel_mask"].shape == (2, 40, 80)
    assert (feed["pixel_mask"][:, :, :40] == 1).all()
    assert (feed["pixel_mask"][:, :, 40:] == 0).all()


@pytest.mark.parametrize(
    ("decoder", "expected"),
    [
        ("rtdetr", np.array([200, 100, 50]) / 255),
        ("detr", (np.array([200, 100, 50]) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]),
        ("deformable_detr", (np.array([200, 100, 50]) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]),
        ("nanodet", (np.array([50, 100, 200]) - [103.53, 116.28, 123.675]) / [57.375, 57.12, 58.395]),
        ("yolox", np.array([50, 100, 200])),
    ],
)
def test_pixels_as_each_family_wants_them(decoder: str, expected: FloatArray) -> None:
    image = np.full((4, 6, 3), (200, 100, 50), np.uint8)
    pixels = DECODERS[decoder].pixels(image, 3, 2, 8, 8)
    assert pixels.shape == (3, 8, 8)
    np.testing.assert_allclose(pixels[:, 1, 2], expected, rtol=1e-5)


def test_half_precision_where_the_model_has_it(tmp_path: Path) -> None:
    path = answering(tmp_path / "m.onnx", logits([9, -9]), float_type=10)
    (item,) = OnnxDetector(OnnxConfig(path=path, decoder="rtdetr")).detect(footage(1))
    assert len(item) == 1


def test_near_boxes_are_not_suppressed(tmp_path: Path) -> None:
    """A DETR gives each person once: two people behind each other stay two."""
    both = logits([9, -9], [9, -9])
    both["pred_boxes"][1] = both["pred_boxes"][0]
    (item,) = OnnxDetector(OnnxConfig(path=answering(tmp_path / "m.onnx", both), decoder="rtdetr")).detect(footage(1))
    assert len(item) == 2


@pytest.mark.parametrize("place", ["logits", "pred_boxes"])
@pytest.mark.parametrize("decoder", ["rtdetr", "detr"])
def test_not_finite_is_refused(tmp_path: Path, place: str, decoder: str) -> None:
    outputs = logits([9, -9])
    outputs[place][:] = np.nan
    with pytest.raises(InputError, match=r"v\.mp4: frame 0: expected finite (boxes|scores) from .*m\.onnx"):
        OnnxDetector(OnnxConfig(path=answering(tmp_path / "m.onnx", outputs), decoder=decoder)).detect(footage(1))


@pytest.mark.parametrize(
    ("person", "outputs", "reason"),
    [
        (2, logits([9, -9]), "no such class"),
        (0, {"a": np.zeros((5, 4), np.float32)}, "one output"),
        (0, {"a": np.zeros((5, 7), np.float32), "b": np.zeros((5, 3), np.float32)}, "no boxes"),
        (0, {"a": np.zeros((5, 7), np.float32), "b": np.zeros((6, 4), np.float32)}, "another number of boxes"),
        (0, {"scores": np.zeros(5, np.float32)}, "scores without boxes"),
    ],
)
def test_outputs_of_another_model_are_refused(
    tmp_path: Path, person: int, outputs: dict[str, FloatArray], reason: str
) -> None:
    path = answering(tmp_path / "m.onnx", outputs)
    with pytest.raises(InputError, match=f"expected the outputs of a rtdetr model with class {person}, got"):
        OnnxDetector(OnnxConfig(path=path, decoder="rtdetr", person_class=person)).detect(footage(1))


def test_no_object_is_no_person(tmp_path: Path) -> None:
    path = answering(tmp_path / "m.onnx", logits([9, -9]))
    with pytest.raises(InputError, match="a detr model with class 1"):
        OnnxDetector(OnnxConfig(path=path, decoder="detr", person_class=1)).detect(footage(1))


@pytest.mark.parametrize(
    ("shape", "size", "others", "message"),
    [
        (("n", 3, "h", "w"), None, {}, r"say which with detector\.size=\[WIDTH,HEIGHT\]"),
        (("n", 3, 64, 64), (64, 32), {}, r"detector\.size: expected \[64, 64\]"),
        (("n", 3, 64, 64), None, {"threshold": (1, ["n"])}, "expected one input"),
        ((64, 64), None, {}, "expected one input"),
    ],
)
def test_inputs_that_nobody_can_fill(
    tmp_path: Path, shape: tuple[int | str, ...], size: tuple[int, int] | None, others: dict[str, object], message: str
) -> None:
    path = answering(tmp_path / "m.onnx", logits([9, -9]), others, shape)
    with pytest.raises(InputError, match=message):
        OnnxDetector(OnnxConfig(path=path, decoder="rtdetr", size=size))
