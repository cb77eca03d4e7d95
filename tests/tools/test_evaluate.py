import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEY = "55_x.mp4"


def evaluate(*arguments):
    command = [sys.executable, str(ROOT / "tools" / "evaluate.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


@pytest.fixture
def files(tmp_path):
    """The check value's truth and prediction as files, and where --json writes."""
    truth = {
        "bbox": [[0, 0, 10, 10]] * 10,
        "st_frame": 10,
        "st_time": 0.9,
        "ed_time": 1.9,
        "img_num": 100,
        "width": 64,
        "height": 36,
        "caption": "The man sits.",
    }
    found = {"st_frame": 15, "ed_frame": 24, "bbox": {str(frame): [5, 0, 15, 10] for frame in range(15, 25)}}
    paths = {name: tmp_path / f"{name}.json" for name in ("annotations", "predictions", "scores")}
    paths["annotations"].write_text(json.dumps({KEY: truth, "56_y.mp4": truth}))
    paths["predictions"].write_text(json.dumps({KEY: found}))
    return paths


@pytest.mark.parametrize(
    ("protocol", "m_viou"),
    [(None, 1 / 9), ("official", 1 / 9), ("stcat", 2 / 21), ("mmn_stvg", 1 / 8), ("tubedetr", 1 / 7)],
)
def test_scores(files, protocol, m_viou):
    options = [] if protocol is None else ["--protocol", protocol]
    done = evaluate(
        "--predictions",
        files["predictions"],
        "--annotations",
        files["annotations"],
        "--json",
        files["scores"],
        *options,
    )
    assert done.returncode == 0, done.stderr
    scores = json.loads(files["scores"].read_text())
    assert list(scores) == ["protocol", "num_queries", "m_tiou", "m_viou", "viou@0.3", "viou@0.5"]
    assert scores["protocol"] == (protocol or "official")
    assert scores["num_queries"] == 2
    assert scores["m_viou"] == pytest.approx(m_viou / 2), "the second query has no answer"
    assert f"m_viou       {m_viou / 2:.4f}" in done.stdout
    missing = "warning: 1 of 2 queries have no prediction and score 0, the first of them 56_y.mp4\n"
    assert [line[9:] for line in done.stderr.splitlines(keepends=True) if "warning" in line] == [missing]
    assert "Traceback" not in done.stderr


def test_boxes_that_are_shares_of_the_picture_are_noticed(files):
    found = json.loads(files["predictions"].read_text())
    found[KEY]["bbox"] = {frame: [0.1, 0.2, 0.5, 1.0] for frame in found[KEY]["bbox"]}
    files["predictions"].write_text(json.dumps(found))
    done = evaluate("--predictions", files["predictions"], "--annotations", files["annotations"])
    assert done.returncode == 0
    assert "predictions.json: expected boxes in pixels, found all coordinates in 0..1" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("predictions", None, "expected a readable JSON file, got: No such file or directory"),
        ("annotations", None, "expected a readable JSON file, got: No such file or directory"),
        ("annotations", "{", "expected JSON"),
        ("annotations", '{"a.mp4": "The man sits."}', "a.mp4: expected an object with bbox"),
        ("predictions", '{"a.mp4": {}}', "a.mp4: st_frame: expected a whole number >= 1, got nothing (and 2 more"),
        ("predictions", '{"a.mp4": {}, "a.mp4": {}}', "expected each key once, got 'a.mp4' twice"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(files, name, content, message):
    if content is None:
        files[name].unlink()
    else:
        files[name].write_text(content)
    done = evaluate(
        "--predictions", files["predictions"], "--annotations", files["annotations"], "--json", files["scores"]
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert str(files[name]) in line
    assert message in line
    assert not files["scores"].exists()


def test_the_predictions_are_not_written_over(files):
    before = files["predictions"].read_text()
    done = evaluate(
        "--predictions", files["predictions"], "--annotations", files["annotations"], "--json", files["predictions"]
    )
    assert done.returncode == 2
    assert "expected another file to write than the one to read" in done.stderr
    assert files["predictions"].read_text() == before


def test_bad_items_can_be_left_out(files):
    items = json.loads(files["annotations"].read_text())
    items["56_y.mp4"]["bbox"][0] = [-40, 0, -27, -47]
    files["annotations"].write_text(json.dumps(items))
    arguments = ["--predictions", files["predictions"], "--annotations", files["annotations"]]
    assert evaluate(*arguments).returncode == 2
    done = evaluate(*arguments, "--skip-bad-items")
    assert done.returncode == 0
    assert "left out" in done.stderr
    assert "num_queries  1" in done.stdout


def test_predictions_for_other_queries_are_refused(files):
    files["predictions"].write_text(files["predictions"].read_text().replace(KEY, "9_other.mp4"))
    done = evaluate("--predictions", files["predictions"], "--annotations", files["annotations"])
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"error: {files['predictions']}: expected predictions for the queries of {files['annotations']}, got none, "
        "9_other.mp4 for one"
    )


def test_unknown_protocol_is_refused(files):
    done = evaluate("--predictions", files["predictions"], "--annotations", files["annotations"], "--protocol", "mine")
    assert done.returncode == 2
    assert "invalid choice: 'mine'" in done.stderr


def test_help_needs_nothing():
    done = evaluate("--help")
    assert done.returncode == 0
    assert "--protocol" in done.stdout
