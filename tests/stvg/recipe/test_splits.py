"""Where a split's videos are looked for, and that each is prepared once."""

import shutil

import numpy as np
import pytest

from stvg.config import dump_config, parse_config
from stvg.datasets.synthetic.make import write_video
from stvg.errors import InputError
from stvg.prepare.ray_cluster import RayCluster
from stvg.prepare.runner import PrepareOptions
from stvg.prepare.workers import LocalWorkers
from stvg.recipe import splits
from stvg.recipe.schema import Recipe
from stvg.recipe.splits import prepare_files, prepare_split, prepare_wherever, split_reader, video_paths

HERE = PrepareOptions(workers=1)


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
    assert prepare_split(recipe, "test", {"a.mp4": paths["a.mp4"]}, HERE) == []
    asked = []
    true = splits.prepare_split

    def watched(recipe, name, paths, options):
        asked.append((name, list(paths)))
        return true(recipe, name, paths, options)

    monkeypatch.setattr(splits, "prepare_split", watched)
    reader, failures = prepare_wherever(recipe, "queries", paths, HERE)
    assert (asked, failures) == ([("queries", ["b.mp4", "c.mp4"])], [])
    assert [reader.read(name).meta.video_id for name in paths] == list(paths)
    shutil.copy(paths["c.mp4"], paths["a.mp4"])
    reader, failures = prepare_wherever(recipe, "queries", paths, HERE)
    assert asked[1:] == [("queries", ["a.mp4"])], "another file of the same name"
    np.testing.assert_array_equal(reader.read("a.mp4").clip_features, reader.read("c.mp4").clip_features)


def test_missing_videos_are_failures(root, recipe):
    reader, failures = prepare_wherever(recipe, "q", video_paths(["a.mp4", "gone.mp4"], root / "videos"), HERE)
    assert [failure.video_id for failure in failures] == ["gone.mp4"]
    assert reader.read("a.mp4").meta.num_frames == 10


def test_a_reader_keeps_what_it_has_read(root, recipe):
    prepare_split(recipe, "val", video_paths(["a.mp4"], root / "videos"), HERE)
    reader = split_reader(recipe, "val")
    assert reader.read("a.mp4") is reader.read("a.mp4")


def test_preprocess_one_file_or_all_splits(root, recipe):
    (root / "queries.json").write_text('{"a.mp4": "The man sits."}')
    assert prepare_files(recipe, root / "queries.json", None, HERE) == []
    assert [path.name for path in (root / "out" / "prepared").iterdir()] == ["queries.h5"]
    (root / "val.json").write_text('{"b.mp4": "The man sits."}')
    (root / "test.json").write_text('{"c.mp4": "The man sits.", "gone.mp4": "He sits."}')
    assert [failure.video_id for failure in prepare_files(recipe, None, None, HERE)] == ["gone.mp4"]
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


def test_names_that_would_share_public_detections(root, recipe):
    shutil.copy(root / "videos" / "a.mp4", root / "videos" / "a.mkv")
    paths = video_paths(["a.mp4", "b.mp4", "a.mkv"], root / "videos")
    with pytest.raises(InputError, match=r"got a\.mp4 and a\.mkv, which would share a\.txt"):
        prepare_split(recipe, "test", paths, HERE)


@pytest.mark.parametrize(
    ("options", "workers"),
    [
        (PrepareOptions(workers=3), LocalWorkers(3)),
        (PrepareOptions(workers=3, ray=""), RayCluster("", 3, 0.0)),
        (PrepareOptions(workers=1, ray="auto", ray_gpus=0.25), RayCluster("auto", 1, 0.25)),
    ],
)
def test_where_videos_are_prepared(recipe, options, workers):
    assert options.make_workers(recipe.device) == workers


def test_a_gpu_for_each_job_where_the_networks_run_on_one(recipe):
    on_gpu = parse_config(Recipe, dump_config(recipe) | {"device": "cuda"}, "here")
    assert PrepareOptions(ray="auto", workers=2).make_workers(on_gpu.device) == RayCluster("auto", 2, 1.0)


@pytest.mark.parametrize("share", [-0.5, 1.5])
def test_no_share_of_a_gpu(share):
    with pytest.raises(InputError, match=f"--ray-gpus: expected a share from 0 to 1, got {share}"):
        PrepareOptions(ray="", ray_gpus=share)
