import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUERIES = ROOT.parent / "shared" / "data" / "hcstvg" / "query_v2.json"
KEY = "3_x.mkv"
GOOD = {"st_frame": 12, "ed_frame": 13, "bbox": {"12": [1, 2, 30, 20], "13": [1, 2, 30, 20]}}
ANNOTATION = {"bbox": [[1, 2, 3, 4]], "st_frame": 1, "img_num": 100, "width": 25, "height": 36, "caption": "He sits."}


def validate(tmp_path, submission, queries):
    paths = [tmp_path / "results.json", tmp_path / "queries.json"]
    for path, content in zip(paths, (submission, queries), strict=True):
        path.write_text(json.dumps(content))
    return run(*paths)


def run(predictions, queries):
    script = str(ROOT / "tools" / "validate_submission.py")
    command = [sys.executable, script, "--predictions", str(predictions), "--queries", str(queries)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


def test_a_good_submission(tmp_path):
    done = validate(tmp_path, {KEY: GOOD}, {KEY: "The man sits."})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0 problems in ")


def test_boxes_that_are_shares_of_the_picture_are_noticed(tmp_path):
    shares = {**GOOD, "bbox": {"12": [0, 0.25, 0.5, 1], "13": [0.1, 0.25, 0.5, 1], "14": "no box"}}
    done = validate(tmp_path, {KEY: shares, "x": 1}, {KEY: "The man sits."})
    assert "warning: " in done.stderr
    assert "results.json: expected boxes in pixels, found all coordinates in 0..1" in done.stderr
    assert "0..1" not in validate(tmp_path, {KEY: GOOD}, {KEY: "The man sits."}).stderr


def test_every_problem_has_its_line(tmp_path):
    bad = {"st_frame": 12, "ed_frame": 14, "bbox": {"12": [9, 2, 3, 4], "14": [1, 2, float("nan"), 4]}}
    done = validate(tmp_path, {KEY: bad, "extra.mp4": GOOD}, {KEY: "The man sits.", "4_y.mp4": "He stands."})
    assert done.returncode == 1
    *lines, last = done.stdout.splitlines()
    assert [line.split(": expected")[0] for line in lines] == [
        "3_x.mkv: frame 13",
        "3_x.mkv: frame 12",
        "3_x.mkv: frame 14",
        "extra.mp4",
        "4_y.mp4",
    ]
    assert last.startswith("5 problems in ")


def test_annotations_tell_the_image_size(tmp_path):
    done = validate(tmp_path, {KEY: GOOD}, {KEY: ANNOTATION})
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == (
        "3_x.mkv: frame 12: expected corners inside the 25 x 36 image, got [1, 2, 30, 20]"
    )


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ({KEY: ""}, "3_x.mkv: expected a sentence, got ''"),
        ({"../../x.mp4": "He sits."}, "expected a plain file name as key, got '../../x.mp4'"),
        ([], "expected a JSON object with one item per video"),
    ],
)
def test_bad_queries_are_one_line_and_exit_code_2(tmp_path, queries, message):
    done = validate(tmp_path, {KEY: GOOD}, queries)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert message in line


def test_missing_files_are_one_line_and_exit_code_2(tmp_path):
    done = run(tmp_path / "none.json", tmp_path / "none.json")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not QUERIES.exists(), reason="the real HC-STVG queries are not here (../shared/data/hcstvg)")
def test_all_real_queries_answered(tmp_path):
    answers = dict.fromkeys(json.loads(QUERIES.read_text()), GOOD)
    (tmp_path / "results.json").write_text(json.dumps(answers))
    assert run(tmp_path / "results.json", QUERIES).returncode == 0
    answers.popitem()
    (tmp_path / "results.json").write_text(json.dumps(answers))
    done = run(tmp_path / "results.json", QUERIES)
    assert done.returncode == 1
    assert done.stdout.count("(missing)") == 1
