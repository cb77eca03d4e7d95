"""What the detectors of other libraries share, and what each says where its library is missing."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import nn

from spatial.detectors import base, postprocess
from spatial.detectors.base import BatchDetector, NotANumberError, RawPeople, forward_only, load_strictly, watch_heads
from spatial.detectors.detectron2 import Detectron2Config
from spatial.detectors.mmdet import MmdetConfig
from spatial.detectors.postprocess import BoxFilterConfig
from spatial.detectors.torchvision import TorchvisionConfig
from spatial.detectors.transformers import TransformersConfig
from stvg.errors import InputError
from stvg.recipe.schema import DetectorConfig
from stvg.types import Image, VideoFrames, VideoMeta


def footage(count: int = 5) -> VideoFrames:
    """Pictures of 80 x 45 of a video of 160 x 135; the first pixel counts them."""
    images = np.zeros((count, 45, 80, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    meta = VideoMeta("v.mp4", Path("v.mp4"), 3 * count, 10.0, 160, 135)
    return VideoFrames(meta, 3 * np.arange(count), images, 1 / 3, ())


class Finds(BatchDetector):
    """Finds what `find` does."""

    def __init__(self, find: Callable[[Image], list[RawPeople]], batch_size: int) -> None:
        super().__init__(BoxFilterConfig(), "net", batch_size)
        self.find = find

    def _find(self, images: Image) -> list[RawPeople]:
        return self.find(images)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_batches_come_in_order_and_boxes_in_pixels_of_the_video(batch_size: int) -> None:
    sizes = []

    def find(images: Image) -> list[RawPeople]:
        sizes.append(len(images))
        first = images[:, 0, 0, 0].astype(float)
        return [RawPeople(np.array([[n, 10, n + 20, 30], [0, 0, 1, 1]]), np.array([0.5, 0.9])) for n in first]

    found = Finds(find, batch_size).detect(footage())
    assert [item.frame for item in found] == [0, 3, 6, 9, 12]
    for n, item in enumerate(found):
        np.testing.assert_allclose(item.boxes_xyxy, [[2 * n, 30, 2 * n + 40, 90]])
    assert sum(sizes) == 5
    assert max(sizes) == min(batch_size, 5)


def test_nan_names_the_frames_of_the_batch() -> None:
    def find(images: Image) -> list[RawPeople]:
        if images[0, 0, 0, 0]:
            raise NotANumberError
        return [RawPeople(np.zeros((0, 4)), np.zeros(0))] * len(images)

    with pytest.raises(InputError, match=r"v\.mp4: frames 6 to 9: expected finite scores from net, got NaN"):
        Finds(find, 2).detect(footage())


def test_frames_without_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match=r"images of v\.mp4: expected pictures, got None"):
        Finds(lambda _: [], 2).detect(replace(footage(), images=None))


class Net(nn.Module):
    """A body and two heads, the second in a list, as detectors of several stages have them."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.rpn_head = nn.Linear(2, 2), nn.Linear(2, 2)
        self.bbox_head = nn.ModuleList([nn.Linear(2, 1), nn.Linear(2, 1)])
        self.norm = nn.BatchNorm1d(2)

    def forward(self, x: torch.Tensor) -> list[dict[str, tuple[torch.Tensor, ...]]]:
        return [{"scores": (head(self.body(x)), head(self.rpn_head(x)))} for head in self.bbox_head]


@pytest.mark.parametrize("place", [0, 1])
def test_heads_watch_heads(place: int) -> None:
    net = Net()
    watch_heads(net)
    with forward_only("cpu", half=False):
        net(torch.ones(3, 2))
        nn.init.constant_(net.bbox_head[place].weight, torch.nan)
        with pytest.raises(NotANumberError):
            net(torch.ones(3, 2))


def test_heads_give_float32_in_half_precision() -> None:
    net = Net()
    watch_heads(net)
    with forward_only("cpu", half=True):
        (first, _) = net(torch.ones(3, 2))
        assert net.body(torch.ones(3, 2)).dtype == torch.float16
    assert [tensor.dtype for tensor in first["scores"]] == [torch.float32] * 2


def test_half_is_float16_without_gradients() -> None:
    layer = nn.Linear(4, 4)
    for half, dtype in ((False, torch.float32), (True, torch.float16)):
        with forward_only("cpu", half):
            answer = layer(torch.ones(1, 4))
        assert answer.dtype == dtype
        assert not answer.requires_grad


def test_weights_are_loaded_as_tensors_or_arrays() -> None:
    net, other = Net(), Net()
    state = {name: value.numpy() if "body" in name else value for name, value in other.state_dict().items()}
    del state["norm.num_batches_tracked"]
    load_strictly(net, {**state, "x.num_batches_tracked": torch.tensor(3), "note": "no weights"}, "w.pth")
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"body.bias": None, "body.weight": None}, r"2 missing: body\.weight, body\.bias"),
        ({"more": torch.zeros(1)}, "1 unexpected: more"),
        ({"body.bias": torch.zeros(7)}, "size mismatch for body.bias"),
    ],
)
def test_other_weights_are_refused(change: dict[str, torch.Tensor | None], message: str) -> None:
    state = {name: value for name, value in {**Net().state_dict(), **change}.items() if value is not None}
    with pytest.raises(InputError, match=rf"w\.pth: expected weights of this model.* {message}"):
        load_strictly(Net(), state, "w.pth")
    with pytest.raises(InputError, match=r"w\.pth: expected weights by name, got list"):
        load_strictly(Net(), [1], "w.pth")


MISSING: list[tuple[str, str, DetectorConfig]] = [
    ("torchvision", r"pip install torch==[\d.]+ torchvision==[\d.]+", TorchvisionConfig()),
    (
        "mmdet",
        r"MMCV_WITH_OPS=1 .* mmcv==2\.1\.0 && pip install mmdet==3\.3\.0",
        MmdetConfig(config="a.py", weights=Path("a.pth")),
    ),
    (
        "detectron2",
        r"checkout of facebookresearch/detectron2",
        Detectron2Config(config="a.yaml", weights=Path("a.pth")),
    ),
    ("transformers", r"pip install transformers", TransformersConfig(name="a")),
]


@pytest.mark.parametrize(("package", "command", "config"), MISSING, ids=[one[0] for one in MISSING])
def test_a_missing_package_is_one_line_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, package: str, command: str, config: DetectorConfig
) -> None:
    for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)  # an import of it fails as if it were not installed
    with pytest.raises(InputError, match=rf"^detector {package}: expected .*{command}") as caught:
        config.build("cpu")
    assert "\n" not in str(caught.value)


def test_the_documented_example_is_a_detector() -> None:
    page = (Path(__file__).parents[3] / "docs" / "detectors.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    assert sum(1 for line in code.splitlines() if line.strip()) <= 15
    person = np.array([[4.0, 2.0, 24.0, 42.0]]), np.array([0.75])
    names: dict[str, Any] = {**vars(base), **vars(postprocess), "Literal": Literal, "Path": Path, "Image": object}
    names |= {"load": lambda path: lambda image: person}
    exec(code, names)  # noqa: S102 (our own page)
    images = np.zeros((3, 45, 80, 3), dtype=np.uint8)
    video = VideoFrames(VideoMeta("v.mp4", Path("v.mp4"), 3, 10.0, 160, 90), np.arange(3), images, 0.5, ())
    found = names["MineConfig"](path=Path("m")).build("cpu").detect(video)
    assert [(one.boxes_xyxy.tolist(), one.scores.tolist()) for one in found] == [([[8, 4, 48, 84]], [0.75])] * 3
