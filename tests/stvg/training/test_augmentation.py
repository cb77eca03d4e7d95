"""Crops and joins in time against loops over frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stvg.training.augmentation import concatenate, concatenate_randomly, crop_randomly, crop_to
from stvg.types import Annotation, FrameSpan, PreparedVideo, Query, Tube, VideoMeta


def tube(tube_id, start, stop):
    corners = np.stack([np.arange(start, stop), np.zeros(stop - start)], axis=1)
    boxes = np.concatenate([corners, corners + 9], axis=1)
    return Tube(tube_id, start, boxes, np.ones(stop - start), np.ones(stop - start, bool))


def video(*spans, rows_per_frame=1.0):
    """Every feature row says which part of its tube or video it is."""
    tubes = tuple(tube(k, *span) for k, span in enumerate(spans))
    features = tuple(np.arange(max(1, int((b - a) * rows_per_frame)), dtype=np.float32)[:, None] for a, b in spans)
    meta = VideoMeta("a.mp4", Path("a.mp4"), 100, 10.0, 64, 48)
    return PreparedVideo(meta, np.arange(100, dtype=np.float32)[:, None], tubes, features, "f")


TRUTH = Annotation(Query("a.mp4", "a.mp4", "x"), tube(0, 30, 50))


@pytest.mark.parametrize("window", [(0, 100), (10, 90), (30, 50), (29, 100)])
def test_every_frame_keeps_its_box_and_row(window):
    start, stop = window
    annotation, cut = crop_to(TRUTH, video((0, 100), (20, 60)), FrameSpan(start, stop))
    assert cut.meta.num_frames == stop - start
    assert annotation.tube.span == FrameSpan(30 - start, 50 - start)
    np.testing.assert_array_equal(annotation.tube.boxes_xyxy, TRUTH.tube.boxes_xyxy)
    assert cut.clip_features[:, 0].tolist() == list(range(start, stop))
    for (first, last), found, rows in zip([(0, 100), (20, 60)], cut.tubes, cut.tube_features, strict=True):
        frames = [frame for frame in range(first, last) if start <= frame < stop]
        assert found.start_frame == frames[0] - start
        assert found.boxes_xyxy[:, 0].tolist() == frames
        assert rows[:, 0].tolist() == [frame - first for frame in frames]


def test_rows_of_several_frames_stay_where_any_of_them_is_left():
    _, cut = crop_to(TRUTH, video((0, 100), rows_per_frame=0.1), FrameSpan(25, 61))
    assert cut.tube_features[0][:, 0].tolist() == [2, 3, 4, 5, 6]


def test_tubes_outside_are_dropped():
    _, cut = crop_to(TRUTH, video((0, 10), (20, 60), (90, 100)), FrameSpan(10, 90))
    assert [found.tube_id for found in cut.tubes] == [1]


@pytest.mark.parametrize("max_share", [0.0, 0.1, 0.3, 0.9])
def test_random_windows_hold_the_moment_and_differ(max_share):
    rng = np.random.default_rng(0)
    starts, lengths = set(), set()
    for _ in range(200):
        annotation, cut = crop_randomly(TRUTH, video((0, 100)), max_share, rng)
        start = 30 - annotation.tube.start_frame
        assert 0 <= start <= min(30, 100 * max_share)
        assert 100 - 100 * max_share <= start + cut.meta.num_frames <= 100
        assert annotation.tube.span.stop <= cut.meta.num_frames
        starts.add(start)
        lengths.add(cut.meta.num_frames)
    assert (len(starts) > 5) == (len(lengths) > 5) == (max_share > 0.05)


@pytest.mark.parametrize(("density", "rows"), [(1.0, 200), (0.1, 200)])
def test_a_join_keeps_every_frame(density, rows):
    """Each frame's clip row and every tube's boxes are those of its own video, the sparser clips repeated."""
    first, second = video((0, 100), (20, 60)), video((5, 95), rows_per_frame=0.5)
    second = replace(second, clip_features=1000 + second.clip_features[:: int(1 / density)])
    joined = concatenate(first, second)
    assert joined.meta.num_frames == 200
    assert len(joined.clip_features) == rows
    assert joined.clip_features[:100, 0].tolist() == list(range(100))
    assert joined.clip_features[100:, 0].tolist() == [
        1000 + frame // int(1 / density) * int(1 / density) for frame in range(100)
    ]
    assert [(one.tube_id, one.span.start, one.span.stop) for one in joined.tubes] == [
        (0, 0, 100),
        (1, 20, 60),
        (2, 105, 195),
    ]
    np.testing.assert_array_equal(joined.tubes[2].boxes_xyxy, second.tubes[0].boxes_xyxy)
    np.testing.assert_array_equal(joined.tube_features[2], second.tube_features[0])


def test_a_random_join_moves_the_truth_with_its_video():
    rng = np.random.default_rng(0)
    starts = []
    for _ in range(40):
        annotation, joined = concatenate_randomly(TRUTH, video((0, 100)), video((20, 60)), rng)
        starts.append(annotation.tube.start_frame)
        own = max(joined.tubes, key=lambda one: one.span.length)
        assert own.start_frame == annotation.tube.start_frame - 30
        np.testing.assert_array_equal(annotation.tube.boxes_xyxy, TRUTH.tube.boxes_xyxy)
    assert set(starts) == {30, 130}
