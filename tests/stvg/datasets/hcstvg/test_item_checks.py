"""Everything wrong with a split's file is found at once, and what is left can be used."""

import json
from pathlib import Path

import pytest

from stvg.datasets.hcstvg.item_checks import read_split
from stvg.errors import InputError
from stvg.io.hcstvg_annotations import read_annotations, read_queries

REAL = Path(__file__).parents[5] / "shared" / "data" / "hcstvg" / "query_v2.json"


def item(**changes):
    return {
        "bbox": [[10, 10, 20, 30]] * 5,
        "st_frame": 3,
        "img_num": 30,
        "width": 64,
        "height": 48,
        "caption": "The man sits down.",
    } | changes


BAD = {
    "1_a.mp4": (item(bbox=[[10, 10, 60, 30]] * 5), "box", "bbox[0]: expected [x, y, w, h] inside the 64 x 48 image"),
    "2_a.mp4": (item(bbox=[[10, 10, -5, 30]]), "box", "bbox[0]: expected [x, y, w, h] with x, y >= 0 and w, h > 0"),
    "3_a.mp4": (item(st_frame=27), "span past the end", "expected a span inside the video's 30 frames"),
    "4_a.mp4": (item(caption=" "), "annotation", "caption: expected a sentence"),
    "5_a.mp4": ([1], "annotation", "expected an object"),
    "../6_a.mp4": (item(), "annotation", "expected a plain file name as key"),
}


def test_one_finding_for_each_bad_item(tmp_path):
    path = tmp_path / "train_v2.json"
    path.write_text(json.dumps({**{key: bad[0] for key, bad in BAD.items()}, "7_a.mp4": item()}))
    split = read_split("train", path)
    assert (split.total, list(split.items)) == (7, ["7_a.mp4"])
    for finding, (key, (_, kind, message)) in zip(split.findings, BAD.items(), strict=True):
        assert (finding.split, finding.key, finding.kind, finding.left_out) == ("train", key, kind, True)
        assert finding.message.startswith(message)
    (tmp_path / "train.json").write_text(json.dumps(split.items))
    assert [one.query.query_id for one in read_annotations(tmp_path / "train.json")] == ["7_a.mp4"]
    assert (split.sizes["7_a.mp4"].num_frames, split.last_frames["7_a.mp4"]) == (30, 7)


def test_duplicate_keys(tmp_path):
    path = tmp_path / "query_v2.json"
    path.write_text('{"1_a.mp4": "One.", "2_a.mp4": "Two.", "1_a.mp4": "One.", "3_a.mp4": "a", "3_a.mp4": "b"}')
    with pytest.raises(InputError, match="expected each key once"):
        read_queries(path)
    split = read_split("test_queries", path)
    assert split.items == {"1_a.mp4": "One.", "2_a.mp4": "Two."}
    assert {(one.key, one.kind, one.left_out, one.minor) for one in split.findings} == {
        ("1_a.mp4", "duplicate key", False, True),
        ("3_a.mp4", "duplicate key", True, False),
    }
    assert split.total == 3


def test_keys_inside_items_are_no_keys_of_the_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"1_a.mp4": ' + json.dumps(item(extra={"1_a.mp4": 3})) + "}")
    assert read_split("train", path).findings == ()


def test_both_extensions(tmp_path):
    path = tmp_path / "q.json"
    path.write_text('{"3_x.mp4": "One.", "3_x.mkv": "Two."}')
    (finding,) = read_split("test_queries", path).findings
    assert (finding.key, finding.kind, finding.minor) == ("3_x.mkv", "both extensions", True)


@pytest.mark.parametrize(("text", "message"), [("[]", "got list"), ("{}", "got dict"), ("{", "expected JSON")])
def test_a_file_of_another_kind(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_split("train", path)
    with pytest.raises(InputError, match="expected a readable JSON file"):
        read_split("train", tmp_path / "none.json")


@pytest.mark.skipif(not REAL.is_file(), reason="needs the real test queries in ../shared/data")
def test_the_real_test_queries():
    split = read_split("test_queries", REAL)
    assert (split.total, len(split.items), split.findings) == (2931, 2931, ())
