from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from stvg.errors import InputError
from stvg.geometry.boxes import pairwise_iou
from stvg.io.mot_text import MotRows, write_mot
from stvg.io.shot_detection import find_cuts
from stvg.types import Detections, VideoFrames, VideoMeta
from tracking import clips as tracking_clips
from tracking.clips import TrackingClip, crowd_clip, filmed_clip, with_planted_cut

FRAMES = 400


def crowd(people: int = 6) -> MotRows:
    """People who stand side by side for 400 frames."""
    frames, ids = np.repeat(np.arange(FRAMES), people), np.tile(np.arange(people), FRAMES)
    boxes = np.stack([100.0 * ids, np.full(len(ids), 100), 100.0 * ids + 50, np.full(len(ids), 250)], axis=1)
    return MotRows(frames, ids + 1, boxes.astype(np.float32), np.ones(len(ids), np.float32))


@pytest.fixture
def clip(tmp_path: Path) -> TrackingClip:
    write_mot(tmp_path / "Crowd" / "gt.txt", crowd())
    return filmed_clip("Crowd", tmp_path, 0)


def test_detections_err_as_much_as_they_say(clip: TrackingClip) -> None:
    hits, false, errors, gaps = 0, 0, [], np.zeros(6, dtype=int)
    longest = gaps.copy()
    for item in clip.detections:
        truth = clip.truth.boxes_xyxy[clip.truth.frames == item.frame]
        iou = pairwise_iou(truth, item.boxes_xyxy)
        found = iou > 0.4
        hits += int(found.any(axis=1).sum())
        false += int((~found.any(axis=0)).sum())
        errors += [
            (item.boxes_xyxy[b] - truth[a]) / [50, 150, 50, 150] for a, b in zip(*np.nonzero(found), strict=True)
        ]
        gaps = np.where(found.any(axis=1), 0, gaps + 1)
        longest = np.maximum(longest, gaps)
    total = len(clip.truth)
    assert 0.70 < hits / total < 0.85  # 15 % of misses, and gaps of 14 frames on average
    assert 0.05 < false / total < 0.15
    assert np.std(np.array(errors)[:, [1, 3]]) == pytest.approx(0.05, abs=0.005)
    assert 12 < longest.max() < 45  # a gap may follow another one


def test_a_crowd_walks_inside_the_picture_and_meets() -> None:
    clip = crowd_clip(5, 120, seed=3)
    assert [item.frame for item in clip.detections] == list(range(120))
    assert len(clip.truth) == 600
    assert clip.truth.boxes_xyxy.min() >= 0
    assert clip.truth.boxes_xyxy[:, 2].max() <= 1280
    found = sum(len(item) for item in clip.detections)
    assert 0.6 < found / 600 < 1.1
    iou = [pairwise_iou(own, own) - np.eye(5) for own in clip.truth.boxes_xyxy.reshape(120, 5, 4)]
    assert np.max(iou) > 0.3


def test_seeds_differ_and_repeat(tmp_path: Path, clip: TrackingClip) -> None:
    again, other = filmed_clip("Crowd", tmp_path, 0), filmed_clip("Crowd", tmp_path, 1)
    for a, b in zip(clip.detections, again.detections, strict=True):
        np.testing.assert_array_equal(a.boxes_xyxy, b.boxes_xyxy)
    assert [len(a) for a in clip.detections] != [len(a) for a in other.detections]


def test_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_clips, "find_spec", lambda name: find_spec("no_such_package_of_ours"))
    with pytest.raises(InputError, match="pip install motmetrics"):
        filmed_clip("TUD-Campus", None, 0)


def test_planted_cut_moves_pictures_boxes_and_truth_alike() -> None:
    rng = np.random.default_rng(0)
    images = np.clip(rng.normal(60, 10, (1, 90, 160, 3)).repeat(40, axis=0), 0, 255).astype(np.uint8)
    boxes = np.array([[200, 100, 240, 200], [420, 120, 470, 260]], np.float32)
    for x1, y1, x2, y2 in (boxes / 4).astype(int):
        images[:, y1:y2, x1:x2] = 250
    meta = VideoMeta("v.mp4", Path("v.mp4"), 80, 10.0, 640, 360)
    footage = VideoFrames(meta, np.arange(0, 80, 2), images, 0.25, ())
    truth = MotRows(np.repeat(np.arange(80), 2), np.tile([0, 1], 80), np.tile(boxes, (80, 1)), np.ones(160, np.float32))
    items = tuple(Detections(frame, boxes, [0.9, 0.8]) for frame in range(0, 80, 2))
    cut = with_planted_cut(TrackingClip("v", footage, items, truth), 0)
    (start,) = cut.footage.cuts
    assert 20 <= start < 60
    for item, image in zip(cut.detections, cut.footage.images, strict=True):
        here = cut.truth.boxes_xyxy[cut.truth.frames == item.frame]
        np.testing.assert_allclose(item.boxes_xyxy, here)
        if item.frame < start:
            np.testing.assert_array_equal(here, boxes)
        for x1, y1, x2, y2 in (here * 0.25).astype(int):
            assert image[y1 + 3 : y2 - 3, x1 + 3 : x2 - 3].min() > 200
        assert (image > 200).mean() == pytest.approx(
            sum((b[2] - b[0]) * (b[3] - b[1]) for b in here / 4) / 90 / 160, rel=0.2
        )
    assert find_cuts(cut.footage.images) == (-(-start // 2),)
