"""The whole road on the demo world in HC-STVG's own folder layout, by one command."""

import json
import re
import shutil

import pytest

from stvg.io.hcstvg_annotations import read_queries
from stvg.io.submission import find_problems


@pytest.fixture(scope="module")
def tree(road, tmp_path_factory):
    """The world as the authors would pack it: annotations in one folder, videos in packages; one test video missing."""
    root = tmp_path_factory.mktemp("hcstvg")
    (root / "annotations").mkdir()
    for split, name in (("train", "train_v2"), ("val", "val_v2"), ("test_queries", "query_v2")):
        shutil.copy(road.world / f"{split}.json", root / "annotations" / f"{name}.json")
    asked = list(json.loads((road.world / "test_queries.json").read_text()))
    for number, path in enumerate(sorted((road.world / "videos").iterdir())):
        if path.name != asked[-1]:
            (root / "Video" / f"part_{number % 3}").mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / "Video" / f"part_{number % 3}" / path.name)
    shutil.copytree(road.world / "detections", root / "detections")
    return root, asked


def options(road, tree, out):
    return ["hcstvg_v2", "--data", tree[0], "--config", road.config, "--out", out, "--workers", 1]


@pytest.fixture(scope="module")
def made(tool, road, tree, tmp_path_factory):
    out = tmp_path_factory.mktemp("reproduced")
    submission = out / "submission" / "results.json"
    return out, submission, tool("reproduce", *options(road, tree, out / "run"), "--submission", submission)


def test_everything_is_there_and_the_missing_video_listed(made, tree):
    out, submission, done = made
    assert done.code == 3, done.stderr
    failed = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert {line.split(": ")[1] for line in failed} == {tree[1][-1]}
    lines = done.stdout.splitlines()
    assert lines[2].startswith("| ours, two_stage, val | ")
    assert lines[3] == "| MMN (challenge winner) |  | 30.3 | 49.0 | 25.6 | arXiv 2109.04872 |"
    assert lines[-1] == str(submission)
    assert (out / "run" / "val" / "ablation" / "ablation.json").is_file()
    assert (out / "run" / "data" / "report.md").is_file()


def test_the_submission_is_complete_and_says_what_it_was_made_with(made, tree):
    _, submission, _ = made
    queries = read_queries(tree[0] / "annotations" / "query_v2.json")
    assert find_problems(json.loads(submission.read_text()), queries) == []
    manifest = json.loads(submission.with_name("results.manifest.json").read_text())
    assert manifest["answered"] == len(queries)
    assert list(manifest["problems"]) == [tree[1][-1]]
    for name in ("temporal", "matcher", "queries", "index", "results"):
        assert len(manifest["files"][name]["sha256"]) == 64, name


def test_the_figures_of_the_page_are_those_of_the_scores(made):
    out, _, done = made
    scores = json.loads((out / "run" / "val" / "scores.json").read_text())
    cells = done.stdout.splitlines()[2].split("|")
    assert float(cells[3]) == pytest.approx(100 * scores["m_viou"], abs=0.051)


def test_again_it_only_goes_on(tool, road, tree, made):
    out, submission, _ = made
    kept = [out / "run" / name for name in ("prepared/train.h5", "temporal/last.pt", "matcher/best.safetensors")]
    before, content = [path.stat().st_mtime_ns for path in kept], submission.read_bytes()
    assert tool("reproduce", *options(road, tree, out / "run"), "--submission", submission).code == 3
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert submission.read_bytes() == content


def test_a_dry_run_writes_nothing(tool, road, tree, tmp_path):
    done = tool(
        "reproduce",
        *options(road, tree, tmp_path / "run"),
        "--dry-run",
        "--nodes",
        40,
        "--sample",
        1,
        f"detector.folder={tree[0] / 'detections'}",
    )
    assert done.code == 0, done.stderr
    count = len(json.loads((road.world / "train.json").read_text()))
    assert f"train: {count} queries, {count} videos found" in done.stdout
    assert "missing videos: 1" in done.stdout
    assert "on 40 machine(s) of 1 processes" in done.stdout
    for stage in ("temporal", "matcher"):
        steps = 2 * -(-count // 6)
        assert re.search(
            rf"train {stage}: 2 epochs, at most {steps} steps of 6 videos with \d+\.\d maps each; "
            r"measured here \(cpu\) \d+\.\d\d s a step",
            done.stdout,
        )
    assert "memory of a training: up to 4 GiB of its items and 4 GiB of val's" in done.stdout
    assert list(tmp_path.iterdir()) == []
