"""Detect people with Detectron2: Faster R-CNN, RetinaNet, Mask R-CNN."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from pydantic.dataclasses import dataclass

from spatial.detectors.base import (
    BatchConfig,
    BatchDetector,
    RawPeople,
    forward_only,
    load_strictly,
    missing_package,
    people_of,
    watch_heads,
)
from stvg.compute.device import usable
from stvg.config import STRICT, Pixels, WholeNumber
from stvg.errors import InputError
from stvg.pickles.plain_pickle import read_pickle
from stvg.types import Image

INSTALL = (
    "pip install 'setuptools<81' wheel ninja torch==2.14.1 torchvision==0.29.1, then pip install --no-build-isolation "
    "from a checkout of facebookresearch/detectron2 (it is not on PyPI)"
)
"""Commands for the error where Detectron2 is missing."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Detectron2Config(BatchConfig):
    """People from a detector of Detectron2."""

    kind: Literal["detectron2"] = "detectron2"
    config: str = "COCO-Detection/faster_rcnn_R_50_FPN_3x.yaml"
    """The model's config: a YAML file, or its name in Detectron2's model zoo."""
    weights: Path
    """The model's weights: the .pkl that the zoo lists for its config, or a .pth file of one's own training."""
    person_class: WholeNumber = 0
    """Index of the class "person"."""
    min_size: Pixels | None = None
    """Pixels of the shorter side to which pictures are resized; None: the config's."""
    max_size: Pixels | None = None
    """Pixels that the longer side may have then; None: the config's."""

    def build(self, device: str) -> "Detectron2Detector":
        """Return the detector on `device`.

        Raises:
            InputError: as Detectron2Detector, or no such device.
        """
        return Detectron2Detector(self, usable(device))


class Detectron2Detector(BatchDetector):
    """Runs a model of Detectron2 on `device`.

    Raises:
        InputError: a missing package, no such config, or weights of another model.
    """

    def __init__(self, config: Detectron2Config, device: str) -> None:
        super().__init__(config, str(config.weights), config.batch_size)
        self._predictor = _load(config, device)
        watch_heads(self._predictor.model)
        self._config, self._device = config, device

    def _find(self, images: Image) -> list[RawPeople]:
        """Return the people of (n, h, w, 3) pictures, in one pass: DefaultPredictor's own call takes one picture."""
        with forward_only(self._device, self._config.half):
            results = self._predictor.model([self._input(image) for image in images])
        found = (result["instances"] for result in results)
        person = self._config.person_class
        return [people_of(one.pred_classes, one.pred_boxes.tensor, one.scores, person) for one in found]

    def _input(self, image: Image) -> dict[str, Any]:
        """Return what the model takes of an RGB picture, as DefaultPredictor prepares it."""
        import torch

        given = image if self._predictor.input_format == "RGB" else image[..., ::-1]
        resized = self._predictor.aug.get_transform(given).apply_image(given)
        pixels = torch.as_tensor(np.ascontiguousarray(resized.astype(np.float32).transpose(2, 0, 1)))
        return {"image": pixels, "height": image.shape[0], "width": image.shape[1]}


def _load(config: Detectron2Config, device: str) -> Any:
    """Return a DefaultPredictor with the weights.

    The file is read here, without executing anything: Detectron2 itself would unpickle it.

    Raises:
        InputError: a missing package, no such config, or weights of another model.
    """
    try:
        from detectron2 import model_zoo
        from detectron2.config import get_cfg
        from detectron2.engine import DefaultPredictor
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision built for another torch
        raise missing_package("detectron2", "the package detectron2", INSTALL, error) from error
    cfg = get_cfg()
    try:
        name = config.config
        file = name if Path(name).is_file() else model_zoo.get_config_file(name)
        cfg.merge_from_file(file, allow_unsafe=False)  # or its YAML could name Python to execute
    except (RuntimeError, KeyError, AssertionError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"detector detectron2: config: expected a file or a name of the model zoo, got {config.config!r}: {reason}"
        ) from error
    cfg.MODEL.WEIGHTS = ""  # nothing is fetched
    cfg.MODEL.DEVICE = device
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = cfg.MODEL.RETINANET.SCORE_THRESH_TEST = config.threshold
    if config.min_size is not None:
        cfg.INPUT.MIN_SIZE_TEST = config.min_size
    if config.max_size is not None:
        cfg.INPUT.MAX_SIZE_TEST = config.max_size
    predictor = DefaultPredictor(cfg)
    read = read_pickle(config.weights)
    load_strictly(predictor.model, read.get("model", read) if isinstance(read, dict) else read, str(config.weights))
    return predictor
