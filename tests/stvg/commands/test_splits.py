"""Where a split's videos are looked for, and that each is prepared once."""

import shutil

import numpy as np
import pytest

from stvg.commands import splits
from stvg.commands.preprocess import preprocess
from stvg.commands.splits import prepare_split, prepare_wherever, split_reader, video_paths
from stvg.config import parse_config
from stvg.recipe import Recipe
from stvg.world.make import write_video


@pytest.fixture
def root(tmp_path):
    """Three black videos of ten frames, without people."""
    (tmp_path / "videos").mkdir()
    (tmp_path / "detections").mkdir()
    for k, name in enumerate(("a", "b", "c")):
        write_video(tmp_path / "videos" / f"{name}.mp4", np.full((10, 48, 64, 3), 50 * k, np.uint8), 10, 64, 48)
        (tmp_path / "detections" / f"{name}.txt").write_text("")
    return tmp_path


@pytest.fixture
def recipe(root):
    plain = {"data": {"root": str(root)}, "output": {"root": str(root / "out")}, "detector": {"kind": "file"}}
    return parse_config(Recipe, plain, "here")


def test_each_video_has_one_path(root):
    assert video_paths(["a.mp4", "b.mkv", "a.mp4"], root) == {"a.mp4": root / "a.mp4", "b.mkv": root / "b.mkv"}


def test_videos_of_other_splits_are_not_prepared_again(root, recipe, monkeypatch):
    paths = video_paths(["a.mp4", "b.mp4", "c.mp4"], root / "videos")
    assert prepare_split(recipe, "test", {"a.mp4": paths["a.mp4"]}, 1) == []
    asked = []
    true = splits.prepare_split

    def watched(recipe, name, paths, workers=None, overwrite=False):
        asked.append((name, list(paths)))
        return true(recipe, name, paths, workers, overwrite)

    monkeypatch.setattr(splits, "prepare_split", watched)
    read, failures = prepare_wherever(recipe, "queries", paths, 1)
    assert (asked, failures) == ([("queries", ["b.mp4", "c.mp4"])], [])
    assert [read(name).meta.video_id for name in paths] == list(paths)
    shutil.copy(paths["c.mp4"], paths["a.mp4"])
    read, failures = prepare_wherever(recipe, "queries", paths, 1)
    assert asked[1:] == [("queries", ["a.mp4"])], "another file of the same name"
    np.testing.assert_array_equal(read("a.mp4").clip_features, read("c.mp4").clip_features)


def test_missing_videos_are_failures(root, recipe):
    read, failures = prepare_wherever(recipe, "q", video_paths(["a.mp4", "gone.mp4"], root / "videos"), 1)
    assert [failure.video_id for failure in failures] == ["gone.mp4"]
    assert read("a.mp4").meta.num_frames == 10


def test_a_reader_keeps_what_it_has_read(root, recipe):
    prepare_split(recipe, "val", video_paths(["a.mp4"], root / "videos"), 1)
    read = split_reader(recipe, "val")
    assert read("a.mp4") is read("a.mp4")


def test_preprocess_one_file_or_all_splits(root, recipe):
    (root / "queries.json").write_text('{"a.mp4": "The man sits."}')
    assert preprocess(recipe, root / "queries.json", None, 1) == []
    assert [path.name for path in (root / "out" / "prepared").iterdir()] == ["queries.h5"]
    (root / "val.json").write_text('{"b.mp4": "The man sits."}')
    (root / "test.json").write_text('{"c.mp4": "The man sits.", "gone.mp4": "He sits."}')
    assert [failure.video_id for failure in preprocess(recipe, None, None, 1)] == ["gone.mp4"]
    names = sorted(path.name for path in (root / "out" / "prepared").iterdir())
    assert names == ["queries.h5", "test.h5", "val.h5"]


def test_preprocess_into_another_folder_by_its_command(tool, root, tmp_path):
    """--out is a path as it stands, whatever YAML would make of it."""
    (root / "queries.json").write_text('{"a.mp4": "The man sits."}')
    config = root / "c.yaml"
    config.write_text(f"data: {{root: {root}}}\noutput: {{root: nowhere}}\ndetector: {{kind: file}}")
    out = tmp_path / "my out #1"
    arguments = ["--config", config, "--annotations", root / "queries.json", "--videos", root / "videos", "--out", out]
    assert tool("preprocess", *arguments, "--workers", 1).code == 0
    assert [path.name for path in (out / "prepared").iterdir()] == ["queries.h5"]
    before = (out / "prepared" / "queries.h5").stat().st_mtime_ns
    assert tool("preprocess", *arguments, "--workers", 1).code == 0
    assert (out / "prepared" / "queries.h5").stat().st_mtime_ns == before
    assert tool("preprocess", *arguments, "--workers", 1, "--overwrite").code == 0
    assert (out / "prepared" / "queries.h5").stat().st_mtime_ns != before
