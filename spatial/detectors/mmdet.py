"""Detect people with MMDetection 3: RTMDet, DINO, Faster R-CNN and others.

The package is mmdet, or its fork onedl-mmdetection.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
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
from stvg.types import Image

INSTALL = (
    "pip install 'setuptools<81' wheel ninja psutil && MMCV_WITH_OPS=1 FORCE_CUDA=0 pip install --no-build-isolation "
    "mmcv==2.1.0 && pip install mmdet==3.3.0 (FORCE_CUDA=1 for a GPU)"
)
"""Commands for the error where mmdet is missing."""
_LOG_PARTS = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    "numpy.ndarray",
    "numpy.dtype",
    *(f"numpy.dtypes.{name}DType" for name in ("Float64", "Float32", "Int64", "Int32")),
    "builtins.getattr",
    "__builtin__.getattr",
)
"""Names of classes and functions in the training logs of published checkpoints; a stand-in is unpickled for each."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class MmdetConfig(BatchConfig):
    """People from a detector of MMDetection."""

    kind: Literal["mmdet"] = "mmdet"
    config: str
    """The model's config: a file, or the name of one that comes with mmdet, such as rtmdet_tiny_8xb32-300e_coco."""
    weights: Path
    """The checkpoint, a .pth file."""
    person_class: WholeNumber = 0
    """Index of the class "person"."""
    size: tuple[Pixels, Pixels] | None = None
    """Width and height that pictures are resized to and padded to, in place of the config's."""

    def build(self, device: str) -> "MmdetDetector":
        """Return the detector on `device`.

        Raises:
            InputError: as MmdetDetector, or no such device.
        """
        return MmdetDetector(self, usable(device))


class MmdetDetector(BatchDetector):
    """Runs a model of MMDetection on `device`.

    Raises:
        InputError: a missing package, no such config, or weights of another model.
    """

    def __init__(self, config: MmdetConfig, device: str) -> None:
        super().__init__(config, str(config.weights), config.batch_size)
        self._model, self._pipeline = _load(config, device)
        watch_heads(self._model)
        self._config, self._device = config, device

    def _find(self, images: Image) -> list[RawPeople]:
        """Return the people of (n, h, w, 3) pictures, in one pass: mmdet's inference_detector makes one for each."""
        ready = [self._pipeline({"img": np.ascontiguousarray(image[..., ::-1]), "img_id": 0}) for image in images]
        batch = {key: [one[key] for one in ready] for key in ("inputs", "data_samples")}
        with forward_only(self._device, self._config.half):
            samples = self._model.test_step(batch)
        found = (sample.pred_instances for sample in samples)
        return [people_of(one.labels, one.bboxes, one.scores, self._config.person_class) for one in found]


def _load(config: MmdetConfig, device: str) -> tuple[Any, Any]:
    """Return the model with its weights, and what makes a BGR picture its input.

    Raises:
        InputError: a missing package, no such config, or weights of another model.
    """
    try:
        from mmcv.transforms import Compose
        from mmdet.apis import init_detector
        from mmdet.utils import get_test_pipeline_cfg
        from mmengine.config import Config
        from mmengine.registry import DefaultScope
    except (ImportError, AssertionError) as error:  # AssertionError: mmdet checks the version of mmcv
        raise missing_package("mmdet", "the packages mmdet and mmcv with its operators", INSTALL, error) from error
    cfg = Config.fromfile(str(_config_file(config.config)))
    state = read_checkpoint(config.weights)
    if "init_cfg" in cfg.model.get("backbone", {}):
        cfg.model.backbone.init_cfg = None  # or it fetches weights that ours replace
    if config.size is not None:
        _resize(cfg, config.size)
    model = init_detector(cfg, None, device=device, palette="coco")
    load_strictly(model, state, str(config.weights))
    steps = get_test_pipeline_cfg(cfg.copy())
    steps[0].type = "mmdet.LoadImageFromNDArray"
    with DefaultScope.overwrite_default_scope("mmdet"):
        return model, Compose([step for step in steps if step.type != "LoadAnnotations"])


def _config_file(config: str) -> Path:
    """Return the file of a config named as a file or as mmdet ships it.

    Raises:
        InputError: neither.
    """
    import mmdet

    if Path(config).is_file():
        return Path(config)
    shipped = Path(mmdet.__file__).parent / ".mim" / "configs"
    found = sorted(shipped.glob(f"*/{Path(config).stem}.py")) if shipped.is_dir() else []
    if not found:
        raise InputError(f"detector mmdet: config: expected a file, or the name of a config in {shipped}, got {config}")
    return found[0]


def read_checkpoint(path: Path) -> object:
    """Return the weights by name in a checkpoint of mmengine; nothing in the file is executed.

    Checkpoints carry logs of their training as Python objects. torch's weights_only reader refuses these, so here it
    gets an empty stand-in for each of the few names that they use.

    Raises:
        InputError: no such file, damaged, or one that names anything else.
    """
    import torch

    from stvg.pickles.torch_file import read_torch_file

    with torch.serialization.safe_globals([(_Log, name) for name in _LOG_PARTS]):
        read = read_torch_file(path)
    return read.get("state_dict", read) if isinstance(read, dict) else read


class _Log:
    """Stands in for the classes of training logs; holds nothing."""

    def __new__(cls, *_: object) -> "_Log":
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _resize(cfg: Any, size: tuple[int, int]) -> None:
    """Set the size of every step of the test pipeline that has one, and of the padding of batches."""
    for step in cfg.test_dataloader.dataset.pipeline:
        if step.type.endswith("Resize"):
            step.scale = size
        elif step.type.endswith("Pad") and "size" in step:
            step.size = size
