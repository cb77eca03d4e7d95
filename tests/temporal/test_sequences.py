"""Clip sequences against a loop over frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stvg.types import PreparedVideo, Tube, VideoMeta
from temporal.sequences import PeopleSequences, VideoSequence, tube_rows


def tube(tube_id, start, length):
    return Tube(tube_id, start, np.tile([0.0, 0.0, 9.0, 9.0], (length, 1)), np.ones(length), np.ones(length, bool))


def video(num_frames, tubes, num_rows, seed=0):
    rng = np.random.default_rng(seed)
    meta = VideoMeta("a.mp4", Path("a.mp4"), num_frames, 10.0, 64, 48)
    features = tuple(rng.normal(size=(rows, 5)).astype(np.float32) for rows in num_rows)
    return PreparedVideo(meta, rng.normal(size=(11, 3)).astype(np.float32), tuple(tubes), features)


def unit(row):
    return row / np.sqrt((row**2).sum())


def by_frames(prepared, num_clips):
    """Every frame of a clip that a tube covers votes once for its row of features; each row voted for counts once.

    A clip without a frame of its own has the one at its start.
    """
    frames = prepared.meta.num_frames
    edges = [round(k * frames / num_clips) for k in range(num_clips + 1)]
    sequences = np.zeros((len(prepared.tubes), num_clips, 5))
    for sequence, one, features in zip(sequences, prepared.tubes, prepared.tube_features, strict=True):
        for clip in range(num_clips):
            begin = min(edges[clip], frames - 1)
            inside = [f for f in range(begin, max(edges[clip + 1], begin + 1)) if one.span.start <= f < one.span.stop]
            rows = {(f - one.span.start) * len(features) // one.span.length for f in inside}
            if rows:
                sequence[clip] = np.mean([unit(features[row].astype(np.float64)) for row in sorted(rows)], axis=0)
    return sequences


@pytest.mark.parametrize(
    ("num_frames", "tubes", "num_rows", "reason"),
    [
        (64, [tube(0, 0, 64)], [64], "a row per frame"),
        (64, [tube(0, 0, 64)], [32], "a row per second frame"),
        (64, [tube(0, 3, 50), tube(1, 40, 20)], [25, 10], "tubes that begin late and end early"),
        (61, [tube(0, 5, 37)], [19], "numbers that divide each other nowhere"),
        (64, [tube(0, 30, 1)], [1], "a tube of one frame"),
        (64, [tube(0, 10, 30)], [2], "one row for many clips"),
        (5, [tube(0, 1, 3)], [3], "fewer frames than clips"),
        (1, [tube(0, 0, 1)], [1], "a video of one frame"),
    ],
)
def test_people_sequences_against_a_loop_over_frames(num_frames, tubes, num_rows, reason):
    prepared = video(num_frames, tubes, num_rows)
    found = PeopleSequences(8).of(prepared)
    assert found.shape == (len(tubes), 8, 5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_frames(prepared, 8), rtol=1e-5, atol=1e-6, err_msg=reason)


def test_short_videos_have_no_blank_clips():
    found = PeopleSequences(32).of(video(20, [tube(0, 0, 20)], [20]))
    assert np.abs(found[0]).sum(axis=1).all()


def test_sequences_are_zero_where_the_tube_is_absent():
    found = PeopleSequences(8).of(video(80, [tube(0, 20, 20)], [20]))
    assert np.abs(found[0]).sum(axis=1).astype(bool).tolist() == [False, False, True, True] + [False] * 4


def test_a_video_without_tubes_gives_one_stream_of_zeros():
    found = PeopleSequences(8).of(video(64, [], []))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.zeros((1, 8, 1)))


def test_video_stream_is_the_mean_of_its_rows():
    prepared = video(64, [], [])
    found = VideoSequence(4).of(prepared)
    assert found.shape == (1, 4, 3)
    assert found.dtype == np.float32
    edges = [0, 3, 6, 8, 11]  # round(11 k / 4), halves to even
    for clip in range(4):
        rows = [unit(row) for row in prepared.clip_features[edges[clip] : edges[clip + 1]]]
        np.testing.assert_allclose(found[0, clip], np.mean(rows, axis=0), rtol=1e-5)


def test_rows_that_came_normalised_keep_their_lengths():
    prepared = video(64, [tube(0, 0, 64)], [32])
    already = replace(prepared, normalised=True)
    assert tube_rows(already) is prepared.tube_features
    np.testing.assert_allclose(np.linalg.norm(tube_rows(prepared)[0], axis=1), 1, rtol=1e-6)
    found = PeopleSequences(8).of(already)[0]
    np.testing.assert_allclose(found, prepared.tube_features[0].reshape(8, 4, 5).mean(axis=1), rtol=1e-5, atol=1e-6)
