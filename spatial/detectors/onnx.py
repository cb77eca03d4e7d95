"""People from a detector in ONNX, run by onnxruntime: NanoDet and YOLOX exports."""

from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pydantic.dataclasses import dataclass

from spatial.detectors.clean import clean_detections, suppress
from stvg.config import STRICT
from stvg.errors import InputError
from stvg.interfaces import Footage
from stvg.types import Detections, FloatArray, Image

Decoder = Literal["nanodet", "yolox"]
Fit = Literal["letterbox", "stretch"]
_STRIDES = (8, 16, 32)
_NANODET_BINS = 11
_NANODET_MEAN_BGR = np.array([103.53, 116.28, 123.675], dtype=np.float32)
_NANODET_STD_BGR = np.array([57.375, 57.12, 58.395], dtype=np.float32)
_GREY = 114


@dataclass(frozen=True, config=STRICT, kw_only=True)
class OnnxConfig:
    """People from an ONNX file."""

    kind: Literal["onnx"] = "onnx"
    path: Path
    """The model, a .onnx file."""
    decoder: Decoder = "nanodet"
    """How pixel values are prepared and the model's outputs are read."""
    fit: Fit = "letterbox"
    """How a picture becomes the model's input: in proportion, at top left, with grey beside or below it, or stretched
    over all of it. Stretching a wide picture makes people thin, which costs confidence: NanoDet (416 x 416) over the
    demo world's 640 x 360 finds 95 % of the people at score 0.35 when letterboxed, 43 % when stretched (AP50 0.98 and
    0.86; tests/spatial/test_world_detector.py). The notes beside the NanoDet file stretch; YOLOX letterboxes."""
    threshold: float = 0.2
    """Least score of a person, in [0, 1]; the tracker starts tracks only from its own, higher one."""
    nms_iou: float = 0.6
    """IoU above which the weaker of two boxes is dropped."""
    min_side: float = 8.0
    """Least width and height of a person, in pixels of the original video."""
    person_class: int = 0
    """Index of the class "person"."""
    batch_size: int = 8
    """Frames per run, where the model leaves that open."""
    threads: int = 1
    """Threads inside one operator; more only help where few videos are processed at once."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the model runs; cuda needs the package onnxruntime-gpu."""


class OnnxDetector:
    """Runs an ONNX detector over the footage; see OnnxConfig for the arguments."""

    def __init__(
        self,
        path: Path,
        *,
        decoder: Decoder = "nanodet",
        fit: Fit = "letterbox",
        threshold: float = 0.2,
        nms_iou: float = 0.6,
        min_side: float = 8.0,
        person_class: int = 0,
        batch_size: int = 8,
        threads: int = 1,
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> None:
        self._path, self._decoder, self._fit, self._person = path, decoder, fit, person_class
        self._threshold, self._nms_iou, self._min_side = threshold, nms_iou, min_side
        self._session = _open_session(path, threads, device)
        inputs = self._session.get_inputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or len(shape) != 4 or not all(isinstance(side, int) for side in shape[2:]):
            raise InputError(f"{path}: expected one input (batch, 3, height, width) of fixed size, got {shape}")
        self._input, (self._height, self._width) = inputs[0].name, shape[2:]
        self._fixed_batch = isinstance(shape[0], int)
        self._batch = shape[0] if self._fixed_batch else batch_size

    def detect(self, footage: Footage) -> list[Detections]:
        """Return the people of each frame of the footage, boxes in pixels of the original video.

        Raises:
            InputError: outputs of another kind of model, or not finite.
        """
        found: list[Detections] = []
        for start in range(0, len(footage.images), self._batch):
            outputs = self._run(footage.images[start : start + self._batch])
            for index, frame in enumerate(footage.frames[start : start + self._batch].tolist()):
                found.append(self._read([output[index] for output in outputs], frame, footage))
        return found

    def _run(self, images: Image) -> list[FloatArray]:
        """Return the model's outputs for up to one batch of images."""
        width, height = self._fitted_size(images)
        batch = np.stack([_on_grey(image, width, height, self._width, self._height) for image in images])
        if self._decoder == "nanodet":
            batch = (batch - _NANODET_MEAN_BGR) / _NANODET_STD_BGR
        batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
        if self._fixed_batch and len(batch) < self._batch:
            batch = np.concatenate([batch, np.zeros((self._batch - len(batch), *batch.shape[1:]), np.float32)])
        outputs: list[FloatArray] = self._session.run(None, {self._input: batch})
        return outputs

    def _read(self, outputs: list[FloatArray], frame: int, footage: Footage) -> Detections:
        """Return one frame's people from its outputs."""
        decode = _decode_nanodet if self._decoder == "nanodet" else _decode_yolox
        try:
            boxes, scores = decode(outputs, self._width, self._height, self._person, self._threshold)
        except (ValueError, IndexError) as error:
            shapes = ", ".join(str(output.shape) for output in outputs)
            raise InputError(f"{self._path}: expected the outputs of a {self._decoder} model, got {shapes}") from error
        kept = suppress(boxes, scores, self._nms_iou) if np.isfinite(boxes).all() else slice(None)
        width, height = self._fitted_size(footage.images)
        ratio = footage.meta.width / width, footage.meta.height / height
        return clean_detections(
            frame,
            boxes[kept] * np.array([*ratio, *ratio], dtype=np.float32),
            scores[kept],
            footage.meta,
            source=str(self._path),
            min_score=self._threshold,
            min_side=self._min_side,
        )

    def _fitted_size(self, images: Image) -> tuple[int, int]:
        """Return width and height that the images (N, h, w, 3) take up on the model's input."""
        if self._fit == "stretch":
            return self._width, self._height
        height, width = images.shape[1:3]
        ratio = min(self._width / width, self._height / height)
        return max(1, round(width * ratio)), max(1, round(height * ratio))


def _open_session(path: Path, threads: int, device: str) -> Any:
    """Return an onnxruntime session for the file.

    Raises:
        InputError: no onnxruntime, no such file, not an ONNX model, no such device.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError("detector onnx: expected the package onnxruntime: pip install onnxruntime") from error
    if not path.is_file():
        raise InputError(f"{path}: expected an ONNX model, found no such file")
    provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise InputError("detector onnx: device cuda needs the package onnxruntime-gpu: pip install onnxruntime-gpu")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: exports carry unused weights
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # onnxruntime's own classes have no common base but Exception
        raise InputError(f"{path}: expected an ONNX model, got: {' '.join(str(error).split())}") from error


def _on_grey(image: Image, width: int, height: int, to_width: int, to_height: int) -> FloatArray:
    """Return an RGB image as BGR (to_height, to_width, 3), 0 to 255: resized to width x height, at top left on grey."""
    canvas = np.full((to_height, to_width, 3), _GREY, dtype=np.float32)
    canvas[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)[..., ::-1]
    return canvas


def _decode_nanodet(
    outputs: list[FloatArray], width: int, height: int, person: int, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Return boxes (N, 4) in input pixels and scores (N,) of the cells at or above the threshold, before suppression.

    `outputs`: class scores (cells, classes) for strides 8, 16, 32, then distances (cells, 4 x 11) for the same. A
    distance is the mean of its bins' softmax, in strides; left, top, right, bottom from the cell's centre. Scores that
    are not finite come through, for the caller to refuse.
    """
    if len(outputs) != 2 * len(_STRIDES):
        raise ValueError("expected six outputs")
    boxes, scores = [], []
    for stride, classes, distances in zip(_STRIDES, outputs[:3], outputs[3:], strict=True):
        score = classes[:, person]
        cells = np.flatnonzero(~(score < threshold))
        bins = distances[cells].reshape(len(cells), 4, _NANODET_BINS)
        weights = np.exp(bins - bins.max(axis=2, keepdims=True))
        reach = (weights @ np.arange(_NANODET_BINS, dtype=np.float32)) / weights.sum(axis=2) * stride
        centres = _cells(width, height, stride)[cells] * stride + stride / 2
        boxes.append(np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], axis=1))
        scores.append(score[cells])
    return np.concatenate(boxes), np.concatenate(scores)


def _decode_yolox(
    outputs: list[FloatArray], width: int, height: int, person: int, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Return boxes (N, 4) in input pixels and scores (N,) of the cells at or above the threshold, before suppression.

    `outputs`: one array (cells of strides 8, 16, 32, 5 + classes) of centre offsets, log sizes, objectness
    and class scores, as YOLOX exports it without decoding in the network (Ge et al., arXiv 2107.08430).
    """
    (raw,) = outputs
    cells = np.concatenate([_cells(width, height, stride) for stride in _STRIDES])
    strides = np.concatenate([np.full(len(_cells(width, height, s)), s, dtype=np.float32) for s in _STRIDES])
    if len(raw) != len(cells):
        raise ValueError("expected one row per cell")
    scores = raw[:, 4] * raw[:, 5 + person]
    kept = np.flatnonzero(~(scores < threshold))
    stride = strides[kept, None]
    centres = (raw[kept, :2] + cells[kept]) * stride
    with np.errstate(over="ignore"):
        sizes = np.exp(raw[kept, 2:4]) * stride
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1), scores[kept]


def _cells(width: int, height: int, stride: int) -> FloatArray:
    """Return column and row (cells, 2) of each cell of one stride, row by row."""
    rows, columns = np.mgrid[: -(-height // stride), : -(-width // stride)]
    return np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32)
