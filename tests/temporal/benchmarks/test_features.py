"""Features in HDF5: both layouts, and what is wrong with bad ones."""

import h5py
import numpy as np
import pytest
import torch

from stvg.errors import InputError
from temporal.benchmarks.features import ClipReader, FeatureFile
from temporal.mmn.clip_features import average_clips, normalise_features

ROWS = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "f.hdf5", "w") as file:
        file["a"] = ROWS
        file["b"] = ROWS[:7].astype(np.float64)
        file["nan"] = np.where(np.arange(20)[:, None] == 3, np.nan, ROWS)
        file["narrow"] = ROWS[:, :5]
        file["empty"] = ROWS[:0]
        file["flat"] = ROWS[0]
        file["words"] = np.array([[b"x"]])
        file["group/c3d_features"] = ROWS
    return tmp_path / "f.hdf5"


def test_features_are_float32_as_they_are(path):
    file = FeatureFile(path, None)
    assert file.width == 6
    np.testing.assert_array_equal(file.read("a"), ROWS)
    assert file.read("b").dtype == np.float32


def test_features_inside_a_group(path):
    with h5py.File(path, "a") as file:
        for name in [name for name in file if name != "group"]:
            del file[name]
    file = FeatureFile(path, "c3d_features")
    np.testing.assert_array_equal(file.read("group"), ROWS)
    with pytest.raises(InputError, match=r"group/x: expected a data set \(T, D\) of numbers"):
        FeatureFile(path, "x")


@pytest.mark.parametrize(
    ("video", "message"),
    [
        ("missing", "expected the features of 1 videos, 1 are missing, the first of them missing"),
        ("nan", "nan: expected finite features, row 3 is not"),
        ("narrow", r"narrow: expected features \(T, 6\), T >= 1, got \(20, 5\)"),
        ("empty", r"empty: expected features \(T, 6\), T >= 1, got \(0, 6\)"),
        ("flat", r"flat: expected a data set \(T, D\) of numbers"),
        ("words", r"words: expected a data set \(T, D\) of numbers"),
        ("group", r"group: expected a data set \(T, D\) of numbers"),
    ],
)
def test_bad_features_are_one_line_that_names_the_video(path, video, message):
    with pytest.raises(InputError, match=f"^{path}: {message}") as caught:
        FeatureFile(path, None).read(video)
    assert "\n" not in str(caught.value)


def test_missing_videos_are_counted(path):
    with pytest.raises(InputError, match="expected the features of 3 videos, 2 are missing, the first of them y"):
        FeatureFile(path, None).require(["a", "y", "x"])


@pytest.mark.parametrize(
    "spoil", [lambda p: p.unlink(), lambda p: p.write_bytes(b"text"), lambda p: p.write_bytes(b"")]
)
def test_files_that_are_no_features(path, spoil):
    spoil(path)
    with pytest.raises(InputError, match=f"{path}: expected an HDF5 file of features"):
        FeatureFile(path, None)


def test_a_file_without_videos(tmp_path):
    h5py.File(tmp_path / "none.hdf5", "w").close()
    with pytest.raises(InputError, match="expected the features of at least one video"):
        FeatureFile(tmp_path / "none.hdf5", None)


@pytest.mark.parametrize("clamp", [True, False])
@pytest.mark.parametrize(("gib", "reads"), [(1.0, 1), (0.0, 2)])
def test_clips_are_averaged_and_kept_while_there_is_room(path, clamp, gib, reads, monkeypatch):
    reader = ClipReader(FeatureFile(path, None), 8, clamp=clamp, memory_gib=gib)
    calls = []
    original = FeatureFile.read
    monkeypatch.setattr(FeatureFile, "read", lambda self, video_id: calls.append(video_id) or original(self, video_id))
    expected = torch.from_numpy(average_clips(normalise_features(ROWS), 8, clamp=clamp))
    for _ in range(2):
        assert torch.equal(reader.read("a"), expected)
    assert calls == ["a"] * reads
