from pathlib import Path

import numpy as np
import pytest

from spatial.detectors.onnx import OnnxConfig, OnnxDetector
from stvg.config import load_config
from stvg.errors import InputError
from stvg.io.video import read_footage
from stvg.recipe.schema import Recipe
from stvg.types import FloatArray, VideoFrames, VideoMeta

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SHARED = Path(__file__).resolve().parents[4] / "shared"
NANODET = SHARED / "models" / "nanodet_416_coco.onnx"
CLIPS = SHARED / "data" / "clips"
SIDE = 64
CELLS = [(SIDE // stride) ** 2 for stride in (8, 16, 32)]
needs_files = pytest.mark.skipif(not NANODET.is_file(), reason="the shared NanoDet file is not there")


def constant_model(path: Path, outputs: list[FloatArray], batch: int | str = 1) -> Path:
    """A model that answers every image with the same outputs, plus 0 x the image."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=1, axes=[1, 2, 3]),
        helper.make_node("Squeeze", ["mean"], ["flat"], axes=[3]),
        helper.make_node("Mul", ["flat", "nothing"], ["zero"]),
    ]
    weights = [numpy_helper.from_array(np.zeros(1, np.float32), "nothing")]
    for index, output in enumerate(outputs):
        weights.append(numpy_helper.from_array(output[None], f"w{index}"))
        nodes.append(helper.make_node("Add", ["zero", f"w{index}"], [f"out{index}"]))
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info(f"out{i}", TensorProto.FLOAT, [batch, *output.shape])
            for i, output in enumerate(outputs)
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.save(model, str(path))
    return path


def blank(count: int, width: int = 128, height: int = 64, shrink: int = 1) -> VideoFrames:
    meta = VideoMeta("v.mp4", Path("v.mp4"), 2 * count, 10.0, width, height)
    images = np.zeros((count, height // shrink, width // shrink, 3), np.uint8)
    return VideoFrames(meta, np.arange(0, 2 * count, 2), images, 1 / shrink, ())


def nanodet_outputs(cell: int = 9, score: float = 0.8) -> list[FloatArray]:
    """One person of class 0 in a cell of stride 8: 1 stride to the left, 2 up, 3 to the right, 4 down."""
    scores = [np.full((count, 3), 0.01, np.float32) for count in CELLS]
    distances = [np.zeros((count, 44), np.float32) for count in CELLS]
    scores[0][cell, 0] = score
    for side, bins in enumerate((1, 2, 3, 4)):
        distances[0][cell, 11 * side + bins] = 50
    return [*scores, *distances]


def yolox_outputs(score: float = 0.8) -> list[FloatArray]:
    """One person of class 0 in cell (1, 1) of stride 16, centre 24, 20, size 16 x 32; another class elsewhere."""
    rows = np.zeros((sum(CELLS), 8), np.float32)
    cell = CELLS[0] + 1 * (SIDE // 16) + 1
    rows[cell] = [0.5, 0.25, 0.0, np.log(2), 1.0, score, 0.1, 0.1]
    rows[3] = [0.5, 0.5, 1.0, 1.0, 1.0, 0.0, 0.9, 0.0]
    return [rows]


@pytest.mark.parametrize("shrink", [1, 2])
@pytest.mark.parametrize(
    ("fit", "width", "height", "expected"),
    [  # cell 9 is column 1, row 1: centre 12, 12; so 4, -4, 36, 44 on the input of 64 x 64
        ("letterbox", 128, 64, [8, 0, 72, 64]),  # the lower half is grey, the box is cut off there
        ("letterbox", 128, 96, [8, 0, 72, 88]),  # wide
        ("letterbox", 96, 128, [8, 0, 72, 88]),  # tall, grey at the right
        ("letterbox", 128, 128, [8, 0, 72, 88]),  # square, no grey
        ("stretch", 128, 64, [8, 0, 72, 44]),
        ("stretch", 64, 128, [4, 0, 36, 88]),
        ("stretch", 128, 128, [8, 0, 72, 88]),
    ],
)
def test_nanodet_boxes_in_pixels_of_the_video(
    tmp_path: Path, fit: str, width: int, height: int, expected: list[float], shrink: int
) -> None:
    detector = OnnxDetector(
        OnnxConfig(path=constant_model(tmp_path / "m.onnx", nanodet_outputs()), fit=fit, min_side=1)
    )
    found = detector.detect(blank(3, width, height, shrink))
    assert [item.frame for item in found] == [0, 2, 4]
    for item in found:
        np.testing.assert_allclose(item.boxes_xyxy, [expected], atol=1e-3)
        np.testing.assert_allclose(item.scores, [0.8])


@pytest.mark.parametrize("shrink", [1, 2])
@pytest.mark.parametrize(("fit", "expected"), [("letterbox", [32, 8, 64, 64]), ("stretch", [32, 4, 64, 36])])
def test_yolox_boxes_in_pixels_of_the_video(tmp_path: Path, fit: str, expected: list[float], shrink: int) -> None:
    detector = OnnxDetector(
        OnnxConfig(path=constant_model(tmp_path / "m.onnx", yolox_outputs()), decoder="yolox", fit=fit, min_side=1)
    )
    (item,) = detector.detect(blank(1, shrink=shrink))
    np.testing.assert_allclose(item.boxes_xyxy, [expected], atol=1e-3)
    np.testing.assert_allclose(item.scores, [0.8])


class SeesWhite:
    """Stands in for a session: answers with the rectangle of white pixels of each input, as a YOLOX model would."""

    def run(self, _: None, feed: dict[str, FloatArray]) -> list[FloatArray]:
        (images,) = feed.values()
        rows = np.zeros((len(images), sum(CELLS), 8), np.float32)
        for row, image in zip(rows, images, strict=True):
            y, x = np.nonzero(image.min(axis=0) > 200)
            low, high = np.array([x.min(), y.min()]), np.array([x.max(), y.max()]) + 1
            row[0] = [*((low + high) / 16), *np.log((high - low) / 8), 1, 0.8, 0, 0]
        return [rows]


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize(
    ("width", "height"), [(640, 360), (360, 640), (256, 256), (640, 354), (50, 30), (1000, 20), (20, 1000)]
)  # as clips are; held upright; square; a size that rounds; smaller than the input; extreme
def test_what_is_seen_on_the_input_is_where_it_was_in_the_video(
    tmp_path: Path, width: int, height: int, fit: str
) -> None:
    detector = OnnxDetector(
        OnnxConfig(path=constant_model(tmp_path / "m.onnx", yolox_outputs()), decoder="yolox", fit=fit, min_side=1)
    )
    detector._session = SeesWhite()
    footage = blank(2, width, height)
    truth = np.array([width // 5, height // 4, width * 4 // 5, height])
    footage.images[:, truth[1] : truth[3], truth[0] : truth[2]] = 255
    shown = SIDE if fit == "stretch" else SIDE * np.array([width, height]) / max(width, height)
    pixel = np.maximum(np.array([width, height]) / shown, 1)  # of the input, in pixels of the video
    for item in detector.detect(footage):
        np.testing.assert_array_less(np.abs(item.boxes_xyxy[0] - truth), 1.01 * np.tile(pixel, 2))


def test_grey_beside_the_letterboxed_picture(tmp_path: Path) -> None:
    seen: list[FloatArray] = []

    class Records(SeesWhite):
        def run(self, _: None, feed: dict[str, FloatArray]) -> list[FloatArray]:
            seen.extend(feed["image"])
            return [output[None] for output in nanodet_outputs()]

    detector = OnnxDetector(OnnxConfig(path=constant_model(tmp_path / "m.onnx", nanodet_outputs())))
    detector._session = Records()
    footage = blank(1)
    footage.images[..., 0], footage.images[..., 2] = 200, 100
    detector.detect(footage)
    mean, std = np.array([103.53, 116.28, 123.675]), np.array([57.375, 57.12, 58.395])  # of blue, green, red
    np.testing.assert_allclose(seen[0][:, 31, 63], (np.array([100, 0, 200]) - mean) / std, rtol=1e-5)
    np.testing.assert_allclose(seen[0][:, 32, 63], (114 - mean) / std, rtol=1e-5)


@pytest.mark.parametrize(("batch", "batch_size"), [(1, 8), (4, 1), ("n", 1), ("n", 4), ("n", 100)])
def test_batches_do_not_change_the_answer(tmp_path: Path, batch: int | str, batch_size: int) -> None:
    path = constant_model(tmp_path / "m.onnx", nanodet_outputs(), batch)
    found = OnnxDetector(OnnxConfig(path=path, batch_size=batch_size, min_side=1)).detect(blank(7))
    assert [item.frame for item in found] == list(range(0, 14, 2))
    assert all(np.allclose(item.boxes_xyxy, found[0].boxes_xyxy) and len(item) == 1 for item in found)


@pytest.mark.parametrize("decoder", ["nanodet", "yolox"])
def test_not_finite_is_refused(tmp_path: Path, decoder: str) -> None:
    outputs = nanodet_outputs(score=np.nan) if decoder == "nanodet" else yolox_outputs(score=np.nan)
    path = constant_model(tmp_path / "m.onnx", outputs)
    with pytest.raises(InputError, match=r"v\.mp4: frame 0: expected finite scores from .*m\.onnx"):
        OnnxDetector(OnnxConfig(path=path, decoder=decoder)).detect(blank(1))
    outputs = nanodet_outputs() if decoder == "nanodet" else yolox_outputs()
    outputs[-1 if decoder == "yolox" else 3][...] = np.inf
    if decoder == "yolox":
        outputs[0][:, 4:] = 0.9
    path = constant_model(tmp_path / "m.onnx", outputs)
    with pytest.raises(InputError, match="expected finite boxes"), np.errstate(invalid="ignore"):
        OnnxDetector(OnnxConfig(path=path, decoder=decoder)).detect(blank(1))


def test_outputs_of_another_model_are_refused(tmp_path: Path) -> None:
    path = constant_model(tmp_path / "m.onnx", yolox_outputs())
    with pytest.raises(
        InputError, match=r"m\.onnx: expected the outputs of a nanodet model with class 0, got \(84, 8\)"
    ):
        OnnxDetector(OnnxConfig(path=path)).detect(blank(1))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "found no such file; stvg models fetches NanoDet"), (b"hello", "expected an ONNX model")],
)
def test_unusable_model_file(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        OnnxDetector(OnnxConfig(path=path))
    assert "\n" not in str(caught.value)


def test_overrides_put_it_in_place_of_public_detections() -> None:
    demo = Path(__file__).parents[3] / "configs" / "demo.yaml"
    overrides = ["detector.kind=onnx", "detector.path=../shared/models/nanodet_416_coco.onnx"]
    for order in (overrides, overrides[::-1]):
        assert load_config(Recipe, demo, order).detector == OnnxConfig(path=Path(overrides[1].split("=")[1]))


@needs_files
def test_nanodet_finds_the_two_men() -> None:
    footage = read_footage(CLIPS / "two_men.mp4", "two_men.mp4", 6, 640)
    found = OnnxDetector(OnnxConfig(path=NANODET, threshold=0.35)).detect(footage)
    assert sum(len(item) >= 2 for item in found) >= 0.6 * len(found)
    first = found[0].boxes_xyxy[np.argsort(found[0].boxes_xyxy[:, 0])]
    np.testing.assert_allclose(first, [[656, 278, 898, 919], [916, 246, 1122, 875]], atol=25)  # measured by hand


@needs_files
def test_nanodet_finds_hardly_anyone_in_noise() -> None:
    footage = blank(2, 640, 360)
    noise = np.random.default_rng(0).integers(0, 255, footage.images.shape, dtype=np.uint8)
    found = OnnxDetector(OnnxConfig(path=NANODET, threshold=0.35)).detect(
        VideoFrames(footage.meta, footage.frames, noise, 1.0, ())
    )
    assert sum(len(item) for item in found) == 0
