"""A detector that has never seen the demo world finds its people: NanoDet, trained on photographs, over drawn clips.

So the drawn people look like people, and the road from pictures to boxes works. Average precision and recall are
computed here, without the project's own box arithmetic.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from spatial.detectors.onnx import OnnxConfig, OnnxDetector
from spatial.tracking.tracker import TrackingConfig
from stvg.datasets.synthetic.planning.clip import plan_clips
from stvg.datasets.synthetic.planning.scene import Actor, Scene
from stvg.datasets.synthetic.rendering.frames import RenderedFrame, render_scene
from stvg.types import Detections, VideoFrames, VideoMeta

pytest.importorskip("onnxruntime")
NANODET = Path(__file__).resolve().parents[5] / "shared" / "models" / "nanodet_416_coco.onnx"
pytestmark = pytest.mark.skipif(not NANODET.is_file(), reason="the shared NanoDet file is not there")
SEEDS = range(500, 512)
EVERY = 20
EVERY_HIDDEN = 5
LEAST_VISIBLE, HALF_HIDDEN = 0.3, 0.75
LOW_ACTS = ("bend_down", "crouch", "pick_up", "put_down")


@dataclass
class Seen:
    """One frame: boxes (A, 4), visible shares (A,) and low posture (A,) of its people, and what NanoDet found."""

    number: int
    boxes: np.ndarray
    visible: np.ndarray
    low: np.ndarray
    found: Detections


@pytest.fixture(scope="module")
def all_frames() -> list[Seen]:
    """Every 20th frame, and every 5th in which someone is half hidden, as few are."""
    detector = OnnxDetector(OnnxConfig(path=NANODET, threshold=0.05))
    return [seen for seed in SEEDS for seen in look_at(plan_clips(seed, "test", 1)[0].scene, detector)]


@pytest.fixture
def frames(all_frames: list[Seen]) -> list[Seen]:
    return [seen for seen in all_frames if seen.number % EVERY == 0]


def look_at(scene: Scene, detector: OnnxDetector) -> list[Seen]:
    kept: dict[int, RenderedFrame] = {}
    for number, frame in enumerate(render_scene(scene)):
        if number % EVERY == 0 or (number % EVERY_HIDDEN == 0 and half_hidden(frame.visible).any()):
            kept[number] = frame
    meta = VideoMeta("v.mp4", Path("v.mp4"), scene.num_frames, scene.fps, scene.width, scene.height)
    images = np.stack([frame.image for frame in kept.values()])
    found = detector.detect(VideoFrames(meta, np.array(list(kept)), images, 1.0, ()))
    return [
        Seen(number, frame.boxes_xyxy, frame.visible, np.array([is_low(actor, number) for actor in scene.actors]), item)
        for (number, frame), item in zip(kept.items(), found, strict=True)
    ]


def half_hidden(visible: np.ndarray) -> np.ndarray:
    return (visible >= LEAST_VISIBLE) & (visible <= HALF_HIDDEN)


def is_low(actor: Actor, frame: int) -> bool:
    """Whether someone sits, or is in the middle of bending down, as the script says."""
    seated = actor.seated
    for act in actor.acts:
        if act.action == "sit_down" and act.stop <= frame:
            seated = True
        if act.action == "stand_up" and act.start <= frame:
            seated = False
        margin = (act.stop - act.start) / 4
        if act.action in LOW_ACTS and act.start + margin <= frame < act.stop - margin:
            return True
    return seated


def iou(box: np.ndarray, other: np.ndarray) -> float:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if not (width > 0 and height > 0):  # also where nothing of the person is in the picture: NaN
        return 0.0
    shared = width * height
    both = (box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return float(shared / (both - shared))


def match(seen: Seen, least_score: float) -> tuple[list[tuple[float, bool]], set[int]]:
    """Give the strongest detection the free person it overlaps most, by 0.5 at least, and so on.

    Return score and success of each detection, and who was found. Detections of someone who is hardly visible, and
    of nobody else, do not count.
    """
    results, taken = [], set()
    for box, score in zip(seen.found.boxes_xyxy, seen.found.scores, strict=True):  # strongest first
        if score < least_score:
            continue
        overlaps = {who: iou(box, truth) for who, truth in enumerate(seen.boxes) if who not in taken}
        near = [who for who, value in overlaps.items() if value >= 0.5]
        counted = [who for who in near if seen.visible[who] >= LEAST_VISIBLE]
        if counted:
            taken.add(max(counted, key=overlaps.__getitem__))
        if counted or not near:
            results.append((float(score), bool(counted)))
    return results, taken


def average_precision(results: list[tuple[float, bool]], people: int) -> float:
    """The area under the curve of precision over recall, each precision raised to the best at a higher recall."""
    hits, points = 0, []
    for rank, (_, hit) in enumerate(sorted(results, key=lambda result: -result[0]), start=1):
        hits += hit
        points.append((hits / people, hits / rank))
    area, reached = 0.0, 0.0
    for index, (recall, _) in enumerate(points):
        area += (recall - reached) * max(precision for _, precision in points[index:])
        reached = recall
    return area


def recall(frames: list[Seen], least_score: float, counts: str) -> tuple[float, int]:
    """The share of the people for whom `counts` that are found, and how many they are."""
    found = people = 0
    for seen in frames:
        _, taken = match(seen, least_score)
        wanted = {
            "everyone": seen.visible >= LEAST_VISIBLE,
            "low": (seen.visible >= LEAST_VISIBLE) & seen.low,
            "half hidden": half_hidden(seen.visible),
        }[counts]
        people += int(wanted.sum())
        found += len(taken & set(np.flatnonzero(wanted).tolist()))
    return found / people, people


@pytest.mark.parametrize(
    ("results", "people", "expected"),
    [
        ([(0.9, True), (0.8, True)], 2, 1.0),  # all found, nothing else
        ([(0.9, True), (0.8, False)], 1, 1.0),  # a false one after the last true one costs nothing
        ([(0.8, True), (0.9, False)], 1, 0.5),  # before it, it does
        ([(0.9, True)], 2, 0.5),  # one is never found
        ([(0.9, True), (0.8, False), (0.7, False), (0.6, True)], 2, 0.5 + 0.5 * 0.5),
        ([(0.9, False), (0.8, True), (0.7, True)], 2, 2 / 3),  # the best precision to the right counts
        ([], 3, 0.0),
    ],
)
def test_average_precision_by_hand(results: list[tuple[float, bool]], people: int, expected: float) -> None:
    assert average_precision(results, people) == pytest.approx(expected)


def test_average_precision_of_people(frames: list[Seen]) -> None:
    results = [result for seen in frames for result in match(seen, 0.05)[0]]
    people = sum(int((seen.visible >= LEAST_VISIBLE).sum()) for seen in frames)
    assert average_precision(results, people) >= 0.9


@pytest.mark.parametrize(
    ("counts", "least_recall", "least_people"),
    [("everyone", 0.85, 300), ("low", 0.8, 50)],  # low: sitting and bending down
)
def test_recall_at_the_score_that_starts_a_track(
    frames: list[Seen], counts: str, least_recall: float, least_people: int
) -> None:
    share, people = recall(frames, TrackingConfig().high_score, counts)
    assert people >= least_people
    assert share >= least_recall


def test_recall_of_half_hidden_people(all_frames: list[Seen]) -> None:
    """At a score that continues a track: few walk in behind something."""
    share, people = recall(all_frames, 0.25, "half hidden")
    assert people >= 40
    assert share >= 0.5
