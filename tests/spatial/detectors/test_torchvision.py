"""Real models of torchvision with random weights, where it is installed (make test-detectors)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spatial.detectors.torchvision import TorchvisionConfig, TorchvisionDetector
from stvg.errors import InputError
from stvg.types import VideoFrames, VideoMeta

pytest.importorskip("torchvision", reason="torchvision is not installed here: make test-detectors")
RCNN, SSD = "fasterrcnn_mobilenet_v3_large_320_fpn", "ssdlite320_mobilenet_v3_large"
NAMES = (RCNN, SSD, "retinanet_resnet50_fpn", "fcos_resnet50_fpn")


def footage(count: int = 3) -> VideoFrames:
    images = np.random.default_rng(0).integers(0, 255, (count, 45, 80, 3), dtype=np.uint8)
    return VideoFrames(
        VideoMeta("v.mp4", Path("v.mp4"), 3 * count, 10.0, 160, 90), 3 * np.arange(count), images, 0.5, ()
    )


def saved(name: str, path: Path) -> tuple[Any, Path]:
    """A model with random weights and the classes background, person, and the file of its weights."""
    from torchvision.models import get_model

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = get_model(name, weights=None, weights_backbone=None, num_classes=2).eval()
    for key, weight in model.named_parameters():
        if key.endswith("cls_logits.bias"):  # of untrained ones that start near score 0, under the models' threshold
            torch.nn.init.zeros_(weight)
    torch.save(model.state_dict(), path)
    return model, path


def detector(name: str, weights: Path, **others: Any) -> TorchvisionDetector:
    values = {"name": name, "weights": weights, "num_classes": 2, "threshold": 0.0, "min_side": 0.0, **others}
    return TorchvisionConfig(**values).build("cpu")


@pytest.mark.parametrize("name", NAMES)
def test_boxes_are_the_models_own(name: str, tmp_path: Path) -> None:
    model, weights = saved(name, tmp_path / "w.pth")
    size = {} if name == SSD else {"min_size": 64, "max_size": 128}
    if size:
        model.transform.min_size, model.transform.max_size = (64,), 128
    found = detector(name, weights, **size).detect(footage())
    assert [item.frame for item in found] == [0, 3, 6]
    with torch.no_grad():
        results = model([torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255)) for image in footage().images])
    assert sum(len(item) for item in found) > 0
    for item, result in zip(found, results, strict=True):
        person = result["labels"] == 1
        order = torch.argsort(result["scores"][person], descending=True, stable=True)
        np.testing.assert_allclose(item.scores, result["scores"][person][order], atol=1e-4)
        np.testing.assert_allclose(np.sort(item.boxes_xyxy, 0), np.sort(2 * result["boxes"][person], 0), atol=0.1)


def test_only_people_count(tmp_path: Path) -> None:
    _, weights = saved(RCNN, tmp_path / "w.pth")
    assert all(len(item) == 0 for item in detector(RCNN, weights, person_class=7).detect(footage()))


@pytest.mark.parametrize("name", [RCNN, SSD])
def test_batch_size_does_not_change_the_answer(name: str, tmp_path: Path) -> None:
    _, weights = saved(name, tmp_path / "w.pth")
    one, many = (detector(name, weights, batch_size=size).detect(footage()) for size in (1, 3))
    for first, second in zip(one, many, strict=True):
        np.testing.assert_allclose(first.scores, second.scores, atol=1e-4)


def test_half_precision_runs_and_is_near(tmp_path: Path) -> None:
    """On the CPU; on a GPU the same lines run."""
    _, weights = saved(SSD, tmp_path / "w.pth")
    full, half = (detector(SSD, weights, half=half).detect(footage(1))[0] for half in (False, True))
    assert full.scores.max() == pytest.approx(half.scores.max(), abs=0.05)
    assert not np.array_equal(full.scores, half.scores)


@pytest.mark.parametrize("name", NAMES)
def test_nan_is_refused(name: str, tmp_path: Path) -> None:
    _, weights = saved(name, tmp_path / "w.pth")
    broken = torch.load(weights, weights_only=True)
    for key, value in broken.items():
        if value.is_floating_point() and ("head" in key or "predictor" in key):
            value.fill_(torch.nan)
    torch.save(broken, weights)
    with pytest.raises(InputError, match=r"v\.mp4: frames 0 to 6: expected finite scores from"):
        detector(name, weights).detect(footage())


def test_what_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    _, weights = saved(SSD, tmp_path / "w.pth")
    for expected, make in (
        ("name: expected one of .*ssd300_vgg16.*, got 'yolo'", lambda: detector("yolo", weights)),
        ("min_size, max_size: expected none for ssdlite", lambda: detector(SSD, weights, min_size=64)),
        (r"w\.pth: expected weights of this model", lambda: detector(SSD, weights, num_classes=5)),
        (r"w\.pth: expected weights of this model", lambda: detector(RCNN, weights)),
        (r"none\.pth: expected a file of torch\.save", lambda: detector(RCNN, tmp_path / "none.pth")),
    ):
        with pytest.raises(InputError, match=expected) as caught:
            make()
        assert "\n" not in str(caught.value)


def test_published_weights_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def no_network(*_: object, **__: object) -> None:
        raise OSError("no network\nhere")

    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    with pytest.raises(InputError, match=r"expected the published weights https://.*, got: no network here"):
        TorchvisionConfig(name=SSD).build("cpu")


def test_published_weights_are_read_as_plain_tensors_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, evil: Any
) -> None:
    """A file that would execute something is refused before torchvision's own reader sees it."""

    def fetched(url: str, target: str, *_: object, **__: object) -> None:
        torch.save({"w": evil}, target)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", fetched)
    with pytest.raises(InputError, match="expected the published weights"):
        TorchvisionConfig(name=SSD).build("cpu")
    assert not evil.trace.exists()
