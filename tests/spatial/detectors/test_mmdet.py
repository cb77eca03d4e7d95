"""A real RTMDet with random weights, where mmdet and mmcv's operators are installed (make test-detectors).

What reads checkpoints needs neither, and is tested everywhere.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from spatial.detectors.mmdet import MmdetConfig, MmdetDetector, read_checkpoint
from stvg.errors import InputError
from stvg.types import VideoFrames, VideoMeta

CONFIG = "rtmdet_tiny_8xb32-300e_coco"
SIZE = (128, 96)
installed = pytest.mark.skipif(
    importlib.util.find_spec("mmdet") is None or importlib.util.find_spec("mmcv") is None,
    reason="mmdet is not installed here: make test-detectors",
)


class HistoryBuffer:
    """Stands for mmengine's class of that name, which checkpoints hold."""

    def __init__(self) -> None:
        self._log_history, self._count_history, self._max_length = np.arange(3.0), np.arange(3), 1_000_000
        self._statistics_methods = {"mean": np.float64(1)}


HistoryBuffer.__module__ = "mmengine.logging.history_buffer"


def save_with_logs(state: dict[str, torch.Tensor], path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint as mmengine leaves it, the logs of its training among the weights."""
    module = ModuleType(HistoryBuffer.__module__)
    module.HistoryBuffer = HistoryBuffer  # type: ignore[attr-defined]
    with monkeypatch.context() as patched:
        for name in ("mmengine", "mmengine.logging"):
            patched.setitem(sys.modules, name, ModuleType(name))
        patched.setitem(sys.modules, HistoryBuffer.__module__, module)
        torch.save(
            {"meta": {"epoch": 3}, "message_hub": {"log_scalars": {"loss": HistoryBuffer()}}, "state_dict": state}, path
        )
    return path


def test_weights_are_read_past_the_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_with_logs({"w": torch.arange(3)}, tmp_path / "m.pth", monkeypatch)
    with pytest.raises(Exception, match="HistoryBuffer"):
        torch.load(path, weights_only=True)
    read = read_checkpoint(path)
    assert isinstance(read, dict)
    assert read["w"].tolist() == [0, 1, 2]


def test_nothing_else_in_a_checkpoint_is_executed(tmp_path: Path, evil: Any) -> None:
    torch.save({"message_hub": evil, "state_dict": {}}, tmp_path / "m.pth")
    with pytest.raises(InputError, match=r"m\.pth: expected tensors and plain data, refused to execute"):
        read_checkpoint(tmp_path / "m.pth")
    assert not evil.trace.exists()


def footage(count: int = 3) -> VideoFrames:
    images = np.random.default_rng(0).integers(0, 255, (count, 48, 64, 3), dtype=np.uint8)
    return VideoFrames(
        VideoMeta("v.mp4", Path("v.mp4"), 3 * count, 10.0, 128, 96), 3 * np.arange(count), images, 0.5, ()
    )


@pytest.fixture
def model(tmp_path: Path) -> tuple[Any, Path]:
    """mmdet's own model and its checkpoint."""
    import mmdet
    from mmdet.apis import init_detector
    from mmengine.config import Config

    folder = Path(mmdet.__file__).parent / ".mim" / "configs" / "rtmdet"
    cfg = Config.fromfile(str(folder / f"{CONFIG}.py"))
    cfg.model.backbone.init_cfg = None
    for step in cfg.test_dataloader.dataset.pipeline:
        if step.type == "Resize":
            step.scale = SIZE
        elif step.type == "Pad":
            step.size = SIZE
    torch.manual_seed(0)
    made = init_detector(cfg, None, device="cpu", palette="coco")
    for name, weight in made.named_parameters():
        if "rtm_cls" in name and name.endswith("bias"):  # untrained, all 80 classes are alike
            weight.data[0] = 2.0
        elif "rtm_cls" in name:  # and all places
            weight.data *= 30
    torch.save({"meta": {}, "state_dict": made.state_dict()}, tmp_path / "m.pth")
    return made, tmp_path / "m.pth"


@installed
@pytest.mark.filterwarnings("default")  # the library's own
class TestRealModel:
    def detector(self, weights: Path, **others: Any) -> MmdetDetector:
        values = {"config": CONFIG, "weights": weights, "size": SIZE, "threshold": 0.0, "min_side": 0.0, **others}
        return MmdetConfig(**values).build("cpu")

    @pytest.mark.parametrize("batch_size", [1, 8])
    def test_boxes_are_the_models_own(self, model: tuple[Any, Path], batch_size: int) -> None:
        from mmdet.apis import inference_detector

        found = self.detector(model[1], batch_size=batch_size).detect(footage())
        assert [item.frame for item in found] == [0, 3, 6]
        assert sum(len(item) for item in found) > 0
        for item, image in zip(found, footage().images, strict=True):
            own = inference_detector(model[0], np.ascontiguousarray(image[..., ::-1])).pred_instances
            person = own.labels == 0
            assert len(item) <= int(person.sum())  # boxes that clipping leaves without any area are dropped
            np.testing.assert_allclose(item.scores[:5], own.scores[person].sort(descending=True).values[:5], atol=1e-3)
            gaps = np.abs(item.boxes_xyxy[:, None] - 2 * own.bboxes[person].numpy().clip(0, [64, 48, 64, 48])).max(-1)
            assert gaps.min(axis=1).max() < 0.2

    def test_nan_is_refused(self, model: tuple[Any, Path]) -> None:
        made = self.detector(model[1])
        for name, weight in made._model.named_parameters():
            if "rtm_cls" in name:
                torch.nn.init.constant_(weight, torch.nan)
        with pytest.raises(InputError, match=r"v\.mp4: frames 0 to 6: expected finite scores"):
            made.detect(footage())

    def test_half_precision_runs(self, model: tuple[Any, Path]) -> None:
        assert len(self.detector(model[1], half=True).detect(footage(1))) == 1

    def test_what_cannot_be_used_is_one_line(self, model: tuple[Any, Path], tmp_path: Path) -> None:
        with pytest.raises(InputError, match="config: expected a file, or the name of a config in"):
            self.detector(model[1], config="none")
        torch.save({"state_dict": {"other": torch.zeros(1)}}, tmp_path / "other.pth")
        with pytest.raises(InputError, match=r"other\.pth: expected weights of this model, \d+ missing"):
            self.detector(tmp_path / "other.pth")
