"""Prepare pixels and decode outputs for each family of ONNX detectors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from stvg.types import FloatArray, Image

DecoderName = Literal["nanodet", "yolox", "rtdetr", "deformable_detr", "detr"]
Fit = Literal["letterbox", "stretch"]
Outputs = Mapping[str, npt.NDArray[Any]]
"""One picture's outputs by name, in the model's order, without the batch axis."""
_STRIDES = (8, 16, 32)
"""Pixels of the input per cell, for each output level of NanoDet and YOLOX."""
_NANODET_BINS = 11
"""Bins of the distribution over each distance from a cell to a side of the box."""
_GREY = 114
"""Pixel value beside a letterboxed picture."""
_IMAGENET_MEAN = (123.675, 116.28, 103.53)
_IMAGENET_STD = (58.395, 57.12, 57.375)
"""Mean and standard deviation of ImageNet's pixels, RGB, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """A family: pixels are (0 to 255 - mean) / std in the order of `rgb`; `decode` reads the outputs.

    `decode(outputs, width, height, person, threshold)` gives boxes (N, 4) xyxy in pixels of the input and scores (N,)
    of what is at or above the threshold. Scores that are not finite come through, for the caller to refuse. It raises
    ValueError, KeyError or IndexError for outputs of another family.
    """

    decode: Callable[[Outputs, int, int, int, float], tuple[FloatArray, FloatArray]]
    fit: Fit
    suppresses: bool
    """Whether one person gives many boxes, so that the weaker ones must be suppressed."""
    rgb: bool = False
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def pixels(self, image: Image, width: int, height: int, to_width: int, to_height: int) -> FloatArray:
        """Return an RGB image as input (3, to_height, to_width): resized to width x height, at top left on grey."""
        canvas = np.full((to_height, to_width, 3), _GREY, dtype=np.float32)
        resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        canvas[:height, :width] = resized if self.rgb else resized[..., ::-1]
        canvas -= np.array(self.mean, dtype=np.float32)
        canvas /= np.array(self.std, dtype=np.float32)
        return canvas.transpose(2, 0, 1)


def decode_nanodet(
    outputs: Outputs, width: int, height: int, person: int, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Read class scores (cells, classes) for strides 8, 16, 32, then distances (cells, 4 x 11) for the same.

    A distance is the mean of its bins' softmax, in strides; left, top, right, bottom from the cell's centre.
    """
    arrays = [output.astype(np.float32) for output in outputs.values()]
    if len(arrays) != 2 * len(_STRIDES):
        raise ValueError("expected six outputs")
    boxes, scores = [], []
    for stride, classes, distances in zip(_STRIDES, arrays[:3], arrays[3:], strict=True):
        score = classes[:, person]
        cells = np.flatnonzero(~(score < threshold))
        bins = distances[cells].reshape(len(cells), 4, _NANODET_BINS)
        weights = np.exp(bins - bins.max(axis=2, keepdims=True))
        reach = (weights @ np.arange(_NANODET_BINS, dtype=np.float32)) / weights.sum(axis=2) * stride
        centres = _cells(width, height, stride)[cells] * stride + stride / 2
        boxes.append(np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], axis=1))
        scores.append(score[cells])
    return np.concatenate(boxes), np.concatenate(scores)


def decode_yolox(
    outputs: Outputs, width: int, height: int, person: int, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Read one array (cells of strides 8, 16, 32, 5 + classes) of centre offsets, log sizes, objectness, class scores.

    As YOLOX exports it without decoding in the network (Ge et al., arXiv 2107.08430).
    """
    (raw,) = (output.astype(np.float32) for output in outputs.values())
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


def decode_sigmoid_detr(
    outputs: Outputs, width: int, height: int, person: int, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Read a DETR whose classes are independent of each other: RT-DETR, D-FINE, Deformable and Conditional DETR.

    Either logits (queries, classes) and boxes (queries, 4), centre and size as shares of the input, as transformers
    exports them; or, from the authors' own exports with post-processing, `labels` (n,), `boxes` (n, 4) in pixels of
    the input and `scores` (n,).
    """
    if "scores" in outputs:
        labels, boxes, values = (np.asarray(outputs[name]) for name in ("labels", "boxes", "scores"))
        rows = np.flatnonzero((labels == person) & ~(values < threshold))
        return boxes[rows].reshape(-1, 4).astype(np.float32), values[rows].astype(np.float32)
    logits, shares = _logits_and_boxes(outputs)
    with np.errstate(over="ignore"):
        scores = (1 / (1 + np.exp(-logits[:, person]))).astype(np.float32)
    return _kept(shares, scores, width, height, threshold)


def decode_softmax_detr(
    outputs: Outputs, width: int, height: int, person: int, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Read a DETR whose last class is "no object": logits and boxes as above; DETR and YOLOS."""
    logits, shares = _logits_and_boxes(outputs)
    if person >= logits.shape[1] - 1:
        raise IndexError("expected more classes")
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return _kept(shares, weights[:, person] / weights.sum(axis=1), width, height, threshold)


DECODERS: Mapping[DecoderName, Decoder] = {
    "nanodet": Decoder(
        decode_nanodet, "letterbox", suppresses=True, mean=_IMAGENET_MEAN[::-1], std=_IMAGENET_STD[::-1]
    ),
    "yolox": Decoder(decode_yolox, "letterbox", suppresses=True),
    "rtdetr": Decoder(decode_sigmoid_detr, "stretch", suppresses=False, rgb=True, std=(255.0, 255.0, 255.0)),
    "deformable_detr": Decoder(
        decode_sigmoid_detr, "stretch", suppresses=False, rgb=True, mean=_IMAGENET_MEAN, std=_IMAGENET_STD
    ),
    "detr": Decoder(decode_softmax_detr, "stretch", suppresses=False, rgb=True, mean=_IMAGENET_MEAN, std=_IMAGENET_STD),
}


def _logits_and_boxes(outputs: Outputs) -> tuple[FloatArray, FloatArray]:
    """Return logits (queries, classes) and boxes (queries, 4): by the names of transformers, else by their widths."""
    if "logits" in outputs:
        logits, boxes = outputs["logits"], outputs["pred_boxes"]
    else:
        first, second = outputs.values()
        boxes, logits = (first, second) if first.shape[-1] == 4 else (second, first)
    if logits.ndim != 2 or boxes.shape != (len(logits), 4):
        raise ValueError("expected logits (queries, classes) and boxes (queries, 4)")
    return logits.astype(np.float32), boxes.astype(np.float32)


def _kept(
    shares: FloatArray, scores: FloatArray, width: int, height: int, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Return boxes xyxy in pixels of the input, and scores, of the queries that are not under the threshold."""
    rows = np.flatnonzero(~(scores < threshold))
    centres, sizes = shares[rows, :2], shares[rows, 2:]
    to_pixels = np.array([width, height] * 2, dtype=np.float32)
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1) * to_pixels, scores[rows]


def _cells(width: int, height: int, stride: int) -> FloatArray:
    """Return column and row (cells, 2) of each cell of one stride, row by row."""
    rows, columns = np.mgrid[: -(-height // stride), : -(-width // stride)]
    return np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32)
