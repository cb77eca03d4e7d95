"""Many videos prepared: resumable, failures listed, the same bytes whatever the workers."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from stvg.config import parse_config
from stvg.datasets.synthetic.make import write_video
from stvg.errors import InputError
from stvg.io.locks import locked
from stvg.pipeline import Preparation, StageTimes
from stvg.prepare.runner import PrepareOptions, prepare_videos
from stvg.prepare.store import PreparedStore
from stvg.prepare.workers import LocalWorkers
from stvg.recipe.build import build_preparer
from stvg.recipe.schema import Recipe
from stvg.types import PreparedVideo, VideoMeta


class Counting:
    """A preparer that remembers what it was given; a file whose text is "broken" cannot be prepared."""

    def __init__(self):
        self.asked = []

    def prepare(self, path, video_id):
        self.asked.append(video_id)
        if path.read_text() == "broken":
            raise InputError(f"{path}: expected a whole video file")
        meta = VideoMeta(video_id, path, 10, 10.0, 64, 48)
        times = StageTimes(10, 5, {"decode": 0.5, "detect": 1.5})
        video = PreparedVideo(meta, np.full((1, 1), len(self.asked), np.float32), (), ())
        return Preparation(video, times)


@pytest.fixture
def videos(tmp_path):
    for name, text in {"a.mp4": "a", "b.mp4": "b", "c.mkv": "broken"}.items():
        (tmp_path / name).write_text(text)
    return {name: tmp_path / name for name in ("a.mp4", "b.mp4", "c.mkv", "gone.mp4")}


@pytest.fixture
def store(tmp_path):
    return PreparedStore(tmp_path / "out" / "train.h5", "recipe")


HERE = LocalWorkers(1)


def prepare(videos, store, **options):
    preparer = Counting()
    return preparer.asked, prepare_videos(videos, store, lambda: preparer, HERE, **options)


def test_failures_are_listed_and_the_others_prepared(videos, store):
    asked, failures = prepare(videos, store)
    assert asked == ["a.mp4", "b.mp4", "c.mkv"]
    assert {failure.video_id: failure.reason for failure in failures} == {
        "gone.mp4": f"{videos['gone.mp4']}: expected a video file, found none",
        "c.mkv": f"{videos['c.mkv']}: expected a whole video file",
    }
    assert store.read("a.mp4").clip_features.tolist() == [[1.0]]
    assert store.read("b.mp4").clip_features.tolist() == [[2.0]]
    with pytest.raises(InputError):
        store.read("c.mkv")


@pytest.mark.parametrize(
    ("change", "again", "reason"),
    [
        (lambda videos: None, [], "what failed fails again"),
        (lambda videos: videos["b.mp4"].write_text("new"), ["b.mp4"], "another file"),
        (lambda videos: videos["c.mkv"].write_text("mended"), ["c.mkv"], "mended"),
    ],
)
def test_a_second_call_prepares_what_is_missing(videos, store, change, again, reason):
    prepare(videos, store)
    change(videos)
    assert prepare(videos, store)[0] == again, reason


def test_throughput_by_stage_is_logged(videos, store, caplog):
    caplog.set_level("INFO")
    prepare(videos, store)
    assert (
        "20 frames decoded, 10 looked at, 4.0 s: decode 20.0 frames/s (25 %), detect 3.3 frames/s (75 %)"
    ) in caplog.text
    caplog.clear()
    prepare(videos, store)
    assert "throughput by stage, of" not in caplog.text


def test_a_run_that_was_stopped_keeps_what_it_finished(videos, store):
    class Stopping(Counting):
        def prepare(self, path, video_id):
            if video_id == "b.mp4":
                raise KeyboardInterrupt
            return super().prepare(path, video_id)

    with pytest.raises(KeyboardInterrupt):
        prepare_videos(videos, store, Stopping, HERE)
    assert prepare(videos, store)[0] == ["b.mp4", "c.mkv"]


def test_overwrite_and_another_recipe_prepare_all(videos, store):
    prepare(videos, store)
    assert prepare(videos, store, overwrite=True)[0] == ["a.mp4", "b.mp4", "c.mkv"]
    assert prepare(videos, PreparedStore(store.path, "other"))[0] == ["a.mp4", "b.mp4", "c.mkv"]


def test_what_failed_is_recorded_listed_again_and_retried_on_demand(videos, store):
    _, first = prepare(videos, store)
    record = json.loads(store.failed.read_text())
    assert list(record["videos"]) == ["c.mkv"]
    assert record["videos"]["c.mkv"]["reason"] == f"{videos['c.mkv']}: expected a whole video file"
    asked, again = prepare(videos, store)
    assert (asked, sorted(again, key=str)) == ([], sorted(first, key=str))
    assert prepare(videos, store, retry_failed=True)[0] == ["c.mkv"]
    videos["c.mkv"].write_text("mended")
    asked, failures = prepare(videos, store)
    assert (asked, [failure.video_id for failure in failures]) == (["c.mkv"], ["gone.mp4"])
    assert not store.failed.exists()


def test_another_recipe_tries_what_failed(videos, store):
    prepare(videos, store)
    assert "c.mkv" in prepare(videos, PreparedStore(store.path, "other"))[0]


def test_a_defect_fails_one_video_alone(videos, store, caplog):
    class Defective(Counting):
        def prepare(self, path, video_id):
            if video_id == "b.mp4":
                raise ZeroDivisionError("division by\nzero")
            return super().prepare(path, video_id)

    failures = prepare_videos(videos, store, Defective, HERE)
    reasons = {failure.video_id: failure.reason for failure in failures}
    assert reasons["b.mp4"] == (f"{videos['b.mp4']}: expected to be prepared, got: ZeroDivisionError: division by zero")
    assert "Traceback" in caplog.text, "where it happened is in the log"
    assert store.read("a.mp4").meta.video_id == "a.mp4"


def test_two_runs_into_one_store(videos, store):
    with locked(store.path), pytest.raises(InputError, match=r"train\.h5: expected no other run that writes here"):
        prepare(videos, store)
    assert not store.path.parent.exists(), "not even an empty folder"


def test_a_full_disk_is_one_line_and_what_was_finished_stays(videos, store, monkeypatch):
    true = PreparedStore.write_part

    def full(self, prepared, source, others=()):
        if prepared.meta.video_id == "b.mp4":
            raise InputError("b.mp4.h5: expected room for it on the disk, found none left")
        true(self, prepared, source, others)

    with monkeypatch.context() as patched:
        patched.setattr(PreparedStore, "write_part", full)
        with pytest.raises(InputError, match="expected room for it on the disk"):
            prepare(videos, store)
    assert [path.name for path in store.parts.iterdir()] == ["a.mp4.h5"]
    assert prepare(videos, store)[0] == ["b.mp4", "c.mkv"]


def test_nothing_to_do_makes_no_preparer(videos, store):
    prepare({"a.mp4": videos["a.mp4"]}, store)

    def fail():
        raise AssertionError

    assert prepare_videos({"a.mp4": videos["a.mp4"]}, store, fail, HERE) == []


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers(workers):
    with pytest.raises(InputError, match=f"--workers: expected a whole number of at least 1, got {workers}"):
        PrepareOptions(workers=workers)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Two real videos of 24 frames with detections of one person each, and one file cut off."""
    root = tmp_path_factory.mktemp("tiny")
    (root / "videos").mkdir()
    (root / "detections").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b", "cut"):
        images = rng.integers(0, 255, (24, 48, 64, 3), dtype=np.uint8)
        write_video(root / "videos" / f"{name}.mp4", images, 10, 64, 48)
        rows = [f"{frame + 1},-1,{10 + frame},8,16,32,0.9,-1,-1,-1" for frame in range(24)]
        (root / "detections" / f"{name}.txt").write_text("\n".join(rows))
    cut = root / "videos" / "cut.mp4"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    return root


def recipe_of(root, **changes):
    plain = {"data": {"root": str(root)}, "output": {"root": "o"}, "detector": {"kind": "file"}}
    return parse_config(Recipe, plain | changes, "here")


def test_two_workers_give_the_bytes_of_one(tiny, tmp_path):
    videos = {name: tiny / "videos" / name for name in ("a.mp4", "b.mp4", "cut.mp4")}
    stores = {}
    for workers in (1, 2):
        stores[workers] = PreparedStore(tmp_path / str(workers) / "train.h5", "recipe")
        make = partial(build_preparer, recipe_of(tiny))
        failures = prepare_videos(videos, stores[workers], make, LocalWorkers(workers))
        assert [failure.video_id for failure in failures] == ["cut.mp4"]
        assert failures[0].reason.startswith(f"{videos['cut.mp4']}: expected a whole video file, found a file cut off")
    assert stores[1].path.read_bytes() == stores[2].path.read_bytes()
    assert len(stores[1].read("a.mp4").tubes) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_is_missing_is_one_line(tiny, tmp_path, workers):
    videos = {name: tiny / "videos" / name for name in ("a.mp4", "b.mp4")}
    recipe = recipe_of(tiny, detector={"kind": "onnx", "path": str(tmp_path / "none.onnx")})
    store = PreparedStore(tmp_path / "train.h5", "recipe")
    with pytest.raises(InputError, match=r"none\.onnx"):
        prepare_videos(videos, store, partial(build_preparer, recipe), LocalWorkers(workers))
    assert not Path(store.path).exists()


def test_videos_of_one_footage_are_prepared_once(videos, store):
    videos["b.mp4"].write_text("a")
    videos["d.mp4"] = videos["a.mp4"].with_name("d.mp4")
    videos["d.mp4"].write_text("broken")
    asked, failures = prepare(videos, store)
    assert asked == ["a.mp4", "c.mkv"]
    assert sorted(failure.video_id for failure in failures) == ["c.mkv", "d.mp4", "gone.mp4"]
    first, second = store.read("a.mp4"), store.read("b.mp4")
    assert (first.meta.video_id, second.meta.video_id) == ("a.mp4", "b.mp4")
    assert (first.meta.path, second.meta.path) == (videos["a.mp4"], videos["b.mp4"])
    assert first.source_id == second.source_id is not None
    np.testing.assert_array_equal(first.clip_features, second.clip_features)
    videos["e.mp4"] = videos["a.mp4"].with_name("e.mp4")
    videos["e.mp4"].write_text("another")
    prepare({"e.mp4": videos["e.mp4"]}, store)
    assert store.read("e.mp4").source_id != first.source_id
