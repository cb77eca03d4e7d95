"""Annotations of the benchmarks: the real files' counts, the forms, and what is wrong with bad ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from stvg.errors import InputError
from temporal.benchmarks.annotations import read_moments

SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real annotations in ../shared/data")
@pytest.mark.parametrize(
    ("name", "videos", "sentences", "empty", "clipped"),
    [
        ("charades_train", 5336, 12404, 0, 0),
        ("charades_test", 1334, 3720, 0, 0),
        ("activitynet_train", 10009, 37421, 4, 261),
        ("activitynet_val", 4917, 17505, 0, 134),
        ("activitynet_test", 4885, 17031, 0, 111),
        ("tacos_train", 75, 9790, 0, 43),
        ("tacos_val", 27, 4436, 0, 0),
        ("tacos_test", 25, 4001, 0, 5),
    ],
)
def test_real_files(name, videos, sentences, empty, clipped):
    """Against a plain count over the file, as the official code goes through it."""
    path = SHARED / "temporal" / f"{name}.json"
    read = read_moments(path, "2d-tan", drop_empty=True)
    assert (len(read.videos), read.num_sentences, read.num_empty, read.num_clipped) == (
        videos,
        sentences,
        empty,
        clipped,
    )
    raw = json.loads(path.read_text())
    for video in read.videos[:50]:
        item = raw[video.video_id]
        scale = 1.0 if "duration" in item else 1.0 / item["fps"]
        kept = [
            (text, max(s * scale, 0), min(e * scale, video.duration_s))
            for text, (s, e) in zip(item["sentences"], item["timestamps"], strict=True)
            if s < e
        ]
        assert video.sentences == tuple(text for text, _, _ in kept)
        np.testing.assert_allclose(video.moments_s, [[s, e] for _, s, e in kept])
    assert f"{sentences} sentences read, {empty} dropped" in str(read)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real annotations in ../shared/data")
def test_a_real_file_with_empty_moments_is_an_error_unless_they_are_dropped():
    with pytest.raises(InputError, match=r"activitynet_train.json: v_.*: sentence \d+: expected start < end inside"):
        read_moments(SHARED / "temporal" / "activitynet_train.json", "2d-tan", drop_empty=False)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real annotations in ../shared/data")
def test_hcstvg_gives_the_span_of_the_tube():
    (video,) = read_moments(SHARED / "hcstvg" / "one_item_v1.json", "hc-stvg", drop_empty=False).videos
    item = next(iter(json.loads((SHARED / "hcstvg" / "one_item_v1.json").read_text()).values()))
    first = item["st_frame"] - 1
    expected = np.array([[first, first + len(item["bbox"])]]) / item["img_num"] * 20
    np.testing.assert_allclose(video.moments_s, expected)
    assert video.duration_s == 20
    assert video.sentences == (item["caption"],)


GOOD = {"a": {"duration": 10.0, "timestamps": [[0.0, 4.0], [8, 12.5]], "sentences": ["one", "two"]}}


def written(tmp_path, value):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(value))
    return path


def test_moments_are_cut_to_the_video_and_frames_become_seconds(tmp_path):
    frames = {"duration": None, "fps": 2.0, "num_frames": 20, "timestamps": [[0, 8], [16, 25]]}
    in_frames = {key: value for key, value in {**GOOD["a"], **frames}.items() if value is not None}
    for item in (GOOD["a"], in_frames):
        read = read_moments(written(tmp_path, {"a": item}), "2d-tan", drop_empty=False)
        assert read.videos[0].moments_s.tolist() == [[0, 4], [8, 10]]
        assert (read.videos[0].duration_s, read.num_clipped, read.num_empty) == (10, 1, 0)


def test_videos_without_a_moment_are_dropped_with_their_sentences(tmp_path):
    empty = {"duration": 5.0, "timestamps": [[3, 3], [4, 2], [6, 9]], "sentences": ["a", "b", "c"]}
    read = read_moments(written(tmp_path, {"e": empty, **GOOD}), "2d-tan", drop_empty=True)
    assert [video.video_id for video in read.videos] == ["a"]
    assert (read.num_sentences, read.num_empty) == (5, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timestamps": [[0, 4], [8, 7]]}, r"sentence 1: expected start < end inside 0 to 10 s, got \[8.0, 7.0\]"),
        ({"timestamps": [[0, 4], [10, 12]]}, "sentence 1: expected start < end"),
        ({"timestamps": [[0, 4]]}, r"timestamps: expected \[start, end\] for each of 2 sentences"),
        ({"timestamps": [[0, 4], [8, "9"]]}, r"timestamps: expected \[start, end\], got"),
        ({"timestamps": [[0, 4], [8, float("nan")]]}, r"timestamps: expected \[start, end\], got"),
        ({"timestamps": [[0, 4], [1, 2, 3]]}, r"timestamps: expected \[start, end\], got"),
        ({"sentences": ["one", ""]}, "sentences: expected a list of sentences"),
        ({"sentences": "one"}, "sentences: expected a list of sentences"),
        ({"duration": 0}, "duration: expected a number above 0, got 0"),
        ({"duration": "10"}, "duration: expected a number above 0, got '10'"),
        ({"duration": float("inf")}, "duration: expected a number above 0, got inf"),
    ],
)
def test_bad_items_are_one_line_that_names_them(tmp_path, change, message):
    path = written(tmp_path, {"good": GOOD["a"], "bad": {**GOOD["a"], **change}})
    with pytest.raises(InputError, match=f"^{path}: bad: {message}") as caught:
        read_moments(path, "2d-tan", drop_empty=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected videos with their timestamps and sentences, got none"),
        ({}, "expected videos with their timestamps and sentences, got none"),
        ({"a": 3}, "a: expected an object with timestamps and sentences, got int"),
        ({"a": {"timestamps": [], "sentences": []}}, "a: fps: expected a number above 0, got None"),
        ({"a": {"duration": 3, "timestamps": [], "sentences": []}}, "expected at least one sentence with a moment"),
    ],
)
def test_files_that_are_no_annotations(tmp_path, value, message):
    with pytest.raises(InputError, match=message):
        read_moments(written(tmp_path, value), "2d-tan", drop_empty=False)
