"""What an unreadable video is taken to be."""

import pytest

from stvg.datasets.hcstvg.fallback import USUAL, centre_answer, likely_size
from stvg.io.submission import find_problems, to_item
from stvg.types import ClipSize, Query

HD, SD, TALL = ClipSize(1280, 720, 500), ClipSize(640, 360, 480), ClipSize(360, 640, 600)


@pytest.mark.parametrize(
    ("known", "expected", "reason"),
    [
        ({"3_x.mkv": HD, "4_x.mp4": SD}, HD, "its own size"),
        ({"4_x.mp4": SD, "5_y.mp4": HD}, SD, "the same film's"),
        ({"4_x.mp4": SD, "9_x.mkv": HD, "10_x.mkv": HD}, ClipSize(1280, 720, 480), "commonest size, least frames"),
        ({"4_x.mp4": SD, "9_x.mkv": HD}, ClipSize(640, 360, 480), "the smaller one on a tie"),
        ({"5_y.mp4": HD, "6_z.mp4": TALL, "7_z.mp4": TALL}, ClipSize(360, 640, 500), "most of the others"),
        ({"x.mkv": TALL, "12_xx.mkv": HD}, TALL, "a film's name is the whole of it"),
        ({}, USUAL, "nothing is known"),
    ],
)
def test_the_likely_size(known, expected, reason):
    assert likely_size("3_x.mkv", known) == expected, reason


@pytest.mark.parametrize("size", [HD, SD, TALL, ClipSize(6, 6, 1)])
def test_the_answer_is_valid_and_covers_the_clip(size):
    item = to_item(centre_answer(Query("3_x.mkv", "3_x.mkv", "The man sits."), size), size)
    assert find_problems({"3_x.mkv": item}, sizes={"3_x.mkv": size}) == []
    assert (item["st_frame"], item["ed_frame"], len(item["bbox"])) == (1, size.num_frames, size.num_frames)
    box = item["bbox"]["1"]
    assert (box[0] + box[2]) / 2 == pytest.approx(size.width / 2, abs=0.01)
