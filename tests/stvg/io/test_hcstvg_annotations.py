import copy
import json
import logging
from pathlib import Path

import numpy as np
import pytest

from stvg.errors import InputError
from stvg.io.hcstvg_annotations import (
    AnnotatedClip,
    read_annotated_clips,
    read_annotations,
    read_queries,
    write_annotations,
    write_queries,
)
from stvg.types import Annotation, ClipSize, FrameSpan, Query, Tube

SHARED = Path(__file__).parents[4] / "shared" / "data" / "hcstvg"
KEY = "55_vfjywN5CN0Y.mp4"
ITEM = {
    "bbox": [[10, 20, 30, 40], [11, 20, 30, 40], [12, 20, 30, 40]],
    "st_frame": 8,
    "st_time": 99.0,
    "ed_time": 0.0,
    "img_num": 10,
    "width": 64,
    "height": 60,
    "caption": "The woman stands up.",
}


def write(path, value):
    path.write_text(json.dumps(value))
    return path


def changed(**fields):
    """The good item with some fields replaced; None removes one."""
    item = {**copy.deepcopy(ITEM), **fields}
    return {name: value for name, value in item.items() if value is not None}


def test_v1_item(tmp_path):
    (clip,) = read_annotated_clips(write(tmp_path / "v1.json", {KEY: ITEM}))
    assert clip.size == ClipSize(width=64, height=60, num_frames=10)
    assert clip.annotation.query == Query(KEY, KEY, "The woman stands up.")
    assert clip.annotation.tube.span == FrameSpan(7, 10), "from st_frame and the boxes, whatever the times say"
    assert clip.annotation.tube.boxes_xyxy.tolist()[1] == [11, 20, 41, 60]
    assert clip.annotation.tube.observed.all()


def test_v2_item(tmp_path):
    item = changed(caption=None, width=None, height=None, English="He sits.", img_size=[60, 64, 3])
    (clip,) = read_annotated_clips(write(tmp_path / "v2.json", {KEY: item}))
    assert clip.annotation.query.text == "He sits."
    assert (clip.size.width, clip.size.height) == (64, 60)
    (clip,) = read_annotated_clips(write(tmp_path / "v2.json", {KEY: {**item, "caption": None}}))
    assert clip.annotation.query.text == "He sits."


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (changed(bbox=[[10, 20, 55, 41]] * 3), "one pixel over the border comes from rounding"),
        (changed(bbox=[[0.5, 0.25, 3.5, 4]] * 3), "fractions of pixels"),
        (changed(img_num=10.0), "a whole number written as a float"),
        (changed(st_time=None, ed_time=None), "the times are not needed"),
        (changed(extra=[1, 2]), "unknown fields are of no concern"),
    ],
)
def test_items_that_are_usable(tmp_path, item, reason):
    assert len(read_annotations(write(tmp_path / "a.json", {KEY: item}))) == 1, reason


@pytest.mark.parametrize(
    ("item", "expected", "found"),
    [
        ("The man sits.", "expected an object with bbox", "'The man sits.'"),
        (changed(bbox=None), "bbox: expected a list of boxes [x, y, w, h]", "got nothing"),
        (changed(bbox=[]), "bbox: expected a list of boxes", "got []"),
        (changed(bbox={"1": [1, 2, 3, 4]}), "bbox: expected a list of boxes", "got {"),
        (changed(bbox=[[1, 2, 3]]), "bbox[0]: expected four finite numbers", "got [1, 2, 3]"),
        (changed(bbox=[ITEM["bbox"][0], "box"]), "bbox[1]: expected four finite numbers", "got 'box'"),
        (changed(bbox=[[1, 2, 3, True]]), "bbox[0]: expected four finite numbers", "True"),
        (changed(bbox=[[1, 2, float("nan"), 4]]), "bbox[0]: expected four finite numbers", "nan"),
        (changed(bbox=[[1, 2, float("inf"), 4]]), "bbox[0]: expected four finite numbers", "inf"),
        (changed(bbox=[[1, 2, 10**400, 4]]), "bbox[0]: expected four finite numbers", "1000"),
        (changed(bbox=[[-1, 2, 3, 4]]), "bbox[0]: expected [x, y, w, h] with x, y >= 0", "[-1, 2, 3, 4]"),
        (changed(bbox=[[1, 2, -3, 4]]), "bbox[0]: expected [x, y, w, h] with x, y >= 0 and w, h > 0", "[1, 2, -3, 4]"),
        (changed(bbox=[[1, 2, 3, 0]]), "w, h > 0", "[1, 2, 3, 0]"),
        (changed(bbox=[[30, 20, 60, 40]]), "inside the 64 x 60 image", "all boxes fit when read as [x1, y1, x2, y2]"),
        (changed(bbox=[[30, 20, 80, 10]]), "inside the 64 x 60 image", "ends at (110, 30)"),
        (changed(bbox=[[10, 20, 56.5, 10]]), "inside the 64 x 60 image", "ends at (66.5, 30)"),
        (changed(st_frame=0), "st_frame: expected a whole number >= 1", "got 0"),
        (changed(st_frame=-4), "st_frame: expected a whole number >= 1", "got -4"),
        (changed(st_frame="8"), "st_frame: expected a whole number >= 1", "got '8'"),
        (changed(st_frame=1.5), "st_frame: expected a whole number >= 1", "got 1.5"),
        (changed(st_frame=None), "st_frame: expected a whole number >= 1", "got nothing"),
        (changed(st_frame=9), "inside the video's 10 frames (img_num)", "got frames 9 to 11"),
        (changed(img_num=0), "img_num: expected a whole number >= 1", "got 0"),
        (changed(width=None), "width: expected a whole number >= 1", "got nothing"),
        (changed(height=True), "height: expected a whole number >= 1", "got True"),
        (changed(caption=""), "caption: expected a sentence", "got ''"),
        (changed(caption=" \n"), "caption: expected a sentence", "got ' \\n'"),
        (changed(caption=None), "caption: expected a sentence", "got nothing"),
        (changed(caption=["x"]), "caption: expected a sentence", "got ['x']"),
        (changed(caption="\ud800"), "caption: expected Unicode text", "surrogate"),
    ],
)
def test_bad_items_are_named(tmp_path, item, expected, found):
    path = write(tmp_path / "bad.json", {"1_good.mp4": ITEM, KEY: item})
    with pytest.raises(InputError) as caught:
        read_annotations(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {KEY}: ")
    assert expected in message
    assert found in message
    assert "\n" not in message


def test_xyxy_is_suspected_only_if_every_box_fits(tmp_path):
    item = changed(bbox=[[30, 20, 60, 40], [30, 20, 10, 10]])
    with pytest.raises(InputError) as caught:
        read_annotations(write(tmp_path / "bad.json", {KEY: item}))
    assert "x2" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "expected a JSON object with one item per video"),
        ({}, "expected a JSON object with one item per video"),
        ("text", "expected a JSON object with one item per video"),
        ({"../../x.mp4": ITEM}, "expected a plain file name as key, got '../../x.mp4'"),
        ({"a/b.mp4": ITEM}, "expected a plain file name as key"),
        ({"": ITEM}, "expected a plain file name as key"),
    ],
)
@pytest.mark.parametrize("reader", [read_annotations, read_queries])
def test_bad_files_are_named(tmp_path, reader, content, message):
    path = write(tmp_path / "bad.json", content)
    with pytest.raises(InputError, match=message.replace("[", r"\[")) as caught:
        reader(path)
    assert str(path) in str(caught.value)


def test_skipping_bad_items_warns_of_each(tmp_path, caplog):
    path = write(tmp_path / "a.json", {"1.mp4": ITEM, "2.mp4": changed(bbox=[[-40, 0, -27, -47]])})
    with caplog.at_level(logging.WARNING):
        clips = read_annotated_clips(path, on_bad_item="skip")
    assert [clip.annotation.query.query_id for clip in clips] == ["1.mp4"]
    assert "2.mp4: bbox[0]" in caplog.text
    with pytest.raises(InputError, match="at least one usable item"):
        read_annotated_clips(write(path, {"2.mp4": changed(st_frame=0)}), on_bad_item="skip")


def test_queries_come_from_either_file(tmp_path):
    queries = (Query("3_x.mkv", "3_x.mkv", "The man sits."), Query("4_y.mp4", "4_y.mp4", "彼は座る"))
    path = tmp_path / "q.json"
    write_queries(path, queries)
    assert read_queries(path) == queries
    assert read_queries(write(path, {KEY: ITEM})) == (Query(KEY, KEY, "The woman stands up."),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a.mp4": "x", "b.mp4": ""}, "b.mp4: expected a sentence, got ''"),
        ({"a.mp4": "x", "b.mp4": "  "}, "b.mp4: expected a sentence"),
        ({"a.mp4": "x", "b.mp4": 3}, "b.mp4: expected a sentence, .* got 3"),
        ({"a.mp4": "x", "b.mp4": ITEM}, "b.mp4: expected a sentence, as in a file of test queries, got dict of"),
    ],
)
def test_bad_queries_are_named(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_queries(write(tmp_path / "q.json", content))


@pytest.mark.parametrize("caption_key", ["caption", "English"])
def test_written_annotations_read_back(tmp_path, caption_key):
    rng = np.random.default_rng(0)
    clips = []
    for number in range(20):
        length, start = int(rng.integers(1, 30)), int(rng.integers(0, 50))
        corners, sides = rng.uniform(0, 300, (length, 2)), rng.uniform(0.5, 50, (length, 2))
        tube = Tube(0, start, np.hstack([corners, corners + sides]), np.ones(length), np.ones(length))
        query = Query(f"{number}_x.mp4", f"{number}_x.mp4", f"The man {number} sits.")
        clips.append(AnnotatedClip(Annotation(query, tube), ClipSize(640, 360, 80)))
    path = tmp_path / "a.json"
    write_annotations(path, clips, fps=10, caption_key=caption_key)
    again = read_annotated_clips(path)
    for before, after in zip(clips, again, strict=True):
        assert after.size == before.size
        assert after.annotation.query == before.annotation.query
        assert after.annotation.tube.span == before.annotation.tube.span
        gap = np.abs(after.annotation.tube.boxes_xyxy - before.annotation.tube.boxes_xyxy)
        assert gap.max() < 0.011, "two roundings to 0.01 pixels"
    first = json.loads(path.read_text())["0_x.mp4"]
    assert caption_key in first
    assert first["st_time"] == pytest.approx((first["st_frame"] - 1) / 10)
    assert first["ed_time"] == pytest.approx((first["st_frame"] - 1 + len(first["bbox"])) / 10)


def test_clips_that_would_not_read_back_are_not_written(tmp_path):
    tube = Tube(0, 0, [[0, 0, 5, 5]], [1], [True])
    clip = AnnotatedClip(Annotation(Query("a.mp4", "a.mp4", "He sits."), tube), ClipSize(3, 3, 10))
    with pytest.raises(ValueError, match="inside the 3 x 3 image"):
        write_annotations(tmp_path / "a.json", [clip], fps=10)
    good = AnnotatedClip(clip.annotation, ClipSize(9, 9, 10))
    with pytest.raises(ValueError, match="twice"):
        write_annotations(tmp_path / "a.json", [good, good], fps=10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real HC-STVG files are not here (../shared/data/hcstvg)")
def test_real_files():
    (clip,) = read_annotated_clips(SHARED / "one_item_v1.json")
    assert clip.annotation.tube.span == FrameSpan(127, 213)
    assert clip.size == ClipSize(640, 358, 500)
    queries = read_queries(SHARED / "query_v2.json")
    assert len(queries) == 2931
    assert queries[0].text == "The man in blue clothes stands up and raises his hand."
