"""Prepared videos survive being stored, whole or not at all, and only for the recipe and file they were made from."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from stvg.errors import InputError
from stvg.prepare.store import PreparedStore, source_fingerprint, store_files
from stvg.types import PreparedVideo, Tube, VideoMeta


def prepared(name="a.mp4", seed=0, num_tubes=2):
    rng = np.random.default_rng(seed)
    tubes = []
    for k in range(num_tubes):
        length = int(rng.integers(1, 9))
        boxes = rng.random((length, 4)) * 100
        tubes.append(Tube(k, int(rng.integers(0, 50)), boxes, rng.random(length), rng.random(length) < 0.5))
    features = tuple(rng.random((len(one.boxes_xyxy), 5)).astype(np.float32) for one in tubes)
    meta = VideoMeta(name, Path("videos") / name, 60, 29.97, 640, 360)
    return PreparedVideo(meta, rng.random((7, 3)).astype(np.float32), tuple(tubes), features)


def same(a, b):
    assert (a.meta, a.normalised) == (b.meta, b.normalised)
    np.testing.assert_array_equal(a.clip_features, b.clip_features)
    assert len(a.tubes) == len(b.tubes) == len(a.tube_features) == len(b.tube_features)
    for one, other in zip(a.tubes, b.tubes, strict=True):
        assert (one.tube_id, one.start_frame) == (other.tube_id, other.start_frame)
        for name in ("boxes_xyxy", "scores", "observed"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype
    for one, other in zip(a.tube_features, b.tube_features, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype == np.float32


@pytest.fixture
def store(tmp_path):
    return PreparedStore(tmp_path / "train.h5", "recipe")


@pytest.mark.parametrize("num_tubes", [0, 1, 12])
def test_round_trip_before_and_after_packing(store, num_tubes):
    video = prepared(num_tubes=num_tubes)
    store.write_part(video, "source")
    same(store.read("a.mp4"), video)
    store.pack()
    assert [path.name for path in store.path.parent.iterdir()] == ["train.h5"]
    same(store.read("a.mp4"), video)


def test_rows_that_came_normalised_stay_so_and_clips_may_be_without_features(store):
    video = replace(prepared(), normalised=True, clip_features=np.zeros((1, 0), np.float32))
    store.write_part(video, "source")
    store.pack()
    same(store.read("a.mp4"), video)
    assert store.read("a.mp4").clip_features.shape == (1, 0)


def test_packing_merges_and_replaces(store):
    videos = {name: prepared(name, seed) for seed, name in enumerate(["a.mp4", "b.mp4", "c.mkv"])}
    store.write_part(videos["a.mp4"], "1")
    store.write_part(videos["b.mp4"], "1")
    store.pack()
    newer = prepared("b.mp4", seed=9)
    store.write_part(newer, "2")
    store.write_part(videos["c.mkv"], "1")
    same(store.read("b.mp4"), newer)
    store.pack()
    same(store.read("a.mp4"), videos["a.mp4"])
    same(store.read("b.mp4"), newer)
    same(store.read("c.mkv"), videos["c.mkv"])
    assert store.has("b.mp4", "2")
    assert not store.has("b.mp4", "1")
    before = store.path.read_bytes()
    store.pack()
    assert store.path.read_bytes() == before, "nothing to pack"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("recipe", "name", "source", "expected"),
    [
        ("recipe", "a.mp4", "source", True),
        ("other", "a.mp4", "source", False),
        ("recipe", "a.mp4", "other", False),
        ("recipe", "b.mp4", "source", False),
    ],
)
def test_what_counts_as_stored(store, packed, recipe, name, source, expected):
    store.write_part(prepared(), "source")
    if packed:
        store.pack()
    assert PreparedStore(store.path, recipe).has(name, source) is expected


@pytest.mark.parametrize(("recipe", "name"), [("other", "a.mp4"), ("recipe", "b.mp4")])
def test_reading_what_is_not_stored_names_the_command(store, recipe, name):
    store.write_part(prepared(), "source")
    with pytest.raises(InputError, match=f"expected {name} prepared with this config.*stvg prepare"):
        PreparedStore(store.path, recipe).read(name)


def test_an_error_while_writing_leaves_nothing(store, monkeypatch):
    video = prepared()
    broken = PreparedVideo(video.meta, video.clip_features, video.tubes, video.tube_features[:1])
    with pytest.raises(ValueError, match="zip"):
        store.write_part(broken, "source")
    assert list(store.parts.iterdir()) == []
    store.write_part(video, "source")
    store.pack()
    before = store.path.read_bytes()
    store.write_part(prepared("b.mp4"), "source")

    def fail(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(h5py.Group, "copy", fail)
        with pytest.raises(KeyboardInterrupt):
            store.pack()
    assert store.path.read_bytes() == before
    assert {path.name for path in store.path.parent.iterdir()} == {"train.h5", "train.parts"}
    same(store.read("b.mp4"), prepared("b.mp4"))


def test_half_written_files_of_a_killed_run_are_passed_over(store):
    store.write_part(prepared(), "source")
    (store.parts / ".b.mp4.00ff.part.h5").write_bytes(b"\x89HDF half a file")
    (store.path.parent / ".train.00ff.part.h5").write_bytes(b"\x89HDF half a file")
    store.pack()
    same(store.read("a.mp4"), prepared())
    assert store_files(store.path.parent) == [store.path]
    assert not store.parts.exists()


def test_parts_of_another_recipe_do_not_replace_ours(store):
    store.write_part(prepared(), "source")
    store.pack()
    PreparedStore(store.path, "other").write_part(prepared(seed=5), "source")
    store.write_part(prepared("b.mp4"), "source")
    store.pack()
    same(store.read("a.mp4"), prepared())
    same(store.read("b.mp4"), prepared("b.mp4"))


def test_a_file_that_is_no_store(store):
    store.path.write_bytes(b"text")
    with pytest.raises(InputError, match=f"^{store.path}: expected an HDF5 file of prepared videos"):
        store.has("a.mp4", "source")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: b"x" + data[1:], "its head"),
        (lambda data: data[:-1] + b"x", "its tail"),
        (lambda data: data + b"0", "its length"),
        (lambda data: data[: len(data) // 2] + data[len(data) // 2 + 1 :], "a byte lost in the middle"),
    ],
)
def test_fingerprints_tell_files_apart(tmp_path, change, reason):
    data = np.random.default_rng(0).bytes(300_000)
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(data)
    other.write_bytes(data)
    assert source_fingerprint(one) == source_fingerprint(other)
    other.write_bytes(change(data))
    assert source_fingerprint(one) != source_fingerprint(other), reason


def test_fingerprint_of_an_empty_file(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert len(source_fingerprint(tmp_path / "empty")) == 64


def further(names=("b.mp4", "c.mp4")):
    return [replace(prepared().meta, video_id=name, path=Path("other") / name) for name in names]


def stand_ins(video):
    return {meta.video_id: replace(video, meta=meta) for meta in [video.meta, *further()]}


@pytest.mark.parametrize("packed", [False, True])
def test_videos_of_one_footage_share_their_arrays(store, packed):
    store.write_part(prepared(), "source", further())
    if packed:
        store.pack()
    for name, video in stand_ins(prepared()).items():
        same(store.read(name), video)
        assert store.has(name, "source")
    assert store.sources() == dict.fromkeys(("a.mp4", "b.mp4", "c.mp4"), "source")
    if packed:
        with h5py.File(store.path) as file:
            assert [name for name, group in file.items() if "tubes" in group] == ["a.mp4"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_video_whose_arrays_are_gone_is_absent(store, packed):
    """The named video was made anew from another file, or was never written."""
    store.write_part(prepared(), "source", further())
    if packed:
        store.pack()
        store.write_part(prepared(seed=1), "newer")
    else:
        store.part("a.mp4").unlink()
    for again in range(2):
        assert "b.mp4" not in store.sources()
        assert not store.has("b.mp4", "source")
        with pytest.raises(InputError, match=r"expected b.mp4 prepared with this config, found none"):
            store.read("b.mp4")
        if not again:
            store.pack()
    if packed:
        same(store.read("a.mp4"), prepared(seed=1))
        store.write_part(prepared("b.mp4"), "source")
        store.pack()
        same(store.read("b.mp4"), prepared("b.mp4"))
