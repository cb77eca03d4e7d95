"""tools/visualize.py: the report of a submission with whatever else is known."""

import json
import shutil

import pytest


def data_of(page):
    return json.loads(page.read_text().split('id="data">')[1].split("</script>")[0])


def details_of(out, number):
    return json.loads((out / "data" / f"{number}.js").read_text().removeprefix(f"stvgReport({number},").rstrip(");\n"))


@pytest.fixture
def asked(road):
    return ["--predictions", road.submission, "--videos", road.world / "videos"]


def test_everything(tool, road, asked, tmp_path):
    options = ["--annotations", road.world / "test.json", *road.options, "--ablation", road.out, "--workers", 1]
    done = tool("visualize", *asked, "--out", tmp_path / "o", *options)
    assert done.code == 0, done.stderr
    assert done.stdout == f"see {tmp_path / 'o' / 'index.html'}\n"
    keys = list(json.loads(road.submission.read_text()))
    for number, key in enumerate(keys):
        folder = tmp_path / "o" / "queries" / key
        names = {path.name for path in folder.iterdir()}
        assert names == {"overlay.mp4", "maps.png", "made_of.txt"}
        files = details_of(tmp_path / "o", number)["files"]
        assert all((tmp_path / "o" / path).is_file() for _, path in files)
        assert len(files) == 2
    assert "All 47 combinations" in (tmp_path / "o" / "index.html").read_text()


def test_truth_without_stages_and_without_drawings(tool, road, asked, tmp_path):
    done = tool("visualize", *asked, "--out", tmp_path, "--annotations", road.world / "test.json", "--page-only")
    assert (done.code, done.stdout.splitlines()[0]) == (
        0,
        "no --config: without the trained stages there are no maps and no candidates",
    )
    assert not (tmp_path / "queries").exists()
    assert all(item["tiou"] is not None and item["people"] is None for item in data_of(tmp_path / "index.html"))
    assert details_of(tmp_path, 0)["tubes"] is None


@pytest.mark.parametrize("queries", ["test_queries.json", None])
def test_without_truth(tool, road, asked, tmp_path, queries):
    known = ["--annotations", road.world / queries] if queries else []
    assert tool("visualize", *asked, "--out", tmp_path, *known, "--page-only").code == 0
    data = data_of(tmp_path / "index.html")
    assert len(data) == 2
    assert all((item["problems"], item["truth"], bool(item["text"])) == (None, None, bool(queries)) for item in data)


def test_other_stages_than_the_predictions_are_said(tool, road, asked, tmp_path):
    moved = json.loads(road.submission.read_text())
    for item in moved.values():
        first = str(item["st_frame"])
        item.update(st_frame=1, ed_frame=2, bbox={"1": item["bbox"][first], "2": item["bbox"][first]})
    (tmp_path / "moved.json").write_text(json.dumps(moved))
    moved = ["--predictions", tmp_path / "moved.json", *asked[2:], "--annotations", road.world / "test.json"]
    done = tool("visualize", *moved, "--out", tmp_path / "o", "--page-only", *road.options)
    assert done.code == 0
    assert "give another answer" in details_of(tmp_path / "o", 0)["note"]


def test_a_missing_video_is_listed_and_the_others_are_shown(tool, road, asked, tmp_path):
    keys = list(json.loads(road.submission.read_text()))
    (tmp_path / "videos").mkdir()
    shutil.copy(road.world / "videos" / keys[1], tmp_path / "videos")
    done = tool(
        "visualize",
        *asked[:2],
        "--videos",
        tmp_path / "videos",
        "--out",
        tmp_path / "o",
        "--page-only",
        "--annotations",
        road.world / "test.json",
    )
    assert done.code == 3
    assert done.stderr.splitlines()[-1].startswith(f"failed: {keys[0]}: ")
    assert [item["video"] for item in data_of(tmp_path / "o" / "index.html")] == keys[1:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--predictions", "none.json"], "none.json: expected a readable JSON file"),
        (["--videos", "nowhere"], "none can be read"),
        (["--annotations", "other.json"], "expected answers to the queries of"),
        (["--ablation", "broken"], "ablation.json: expected a list"),
    ],
)
def test_bad_input(tool, road, asked, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.json").write_text('{"z.mp4": "A man."}')
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ablation.json").write_text("{}")
    done = tool("visualize", *asked, "--out", tmp_path / "o", "--page-only", *arguments)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr.splitlines()[-1]
    assert not (tmp_path / "o" / "index.html").exists()


def test_what_is_read_is_not_written_over(tool, road, asked, tmp_path):
    shutil.copytree(road.world / "videos", tmp_path / "videos")
    before = {path.name: path.read_bytes() for path in (tmp_path / "videos").iterdir()}
    done = tool("visualize", *asked[:2], "--videos", tmp_path / "videos", "--out", tmp_path, "--page-only")
    assert done.code == 2
    assert "videos: expected another folder to write than the one to read" in done.stderr.splitlines()[-1]
    assert {path.name: path.read_bytes() for path in (tmp_path / "videos").iterdir()} == before
    shutil.copy(road.submission, tmp_path / "index.html")
    done = tool("visualize", "--predictions", tmp_path / "index.html", *asked[2:], "--out", tmp_path, "--page-only")
    assert "index.html: expected another file to write than the one to read" in done.stderr.splitlines()[-1]
    assert (tmp_path / "index.html").read_bytes() == road.submission.read_bytes()


def test_a_config_needs_sentences(tool, road, asked, tmp_path):
    done = tool("visualize", *asked, "--out", tmp_path / "o", *road.options)
    assert done.code == 2
    assert "--config: expected --annotations too" in done.stderr
    assert tool("visualize", *asked, "--out", tmp_path / "o", "a=b").code == 2
