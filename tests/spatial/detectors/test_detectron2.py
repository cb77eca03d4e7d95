"""CONTRACT TESTS ON A STAND-IN: detectron2 is not on PyPI, so nothing here runs the real library.

The stand-in has the names, arguments and results of detectron2 0.6 that the adapter uses: `get_cfg`,
`model_zoo.get_config_file`, `DefaultPredictor` with `model`, `aug` and `input_format`, and models that take dicts of
`image`, `height`, `width` and give dicts of `instances`. Where detectron2 is installed, the last test runs a
real model.
"""

import importlib.util
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from torch import nn

from spatial.detectors.detectron2 import Detectron2Config, Detectron2Detector
from stvg.errors import InputError
from stvg.types import VideoFrames, VideoMeta

WIDTH, HEIGHT = 80, 40


class StandInModel(nn.Module):
    """Finds a person whose box is where the picture is brighter than grey, and a cat at the same place."""

    def __init__(self) -> None:
        super().__init__()
        self.roi_heads = nn.Module()
        self.roi_heads.box_predictor = nn.Linear(1, 2)
        self.batches: list[list[dict[str, Any]]] = []

    def forward(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.batches.append(batch)
        return [{"instances": self.instances(**one)} for one in batch]

    def instances(self, image: torch.Tensor, height: int, width: int) -> SimpleNamespace:
        rows, columns = torch.nonzero(image.amax(dim=0) > 128, as_tuple=True)
        scale = torch.tensor([width / image.shape[2], height / image.shape[1]] * 2)
        box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) * scale
        scores = self.roi_heads.box_predictor(torch.ones(1))[:2].sigmoid()
        return SimpleNamespace(
            pred_boxes=SimpleNamespace(tensor=torch.stack([box, box])),
            scores=scores,
            pred_classes=torch.tensor([0, 15]),
        )


class Cfg(SimpleNamespace):
    """A CfgNode as far as it is used: attributes, and merge_from_file."""

    def merge_from_file(self, path: str, allow_unsafe: bool = True) -> None:
        assert not allow_unsafe, "YAML could name Python to execute"
        for key, value in yaml.safe_load(Path(path).read_text()).items():
            if not hasattr(self.INPUT, key):
                raise KeyError(f"Non-existent config key: INPUT.{key}")
            setattr(self.INPUT, key, value)


def get_cfg() -> Cfg:
    return Cfg(
        MODEL=SimpleNamespace(
            WEIGHTS="catalog://imagenet",
            DEVICE="cuda",
            ROI_HEADS=SimpleNamespace(SCORE_THRESH_TEST=0.05),
            RETINANET=SimpleNamespace(SCORE_THRESH_TEST=0.05),
        ),
        INPUT=SimpleNamespace(MIN_SIZE_TEST=HEIGHT, MAX_SIZE_TEST=1333, FORMAT="BGR"),
    )


class DefaultPredictor:
    """Builds the model; its `aug` resizes the shorter side, up to a longest longer one."""

    def __init__(self, cfg: Cfg) -> None:
        assert cfg.MODEL.WEIGHTS == "", "nothing may be fetched"
        self.cfg, self.model, self.input_format = cfg, StandInModel().eval(), cfg.INPUT.FORMAT
        self.aug = SimpleNamespace(get_transform=lambda image: SimpleNamespace(apply_image=self.resize))

    def resize(self, image: np.ndarray) -> np.ndarray:
        ratio = min(
            self.cfg.INPUT.MIN_SIZE_TEST / min(image.shape[:2]), self.cfg.INPUT.MAX_SIZE_TEST / max(image.shape[:2])
        )
        return cv2.resize(np.ascontiguousarray(image), None, fx=ratio, fy=ratio, interpolation=cv2.INTER_NEAREST)


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Put the stand-in in detectron2's place, with a model zoo of one config."""
    (tmp_path / "zoo.yaml").write_text("{}")

    def get_config_file(name: str) -> str:
        if name != "COCO-Detection/zoo.yaml":
            raise RuntimeError(f"{name} not available in Model Zoo!")
        return str(tmp_path / "zoo.yaml")

    parts = {
        "detectron2": {},
        "detectron2.config": {"get_cfg": get_cfg},
        "detectron2.engine": {"DefaultPredictor": DefaultPredictor},
        "detectron2.model_zoo": {"get_config_file": get_config_file},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["detectron2"].model_zoo = sys.modules["detectron2.model_zoo"]  # type: ignore[attr-defined]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The zoo's form: a pickle of arrays by name. Scores: 0.9 and 0.2."""
    arrays = {
        "roi_heads.box_predictor.weight": np.array([[2.1972246], [-1.0]], np.float32),
        "roi_heads.box_predictor.bias": np.zeros(2, np.float32),
    }
    path = tmp_path / "model_final_b275ba.pkl"
    path.write_bytes(pickle.dumps({"model": OrderedDict(arrays), "__author__": "Detectron2 Model Zoo"}))
    return path


def footage(count: int = 3) -> VideoFrames:
    """Red on black, further right in each frame; the video is twice as large as the pictures."""
    images = np.zeros((count, HEIGHT, WIDTH, 3), np.uint8)
    for number, image in enumerate(images):
        image[10:30, 10 * number : 10 * number + 20, 0] = 255
    meta = VideoMeta("v.mp4", Path("v.mp4"), 2 * count, 10.0, 2 * WIDTH, 2 * HEIGHT)
    return VideoFrames(meta, 2 * np.arange(count), images, 0.5, ())


def detector(weights: Path, config: str = "COCO-Detection/zoo.yaml", **others: Any) -> Detectron2Detector:
    return Detectron2Config(config=config, weights=weights, **others).build("cpu")


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_people_in_pixels_of_the_video(weights: Path, batch_size: int) -> None:
    made = detector(weights, batch_size=batch_size)
    found = made.detect(footage())
    assert [item.frame for item in found] == [0, 2, 4]
    for number, item in enumerate(found):
        np.testing.assert_allclose(item.boxes_xyxy, [[20 * number, 20, 20 * number + 40, 60]])
        np.testing.assert_allclose(item.scores, [0.9], rtol=1e-5)
    assert [len(batch) for batch in made._predictor.model.batches] == {1: [1, 1, 1], 2: [2, 1], 8: [3]}[batch_size]


@pytest.mark.parametrize(("form", "channel"), [("BGR", 2), ("RGB", 0)])
def test_colours_in_the_order_that_the_config_says(weights: Path, tmp_path: Path, form: str, channel: int) -> None:
    (tmp_path / "own.yaml").write_text(f"FORMAT: {form}")
    made = detector(weights, str(tmp_path / "own.yaml"))
    made.detect(footage(1))
    ((seen,),) = made._predictor.model.batches
    assert seen["image"].dtype == torch.float32
    assert seen["image"].amax(dim=(1, 2)).tolist() == [255.0 * (index == channel) for index in range(3)]
    assert (seen["height"], seen["width"]) == (HEIGHT, WIDTH)


def test_sizes_threshold_device_and_class_reach_the_model(weights: Path) -> None:
    made = detector(weights, min_size=60, max_size=100, threshold=0.3, person_class=15)
    assert made.detect(footage(1))[0].scores.tolist() == []  # the cat has 0.27
    cfg = made._predictor.cfg
    assert (cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST, cfg.MODEL.RETINANET.SCORE_THRESH_TEST) == (0.3, 0.3)
    assert cfg.MODEL.DEVICE == "cpu"
    assert made._predictor.model.batches[0][0]["image"].shape == (3, 50, 100)
    (item,) = detector(weights, person_class=15).detect(footage(1))
    assert item.scores.tolist() == pytest.approx([1 / (1 + np.e)])


def test_own_weights_of_torch(weights: Path, tmp_path: Path) -> None:
    state = {name: torch.tensor(value) for name, value in pickle.loads(weights.read_bytes())["model"].items()}  # noqa: S301
    torch.save({"model": state, "iteration": 3}, tmp_path / "own.pth")
    assert len(detector(tmp_path / "own.pth").detect(footage(1))[0]) == 1


def test_nothing_in_a_weights_file_is_executed(tmp_path: Path, evil: Any) -> None:
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps({"model": evil}))
    torch.save({"model": evil}, tmp_path / "evil.pth")
    for name in ("evil.pkl", "evil.pth"):
        with pytest.raises(InputError, match=rf"{name}: expected .*, refused"):
            detector(tmp_path / name)
    assert not evil.trace.exists()


def test_nan_is_refused(weights: Path) -> None:
    made = detector(weights)
    nn.init.constant_(made._predictor.model.roi_heads.box_predictor.weight, torch.nan)
    with pytest.raises(InputError, match=r"v\.mp4: frames 0 to 4: expected finite scores from .*model_final"):
        made.detect(footage())


def test_what_cannot_be_used_is_one_line(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("COLOUR: 3")
    (tmp_path / "evil.yaml").write_text("FORMAT: !!python/object/apply:os.getcwd []")
    for config, expected in (
        ("COCO-Detection/none.yaml", "not available in Model Zoo"),
        (str(tmp_path / "odd.yaml"), "Non-existent config key"),
        (str(tmp_path / "evil.yaml"), "could not determine a constructor"),
    ):
        with pytest.raises(
            InputError, match=f"config: expected a file or a name of the model zoo.*{expected}"
        ) as caught:
            detector(weights, config)
        assert "\n" not in str(caught.value)
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: expected weights of this model, 2 missing"):
        detector(tmp_path / "other.pth")


@pytest.mark.skipif(importlib.util.find_spec("detectron2") is None, reason="detectron2 is not installed here")
def test_a_real_model_of_the_zoo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Random weights, its own answer picture by picture. Never run where these tests were written."""
    for name in [name for name in sys.modules if name.split(".")[0] == "detectron2"]:
        monkeypatch.delitem(sys.modules, name)
    from detectron2 import model_zoo
    from detectron2.config import get_cfg as real_cfg
    from detectron2.engine import DefaultPredictor as RealPredictor

    name = "COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml"
    cfg = real_cfg()
    cfg.merge_from_file(model_zoo.get_config_file(name))
    cfg.MODEL.WEIGHTS, cfg.MODEL.DEVICE, cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = "", "cpu", 0.0
    cfg.INPUT.MIN_SIZE_TEST = 64
    real = RealPredictor(cfg)
    torch.save({"model": real.model.state_dict()}, tmp_path / "w.pth")
    found = detector(tmp_path / "w.pth", name, threshold=0.0, min_side=0.0, min_size=64).detect(footage())
    for item, image in zip(found, footage().images, strict=True):
        instances = real(image[..., ::-1])["instances"]
        assert len(item) == int((instances.pred_classes == 0).sum())
