from pathlib import Path

import numpy as np
import pytest

from spatial.detectors.postprocess import BoxFilterConfig, clean_detections, suppress
from stvg.errors import InputError
from stvg.geometry.boxes import pairwise_iou
from stvg.types import VideoMeta

META = VideoMeta("v.mp4", Path("videos/v.mp4"), 10, 10.0, 100, 50)


def clean(boxes: list[list[float]], scores: list[float]) -> tuple[list[list[float]], list[float]]:
    found = clean_detections(3, boxes, scores, META, source="net", keep=BoxFilterConfig(threshold=0.5, min_side=4))
    assert found.frame == 3
    return found.boxes_xyxy.tolist(), found.scores.tolist()


@pytest.mark.parametrize(
    ("box", "score", "expected", "reason"),
    [
        ([10, 10, 20, 30], 0.75, [10, 10, 20, 30], "good as it is"),
        ([-5, -5, 20, 70], 0.75, [0, 0, 20, 50], "clipped on three sides"),
        ([95, 10, 140, 30], 0.75, [95, 10, 100, 30], "clipped, still wide enough"),
        ([97, 10, 140, 30], 0.75, None, "too narrow once clipped"),
        ([120, 10, 140, 30], 0.75, None, "beside the picture"),
        ([10, 10, 13, 30], 0.75, None, "too narrow"),
        ([20, 10, 10, 30], 0.75, None, "inverted"),
        ([10, 10, 20, 30], 0.25, None, "too weak"),
        ([10, 10, 20, 30], 0.5, [10, 10, 20, 30], "just strong enough"),
    ],
)
def test_boxes_are_clipped_or_dropped(
    box: list[float], score: float, expected: list[float] | None, reason: str
) -> None:
    assert clean([box], [score]) == (([expected], [score]) if expected else ([], [])), reason


def test_strongest_first() -> None:
    assert clean([[0, 0, 10, 10], [20, 0, 30, 10]], [0.5, 0.75])[1] == [0.75, 0.5]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["boxes", "scores"])
def test_not_finite_names_video_frame_and_detector(value: float, place: str) -> None:
    boxes, scores = [[0.0, 0, 10, 10]], [0.9]
    (boxes[0] if place == "boxes" else scores)[0] = value
    with pytest.raises(InputError, match=rf"v\.mp4: frame 3: expected finite {place} from net"):
        clean(boxes, scores)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("max_iou", [0.3, 0.6])
def test_suppress_is_greedy_suppression(seed: int, max_iou: float) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 60, (40, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 40, (40, 2))], axis=1)
    scores = rng.uniform(0, 1, 40)
    iou = pairwise_iou(boxes, boxes)
    kept: list[int] = []
    for index in np.argsort(-scores):
        if all(iou[index, other] <= max_iou for other in kept):
            kept.append(int(index))
    assert suppress(boxes, scores, max_iou).tolist() == kept
    assert len(kept) < 40


def test_suppress_nothing() -> None:
    assert suppress(np.zeros((0, 4)), np.zeros(0), 0.5).shape == (0,)
