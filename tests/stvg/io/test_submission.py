import json

import numpy as np
import pytest

from stvg.errors import InputError
from stvg.io.submission import Problem, find_problems, read_submission, write_submission
from stvg.types import ClipSize, Prediction, Query, Tube

KEY = "3_x.mkv"
QUERIES = (Query(KEY, KEY, "The man sits."),)
SIZES = {KEY: ClipSize(64, 36, 20)}
BOX = [1, 2, 30, 20.5]


def submission(st_frame=12, ed_frame=14, bbox=None, **other):
    """A good submission of one video, with some fields replaced; "none" removes one."""
    bbox = {"12": BOX, "13": BOX, "14": BOX} if bbox is None else bbox
    item = {"st_frame": st_frame, "ed_frame": ed_frame, "bbox": bbox, **other}
    return {KEY: {name: value for name, value in item.items() if value != "none"}}


def frames(box):
    """Boxes of a good span, the second one replaced."""
    return {"12": BOX, "13": box, "14": BOX}


def prediction(key, start, boxes, score=0.5):
    return Prediction(key, key, Tube(4, start, boxes, np.ones(len(boxes)), np.ones(len(boxes))), score)


def test_a_good_submission_has_no_problems():
    assert find_problems(submission(), QUERIES, SIZES) == []
    assert find_problems(submission(score=0.3), QUERIES, SIZES) == [], "the official script passes over other fields"
    assert find_problems(submission(bbox=frames([0, 0, 64, 36])), QUERIES, SIZES) == [], "the whole image"


@pytest.mark.parametrize(
    ("value", "frame", "message"),
    [
        (submission(bbox=frames([1, 2, float("nan"), 4])), 13, "expected four finite numbers"),
        (submission(bbox=frames([1, 2, float("inf"), 4])), 13, "expected four finite numbers"),
        (submission(bbox=frames([1, 2, 10**400, 4])), 13, "expected four finite numbers"),
        (submission(bbox=frames([1, 2, "3", 4])), 13, "expected four finite numbers"),
        (submission(bbox=frames([1, 2, None, 4])), 13, "expected four finite numbers"),
        (submission(bbox=frames([1, 2, True, 4])), 13, "expected four finite numbers"),
        (submission(bbox=frames([1, 2, 3])), 13, "expected a list of four numbers"),
        (submission(bbox=frames([1, 2, 3, 4, 5])), 13, "expected a list of four numbers"),
        (submission(bbox=frames("box")), 13, "expected a list of four numbers"),
        (submission(bbox=frames(None)), 13, "expected a list of four numbers"),
        (submission(bbox=frames([[1, 2, 3, 4]])), 13, "expected a list of four numbers"),
        (submission(bbox=frames([5, 2, 5, 9])), 13, "expected x1 < x2 and y1 < y2"),
        (submission(bbox=frames([5, 9, 6, 2])), 13, "expected x1 < x2 and y1 < y2"),
        (submission(bbox=frames([-1, 2, 3, 4])), 13, "inside the image"),
        (submission(bbox=frames([1, 2, 65, 4])), 13, "inside the 64 x 36 image"),
        (submission(bbox=frames([1, 2, 3, 36.5])), 13, "inside the 64 x 36 image"),
        (submission(bbox={"12": BOX, "14": BOX}), 13, "(missing)"),
        (submission(bbox={}, ed_frame=12), 12, "(missing)"),
        (submission(bbox={**frames(BOX), "15": BOX}), 15, "expected boxes only from frame 12 to 14"),
        (submission(bbox={12: BOX, "13": BOX, "14": BOX}), 12, "expected a string as key, got the number 12"),
        (submission(bbox={**frames(BOX), "013": BOX}), None, "plain digits from 1 on, got '013'"),
        (submission(bbox={**frames(BOX), "13.0": BOX}), None, "plain digits from 1 on, got '13.0'"),
        (submission(bbox={**frames(BOX), "x": BOX}), None, "plain digits from 1 on, got 'x'"),
        (submission(bbox={**frames(BOX), "0": BOX}), None, "plain digits from 1 on, got '0'"),
        (submission(bbox=[BOX, BOX, BOX]), None, "bbox: expected an object from frame number to box"),
        (submission(bbox="none"), None, "bbox: expected an object from frame number to box, got nothing"),
        (submission(st_frame=14, ed_frame=12), None, "expected st_frame <= ed_frame, got 14 and 12"),
        (submission(st_frame="12"), None, "st_frame: expected a whole number >= 1, got '12'"),
        (submission(st_frame=12.0), None, "st_frame: expected a whole number >= 1, got 12.0"),
        (submission(st_frame=True), None, "st_frame: expected a whole number >= 1, got True"),
        (submission(ed_frame="none"), None, "ed_frame: expected a whole number >= 1, got nothing"),
        (submission(st_frame=0, ed_frame=14), None, "st_frame: expected a whole number >= 1, got 0"),
        (submission(19, 21, {"19": BOX, "20": BOX, "21": BOX}), 21, "expected at most 20, the video's last frame"),
        (submission(ed_frame=10**15), None, "expected a box in each of"),
        ({KEY: [12, 14]}, None, "expected an object with st_frame, ed_frame, bbox, got [12, 14]"),
        ({KEY: None}, None, "expected an object with st_frame, ed_frame, bbox, got nothing"),
    ],
)
def test_each_problem_is_found_with_its_frame(value, frame, message):
    problems = find_problems(value, QUERIES, SIZES)
    assert [(problem.video, problem.frame) for problem in problems if message in problem.message] == [(KEY, frame)]


@pytest.mark.parametrize(
    ("value", "video", "message"),
    [
        ({}, KEY, "(missing)"),
        ({**submission(), "4_y.mp4": submission()[KEY]}, "4_y.mp4", "(extra)"),
        ({"3_x": submission()[KEY]}, "3_x", "(extra)"),
        ({**submission(), "../../x.mp4": submission()[KEY]}, "../../x.mp4", "expected a plain file name"),
        ({**submission(), 7: submission()[KEY]}, "7", "expected a string as key, got 7"),
        ([submission()], "submission", "expected an object with one item per video"),
        (None, "submission", "expected an object with one item per video, got nothing"),
    ],
)
def test_keys_are_those_of_the_queries(value, video, message):
    assert any(found.video == video and message in found.message for found in find_problems(value, QUERIES, SIZES))


def test_every_problem_is_listed():
    value = submission(bbox={"12": [5, 5, 1, 9], "14": [1, 2, float("nan"), 4], "20": [1, 2]})
    value["4_y.mp4"] = {"st_frame": 2, "ed_frame": 1, "bbox": {}}
    found = [(problem.video, problem.frame) for problem in find_problems(value, (*QUERIES, Query("5", "5", "x")))]
    assert found == [
        (KEY, 20),  # outside the span
        (KEY, 13),  # missing
        (KEY, 12),  # inverted
        (KEY, 14),  # not finite
        (KEY, 20),  # not four numbers
        ("4_y.mp4", None),  # extra
        ("4_y.mp4", None),  # st > ed
        ("5", None),  # missing
    ]


def test_without_sizes_only_negative_corners_are_outside():
    value = submission(bbox={"12": [1, 2, 9999, 9999], "13": [-2, 0, 3, 3], "14": BOX})
    assert [problem.frame for problem in find_problems(value, QUERIES)] == [13]


def test_problem_as_text():
    assert str(Problem(KEY, 13, "no box")) == "3_x.mkv: frame 13: no box"
    assert str(Problem(KEY, None, "no item")) == "3_x.mkv: no item"


def test_written_submission_is_what_the_challenge_asks_for(tmp_path):
    path = tmp_path / "results.json"
    write_submission(path, [prediction(KEY, 11, [[1, 2, 30, 20.456], [1, 2, 31, 20]])])
    assert json.loads(path.read_text()) == {
        KEY: {"st_frame": 12, "ed_frame": 13, "bbox": {"12": [1, 2, 30, 20.46], "13": [1, 2, 31, 20]}}
    }


def test_round_trip(tmp_path):
    rng = np.random.default_rng(0)
    predictions = []
    for number in range(20):
        corners = rng.uniform(0, 300, (int(rng.integers(1, 40)), 2))
        boxes = np.hstack([corners, corners + rng.uniform(1, 60, corners.shape)])
        predictions.append(prediction(f"{number}_x.mp4", int(rng.integers(0, 50)), boxes))
    path = tmp_path / "results.json"
    write_submission(path, predictions)
    for before, after in zip(predictions, read_submission(path), strict=True):
        assert (after.query_id, after.video_id, after.tube.span) == (before.query_id, before.video_id, before.tube.span)
        assert np.abs(after.tube.boxes_xyxy - before.tube.boxes_xyxy).max() < 0.0051, "2 decimals"
    queries = [Query(item.query_id, item.video_id, "x") for item in predictions]
    assert find_problems(json.loads(path.read_text()), queries) == []


def test_boxes_are_clipped_to_a_known_image(tmp_path):
    path = tmp_path / "results.json"
    boxes = [[-4, 3, 90, 50], [70, 40, 80, 50], [5, 5, 5, 5], [63.9999, 0, 64.2, 9]]
    write_submission(path, [prediction(KEY, 0, boxes)], SIZES)
    value = json.loads(path.read_text())
    assert find_problems(value, QUERIES, SIZES) == []
    assert list(value[KEY]["bbox"].values()) == [[0, 3, 64, 36], [63, 35, 64, 36], [5, 5, 6, 6], [63, 0, 64, 9]]


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([prediction(KEY, 0, [[0, 0, np.nan, 5]])], "3_x.mkv: frame 1: expected four finite numbers"),
        ([prediction(KEY, 4, [[0, 0, 0.001, 5]])], "3_x.mkv: frame 5: expected x1 < x2"),
        ([prediction("../x.mp4", 0, [[0, 0, 5, 5]])], "expected a plain file name"),
        ([prediction(KEY, 0, [[0, 0, 5, 5]])] * 2, "two of '3_x.mkv'"),
    ],
)
def test_unusable_predictions_are_not_written(tmp_path, predictions, message):
    with pytest.raises(ValueError, match=message):
        write_submission(tmp_path / "results.json", predictions)
    assert list(tmp_path.iterdir()) == []


def test_reading_a_bad_submission_names_the_first_problem_and_counts(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(submission(bbox={"12": BOX})))
    with pytest.raises(InputError, match=r"results.json: 3_x.mkv: frame 13: .*\(missing\) \(and 1 more") as caught:
        read_submission(path)
    assert "\n" not in str(caught.value)
