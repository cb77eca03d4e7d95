"""MMN-STVG's tube and feature files, in both forms, as its own code would read them."""

import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from spatial.mmn_stvg.files import FeatureFiles, TubeFolders
from stvg.errors import InputError

RNG = np.random.default_rng(0)
TUBES = [RNG.random((5, 6)), RNG.random((9, 6))]
ROWS = [torch.tensor(RNG.normal(size=(7, 5)), dtype=torch.float32), torch.tensor(RNG.normal(size=(4, 5))).float()]


def dump(value, path):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(value))
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("3_x_tubes.pkl", {0: [[tube, 0.7] for tube in TUBES]}, id="as detected"),
        pytest.param("3_x_tubes.pkl", {0: [(tube.tolist(), np.float32(1)) for tube in TUBES]}, id="lists of numbers"),
        pytest.param("3_x_tubes.pkl", {0: [[torch.tensor(tube), 1] for tube in TUBES]}, id="tensors"),
        pytest.param(
            "3_x.pkl",
            {
                "vid": "3_x",
                "tubes": [torch.tensor(tube)[:, :5] for tube in TUBES],
                "tubenum": 2,
                "gttube": torch.ones(3, 5),
                "query": torch.ones(1, 9).long(),
            },
            id="prepared",
        ),
    ],
)
def test_tubes(tmp_path, name, value):
    (tmp_path / "other").mkdir()
    path = dump(value, tmp_path / "tubes" / name)
    found = TubeFolders([tmp_path / "other", tmp_path / "tubes"]).read("3_x")
    assert found.path == path
    for one, other in zip(found.tubes, TUBES, strict=True):
        np.testing.assert_allclose(one, other[:, : one.shape[1]], rtol=1e-6)
        assert one.dtype == np.float64
        assert one.shape[1] == (5 if name == "3_x.pkl" else 6)


def test_tubes_may_be_none_and_nowhere(tmp_path):
    dump({0: []}, tmp_path / "tubes" / "3_x_tubes.pkl")
    folders = TubeFolders([tmp_path / "tubes"])
    assert folders.read("3_x").tubes == ()
    assert folders.read("4_x") is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1], r"expected \{0: \[\[rows, score\], ...\]\} or .*, got list of 1"),
        ({1: []}, "expected .*, got dict of 1"),
        ({0: 5}, "0: expected a list with an entry for each tube, got int"),
        ({0: [TUBES[0]]}, r"tube 0: expected \[rows, score\], got an array \(5, 6\)"),
        ({0: [[TUBES[0], 1], [TUBES[1][:, :4], 1]]}, r"tube 1: expected rows of frame, .*, got \(9, 4\)"),
        ({0: [[TUBES[0][0], 1]]}, r"tube 0: expected rows of frame, .*, got \(6,\)"),
        ({0: [[TUBES[0][:0], 1]]}, r"tube 0: expected rows of frame, .*, got \(0, 6\)"),
        ({0: [["rows", 1]]}, "tube 0: expected rows of frame, .*, got str"),
        ({0: [[[[1, 2, 3, 4, 5], [1]], 1]]}, "tube 0: expected rows of frame, .*, got list of 2"),
        ({0: [[np.where(np.eye(5, 6) > 0, np.nan, 1), 1]]}, "tube 0: expected finite numbers, got others in row 0"),
        ({"tubes": torch.ones(3)}, r"tubes: expected a list with an entry for each tube, got an array \(3,\)"),
        ({"tubes": [np.ones((2, 5)), np.ones((2, 5), bool)]}, "tube 1: expected rows"),
    ],
)
def test_files_of_another_form(tmp_path, value, message):
    path = dump(value, tmp_path / "tubes" / "3_x_tubes.pkl")
    with pytest.raises(InputError, match=f"^{path}: {message}"):
        TubeFolders([tmp_path / "tubes"]).read("3_x")


def test_a_list_that_holds_itself_is_no_tube(tmp_path):
    rows = [1.0]
    rows.append(rows)
    dump({0: [[rows, 1]]}, tmp_path / "tubes" / "3_x_tubes.pkl")
    with pytest.raises(InputError, match="refused a value that holds itself"):
        TubeFolders([tmp_path / "tubes"]).read("3_x")


def test_a_video_in_two_places_is_an_error(tmp_path):
    for folder in ("a", "b"):
        dump({0: []}, tmp_path / folder / "3_x_tubes.pkl")
    with pytest.raises(InputError, match=r"a/3_x_tubes.pkl: expected a video in one place, found it in .*/b/3_x"):
        TubeFolders([tmp_path / "a", tmp_path / "b"]).read("3_x")
    one, other = (dump({"3_x": []}, tmp_path / f"{k}.pkl") for k in range(2))
    with pytest.raises(InputError, match=r"0.pkl: expected a video in one place, found it in .*1.pkl too"):
        FeatureFiles("csn", [one, other]).read("3_x")


def official(rows):
    """The official get_tube_feat of a list of rows, at 32 clips."""
    values = F.normalize(torch.stack(rows, dim=0)[:, 1:].float(), dim=1)
    edges = (torch.arange(0, 33, 1.0) / 32 * len(values)).round().long()
    return torch.stack(
        [
            values[s:e].mean(dim=0) if s < e else values[min(s, len(values) - 1)]
            for s, e in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        ]
    )


@pytest.mark.parametrize("write", [dump, torch.save], ids=["pickle", "torch.save"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_features_as_detected(tmp_path, write, dtype):
    values = [[row.to(dtype) for row in tube] for tube in ROWS]
    write({"3_x": values, "4_x": []}, tmp_path / "csn_train_split1.pkl")
    files = FeatureFiles("csn", [tmp_path / "csn_train_split1.pkl"])
    for found, tube in zip(files.read("3_x"), values, strict=True):
        np.testing.assert_allclose(found.frames, [float(row[0]) for row in tube])
        expected = F.normalize(torch.stack(tube)[:, 1:].float(), dim=1)
        np.testing.assert_allclose(found.rows, expected, rtol=1e-5, atol=1e-7)
        assert found.rows.dtype == np.float32
    assert files.read("4_x") == ()
    assert files.read("5_x") is None


def test_features_as_prepared(tmp_path):
    made = torch.stack([official(list(tube)) for tube in ROWS])
    (tmp_path / "csn_train_feats").mkdir()
    dump(made, tmp_path / "csn_train_feats" / "3_x.pkl")
    found = FeatureFiles("csn", [tmp_path / "csn_train_feats"]).read("3_x")
    for one, other in zip(found, made, strict=True):
        assert one.frames is None
        np.testing.assert_array_equal(one.rows, other)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"3_x": 5}, "3_x: expected a list with an entry for each tube, got int"),
        ({"3_x": [[]]}, r"3_x: tube 0: expected rows of a frame number and features, got \(0,\)"),
        ({"3_x": [[torch.ones(1)]]}, r"3_x: tube 0: expected rows of a frame number .*, got \(1, 1\)"),
        ({"3_x": [[torch.ones(3), torch.ones(2)]]}, "3_x: tube 0: expected rows of a frame number .*, got list of 2"),
        ({"3_x": [[torch.ones(3)], [torch.full((3,), torch.inf)]]}, "3_x: tube 1: expected finite numbers"),
        ([], r"expected \{video: \[\[row, ...\], ...\]\}, got list of 0"),
    ],
)
def test_feature_files_of_another_form(tmp_path, value, message):
    path = dump(value, tmp_path / "csn.pkl")
    with pytest.raises(InputError, match=f"^{path}: {message}"):
        FeatureFiles("csn", [path]).read("3_x")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.ones(2, 32), r"expected an array \(tubes, parts, features\), got \(2, 32\)"),
        (torch.ones(2, 0, 5), r"got \(2, 0, 5\)"),
        ({"a": 1}, "got something else"),
        (torch.full((2, 3, 4), torch.nan), "tube 0: expected finite numbers, got others in row 0"),
    ],
)
def test_prepared_features_of_another_form(tmp_path, value, message):
    (tmp_path / "feats").mkdir()
    path = dump(value, tmp_path / "feats" / "3_x.pkl")
    with pytest.raises(InputError, match=f"^{path}: .*{message}"):
        FeatureFiles("csn", [tmp_path / "feats"]).read("3_x")


def test_nothing_is_executed(tmp_path, evil):
    dump({0: [[TUBES[0], evil]]}, tmp_path / "tubes" / "3_x_tubes.pkl")
    with pytest.raises(InputError, match=r"3_x_tubes.pkl: .*refused to execute posix.system"):
        TubeFolders([tmp_path / "tubes"]).read("3_x")
    for write in (dump, torch.save):
        write({"3_x": [[torch.ones(3), evil]]}, tmp_path / "csn.pkl")
        with pytest.raises(InputError, match=r"csn.pkl: .*refused to execute posix.system"):
            FeatureFiles("csn", [tmp_path / "csn.pkl"])
    assert not evil.trace.exists()
