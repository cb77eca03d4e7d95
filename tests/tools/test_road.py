"""The whole road by its command lines, on one tiny demo."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stvg.io.video import read_footage, read_meta

ROOT = Path(__file__).parents[2]
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("*.py"))
SPATIAL = ("matcher", "truth", "confident", "largest", "random")
PARTS = {(t, s, mode) for t in ("mmn", "truth", "whole", "uniform") for s in SPATIAL for mode in ("two_stage", "joint")}
PARTS |= {("mmn", s, "tube_mmn") for s in SPATIAL}
ABLATION = {f"{name}.json" for name in ("ablation", "breakdown", "differences", "errors")}
ABLATION |= {"ablation.md", "ablation.png", "error_bar.png"}
MODES = ("two_stage", "joint", "tube_mmn", "shuffled_captions", "no_caption")


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", TOOLS)
def test_help(tool, name):
    done = tool(name, "--help")
    assert done.code == 0
    assert done.stdout.startswith("usage: ")
    assert done.stderr == ""


def test_the_docs_have_a_row_for_every_command():
    page = (ROOT / "docs" / "commands.md").read_text()
    rows = re.findall(r"^\|(?:.*\|)? `tools/(\w+)\.py` \|", page, re.MULTILINE)
    assert sorted(set(rows)) == TOOLS


def test_outputs_are_there_and_nothing_half_written(road):
    found = {name for name in files(road.out) if not name.startswith("world/") and "/events/" not in name}
    keys = list(json.loads((road.world / "test.json").read_text()))
    report = {f"report/videos/{key}" for key in keys}
    report |= {f"report/{name}" for k in range(len(keys)) for name in (f"data/{k}.js", f"thumbs/{k}.jpg")}
    assert found == {
        *(f"prepared/{split}.h5" for split in ("train", "val", "test")),
        *(f"{stage}/{name}" for stage in ("temporal", "matcher") for name in ("best.safetensors", "last.pt")),
        "fusion.json",
        "scores.json",
        *ABLATION,
        "report/index.html",
        *report,
    }


def test_the_last_lines_are_the_table_and_the_paths(road):
    lines = road.steps["run_demo"].stdout.splitlines()
    assert [word for word in lines[0].split() if word.startswith("m")] == ["mode", "m_tIoU", "m_vIoU"]
    assert len([line for line in lines if line.startswith(MODES) and "minus" not in line]) == 47
    paths = [Path(line) for line in lines[-4:]]
    assert paths[0] == road.submission
    assert all(path.is_file() for path in paths)


@pytest.mark.parametrize("queries", ["test_queries.json", "test.json"])
def test_the_submission_is_valid(tool, road, queries):
    done = tool("validate_submission", "--predictions", road.submission, "--queries", road.world / queries)
    assert (done.code, done.stdout.splitlines()) == (0, [f"0 problems in {road.submission}, 2 queries"])


def test_evaluate_gives_the_demo_s_scores(tool, road, tmp_path):
    arguments = ["--predictions", road.submission, "--annotations", road.world / "test.json"]
    assert tool("evaluate", *arguments, "--json", tmp_path / "scores.json").code == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores == json.loads((road.out / "scores.json").read_text())
    assert scores["num_queries"] == 2


def test_ablation_has_all_rows_and_agrees_with_the_submission(road):
    rows = json.loads((road.out / "ablation.json").read_text())
    found = {(row["temporal"], row["spatial"], row["mode"]): row for row in rows}
    assert len(rows) == len(found) == 47
    assert found.keys() == PARTS | {("mmn", "matcher", mode) for mode in MODES}
    scores = json.loads((road.out / "scores.json").read_text())
    main = found["mmn", "matcher", "two_stage"]
    assert main["m_viou"] == pytest.approx(scores["m_viou"], abs=1e-3), "boxes are rounded and clipped in the file"
    assert main["m_tiou"] == pytest.approx(scores["m_tiou"])
    oracle = found["truth", "truth", "two_stage"]
    assert oracle["m_tiou"] == 1.0
    assert oracle["m_viou"] > 0.6, "the tubes that detection and linking give"


def test_ablate_alone_gives_the_same_files(tool, road, tmp_path):
    arguments = ["--annotations", road.world / "test.json", "--videos", road.world / "videos"]
    done = tool("ablate", *road.options, *arguments, "--out", tmp_path / "a")
    assert done.code == 0
    assert files(tmp_path / "a") == ABLATION
    for name in ("ablation", "breakdown", "differences", "errors"):
        assert (tmp_path / "a" / f"{name}.json").read_bytes() == (road.out / f"{name}.json").read_bytes()
    lines = done.stdout.splitlines()
    assert (len(lines), lines[-1]) == (49, f"see {tmp_path / 'a'}"), "a head, 47 rows, the folder"


def test_errors_and_breakdown_agree_with_the_rows(road):
    rows = {
        (row["temporal"], row["spatial"], row["mode"]): row
        for row in json.loads((road.out / "ablation.json").read_text())
    }
    budgets = json.loads((road.out / "errors.json").read_text())
    assert [one["mode"] for one in budgets] == ["two_stage", "joint", "tube_mmn"]
    for one in budgets:
        assert one["m_viou"] == pytest.approx(rows["mmn", "matcher", one["mode"]]["m_viou"], abs=1e-12)
        causes = [one[name] for name in ("wrong_time", "wrong_person", "no_candidate", "poor_box")]
        assert sum(causes) == pytest.approx(1 - one["m_viou"], abs=1e-9)
    groups = json.loads((road.out / "breakdown.json").read_text())
    for by in ("words", "people", "moment_share"):
        for key in [("mmn", "matcher", mode) for mode in MODES[:3]] + [("truth", "truth", "two_stage")]:
            own = [one for one in groups if one["by"] == by and (one["temporal"], one["spatial"], one["mode"]) == key]
            assert sum(one["num_queries"] for one in own) == 2
            mean = sum(one["num_queries"] * one["m_viou"] for one in own) / 2
            assert mean == pytest.approx(rows[key]["m_viou"], abs=1e-12)


def test_grounding_the_split_again_gives_the_same_bytes(tool, road, tmp_path):
    arguments = ["--annotations", road.world / "test.json", "--videos", road.world / "videos"]
    done = tool("infer_stvg", *road.options, *arguments, "--out", tmp_path / "results.json")
    assert done.code == 0
    assert (tmp_path / "results.json").read_bytes() == road.submission.read_bytes()


@pytest.mark.parametrize("mode", ["joint", "tube_mmn"])
def test_other_modes_answer_validly(tool, road, tmp_path, mode):
    arguments = ["--annotations", road.world / "test_queries.json", "--videos", road.world / "videos"]
    out = tmp_path / "results.json"
    assert tool("infer_stvg", *road.options, f"fusion.mode={mode}", *arguments, "--out", out).code == 0
    checked = tool("validate_submission", "--predictions", out, "--queries", road.world / "test.json")
    assert checked.code == 0, checked.stdout


def test_named_checkpoints_are_used(tool, road, tmp_path):
    for stage in ("temporal", "matcher"):
        (tmp_path / stage).mkdir()
        (road.out / stage / "best.safetensors").rename(tmp_path / stage / "mine.safetensors")
    try:
        asked = ["--annotations", road.world / "test.json", "--videos", road.world / "videos"]
        done = tool("infer_stvg", *road.options, *asked, "--out", tmp_path / "none.json")
        assert (done.code, "run stvg train temporal" in done.stderr) == (2, True)
        named = [f"{stage}.checkpoint={tmp_path / stage / 'mine.safetensors'}" for stage in ("temporal", "matcher")]
        assert tool("infer_stvg", *road.options, *named, *asked, "--out", tmp_path / "named.json").code == 0
    finally:
        for stage in ("temporal", "matcher"):
            (tmp_path / stage / "mine.safetensors").rename(road.out / stage / "best.safetensors")
    assert (tmp_path / "named.json").read_bytes() == road.submission.read_bytes()


def test_one_video_with_one_sentence_by_subprocess(tool, road, tmp_path):
    video = sorted((road.world / "videos").glob("*.mp4"))[0]
    command = [
        sys.executable,
        "tools/infer_stvg.py",
        *road.options,
        "--video",
        video,
        "--query",
        "The woman in the red coat sits down.",
        "--out",
        tmp_path / "one",
    ]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{video.name}: frames ")
    assert files(tmp_path / "one") == {"results.json", f"{video.stem}_overlay.mp4"}
    queries = tmp_path / "queries.json"
    queries.write_text(json.dumps({video.name: "x"}))
    checked = tool("validate_submission", "--predictions", tmp_path / "one" / "results.json", "--queries", queries)
    assert checked.code == 0, checked.stdout
    overlay, source = read_footage(tmp_path / "one" / f"{video.stem}_overlay.mp4", "o", 40, 160), read_meta(video, "s")
    assert (overlay.meta.num_frames, overlay.meta.fps) == (source.num_frames, source.fps)
    assert overlay.meta.width == source.width
    assert overlay.meta.height > source.height, "the strip with sentence and time line"


def test_a_sentence_of_unknown_words_is_answered_with_a_warning(tool, road, tmp_path, caplog):
    video = sorted((road.world / "videos").glob("*.mp4"))[0]
    done = tool("infer_stvg", *road.options, "--video", video, "--query", "\u2ee1\u2ee2 \u2ee3", "--out", tmp_path)
    assert done.code == 0
    assert "the text encoder knows none of its words" in caplog.text
    assert files(tmp_path) == {"results.json", f"{video.stem}_overlay.mp4"}


def test_finished_work_is_skipped(tool, road):
    before = times(road.out / "prepared") | times(road.world)
    assert tool("preprocess", *road.options, "--workers", 1).code == 0
    assert times(road.out / "prepared") | times(road.world) == before


def test_resuming_finished_trainings_changes_no_weights(tool, road):
    before = {stage: (road.out / stage / "best.safetensors").read_bytes() for stage in ("temporal", "matcher")}
    assert tool("train_temporal", *road.options, "--resume").code == 0
    assert (road.out / "temporal" / "best.safetensors").read_bytes() == before["temporal"]


def test_the_report_shows_every_query(road):
    page = (road.out / "report" / "index.html").read_text()
    items = json.loads((road.world / "test.json").read_text())
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert [(item["video"], item["text"]) for item in data] == [(key, item["caption"]) for key, item in items.items()]
    assert all(item["people"] >= 1 for item in data)
    for number, item in enumerate(data):
        script = (road.out / "report" / "data" / f"{number}.js").read_text()
        details = json.loads(script.removeprefix(f"stvgReport({number},").removesuffix(");\n"))
        assert details["note"] == "", "the stages give the submission's answers again"
        assert sum(share for _, share in details["losses"]) == pytest.approx(100, abs=0.3)
        assert details["losses"][0][1] == pytest.approx(100 * item["viou"], abs=0.2)
        assert len(details["tubes"]) >= item["people"]
        assert (road.out / "report" / "videos" / item["file"]).samefile(road.world / "videos" / item["video"])
    assert "What each part is worth" in page
