"""Detect people with ONNX exports of NanoDet, YOLOX and the DETR family."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from spatial.detectors.base import BatchDetector, RawPeople
from spatial.detectors.onnx_decoders import DECODERS, DecoderName, Fit, Outputs
from spatial.detectors.postprocess import BoxFilterConfig, suppress
from spatial.onnx_session import open_session
from stvg.config import STRICT, Count, Pixels, Share, WholeNumber
from stvg.errors import InputError
from stvg.types import FloatArray, Image

_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}
"""NumPy types of inputs by onnxruntime's names."""
_LARGEST_SIDE = 8192
"""Pixels, and pictures in a batch."""
_MASK, _SIZES = "pixel_mask", "orig_target_sizes"
"""Names of further inputs in exports of the DETR family: (batch, height, width), 1 where the picture is; and
(batch, 2), width and height of the pixels in which boxes are returned."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class OnnxConfig(BoxFilterConfig):
    """People from an ONNX file."""

    kind: Literal["onnx"] = "onnx"
    path: Path
    """The model, a .onnx file."""
    decoder: DecoderName = "nanodet"
    """How pixel values are prepared and the model's outputs are read: rtdetr also for D-FINE, deformable_detr also for
    Conditional DETR and RF-DETR, detr also for YOLOS."""
    fit: Fit | None = None
    """How a picture becomes the model's input: in proportion, at top left, with grey beside or below it (letterbox),
    or stretched over all of it; None: letterbox for nanodet and yolox, stretch for the DETR family. Stretching a wide
    picture makes people thin, which costs confidence: NanoDet (416 x 416) over the demo world's 640 x 360 finds 95 % of
    the people at score 0.35 when letterboxed, 43 % when stretched (AP50 0.98 and 0.86;
    tests/stvg/datasets/synthetic/test_world_detector.py). The notes beside NanoDet stretch; YOLOX letterboxes."""
    size: tuple[Pixels, Pixels] | None = None
    """Width and height of the input, for models that leave them open."""
    nms_iou: Share = 0.6
    """IoU above which the weaker of two boxes is dropped; the DETR family needs no such step and gets none."""
    person_class: WholeNumber = 0
    """Index of the class "person"; 1 where the classes are COCO's 91 (DETR, RF-DETR)."""
    batch_size: Count = 8
    """Frames per run, where the model leaves that open."""
    threads: WholeNumber = 1
    """Threads inside one operator; more only help where few videos are processed at once."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the model runs; cuda needs the package onnxruntime-gpu. In half precision where the
    model was exported so."""

    def build(self, device: str) -> "OnnxDetector":
        """Return the detector; it runs on the config's own device, since onnxruntime is not torch.

        Raises:
            InputError: as OnnxDetector.
        """
        return OnnxDetector(self)


class OnnxDetector(BatchDetector):
    """Runs an ONNX detector over the frames of a video.

    Raises:
        InputError: no onnxruntime, no such file, not an ONNX model, or one with other inputs.
    """

    def __init__(self, config: OnnxConfig) -> None:
        self._config, self._decoder = config, DECODERS[config.decoder]
        self._fit = config.fit or self._decoder.fit
        self._session = open_session(
            config.path,
            config.threads,
            config.device,
            owner="detector onnx",
            expected="an ONNX model",
            fetched="NanoDet",
        )
        self._picture, shape = _picture_input(self._session.get_inputs(), config.path)
        self._inputs = {item.name: np.dtype(_TYPES[item.type]) for item in self._session.get_inputs()}
        self._outputs = [item.name for item in self._session.get_outputs()]
        self._width, self._height = _input_size(shape, config.size, config.path)
        self._fixed_batch = isinstance(shape[0], int)
        super().__init__(config, str(config.path), shape[0] if isinstance(shape[0], int) else config.batch_size)

    def _find(self, images: Image) -> list[RawPeople]:
        """Return the people of up to one batch of pictures (n, h, w, 3).

        Raises:
            InputError: outputs of another kind of model.
        """
        height, width = images.shape[1:3]
        fitted_width, fitted_height = self._fitted_size(images)
        to_picture = np.array([width / fitted_width, height / fitted_height] * 2, dtype=np.float32)
        try:
            outputs = self._run(images)
            for name, output in outputs.items():
                if len(output) < len(images):
                    raise ValueError(f"output {name}: {len(output)} rows for {len(images)} pictures")
        except Exception as error:  # onnxruntime's own classes have no common base but Exception
            raise InputError(
                f"{self._config.path}: expected a {self._config.decoder} model that runs, got: "
                f"{' '.join(str(error).split())[:300]}"
            ) from error
        people = []
        for index in range(len(images)):
            boxes, scores = self._read({name: output[index] for name, output in outputs.items()})
            people.append(RawPeople(boxes * to_picture, scores))
        return people

    def _run(self, images: Image) -> dict[str, npt.NDArray[Any]]:
        """Return the model's outputs by name for up to one batch of images."""
        width, height = self._fitted_size(images)
        count = self._batch if self._fixed_batch else len(images)
        batch = np.zeros((count, 3, self._height, self._width), self._inputs[self._picture])
        for row, image in zip(batch, images, strict=False):
            row[...] = self._decoder.pixels(image, width, height, self._width, self._height)
        feed: dict[str, npt.NDArray[Any]] = {self._picture: batch}
        if _MASK in self._inputs:
            feed[_MASK] = np.zeros((count, self._height, self._width), self._inputs[_MASK])
            feed[_MASK][:, :height, :width] = 1
        if _SIZES in self._inputs:
            feed[_SIZES] = np.full((count, 2), (self._width, self._height), self._inputs[_SIZES])
        return dict(zip(self._outputs, self._session.run(None, feed), strict=True))

    def _read(self, outputs: Outputs) -> tuple[FloatArray, FloatArray]:
        """Return one picture's people from its outputs: boxes (N, 4) xyxy in pixels of the input, scores (N,)."""
        try:
            boxes, scores = self._decoder.decode(
                outputs, self._width, self._height, self._config.person_class, self._config.threshold
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            shapes = ", ".join(str(np.shape(output)) for output in outputs.values())
            raise InputError(
                f"{self._config.path}: expected the outputs of a {self._config.decoder} model with class "
                f"{self._config.person_class}, got {shapes}"
            ) from error
        if self._decoder.suppresses and np.isfinite(boxes).all():
            kept = suppress(boxes, scores, self._config.nms_iou)
            boxes, scores = boxes[kept], scores[kept]
        return boxes, scores

    def _fitted_size(self, images: Image) -> tuple[int, int]:
        """Return width and height that the images (N, h, w, 3) take up on the model's input."""
        if self._fit == "stretch":
            return self._width, self._height
        height, width = images.shape[1:3]
        ratio = min(self._width / width, self._height / height)
        return max(1, round(width * ratio)), max(1, round(height * ratio))


def _picture_input(inputs: list[Any], path: Path) -> tuple[str, list[int | str]]:
    """Return name and shape (batch, 3, height, width) of the input that takes the pictures.

    Raises:
        InputError: no such input, or others of unknown meaning.
    """
    others = [item for item in inputs if len(item.shape) != 4]
    pictures = [item for item in inputs if len(item.shape) == 4]
    known = all(item.name in (_MASK, _SIZES) for item in others) and all(item.type in _TYPES for item in inputs)
    if len(pictures) != 1 or not known:
        found = ", ".join(f"{item.name} {item.type} {item.shape}" for item in inputs)
        raise InputError(
            f"{path}: expected one input (batch, 3, height, width), and {_MASK} or {_SIZES} beside it at "
            f"most, got {found}"
        )
    return pictures[0].name, pictures[0].shape


def _input_size(shape: list[int | str], size: tuple[int, int] | None, path: Path) -> tuple[int, int]:
    """Return width and height of the input.

    Raises:
        InputError: the model leaves them open and the config does not say them, or says others than the model's.
    """
    batch, channels, height, width = shape
    fixed = [side for side in (batch, height, width, *(size or ())) if isinstance(side, int)]
    if (isinstance(channels, int) and channels != 3) or not all(1 <= side <= _LARGEST_SIDE for side in fixed):
        raise InputError(
            f"{path}: expected an input (batch, 3, height, width) with sides of 1 to {_LARGEST_SIDE}, "
            f"got {shape}{'' if size is None else f' and detector.size {list(size)}'}"
        )
    if isinstance(height, int) and isinstance(width, int):
        if size not in (None, (width, height)):
            raise InputError(f"{path}: detector.size: expected [{width}, {height}], as the model has it, got {size}")
        return width, height
    if size is None:
        raise InputError(
            f"{path}: expected an input (batch, 3, height, width) of fixed size, got {shape}; "
            "say which with detector.size=[WIDTH,HEIGHT]"
        )
    return size
