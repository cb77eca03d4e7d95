from pathlib import Path

import numpy as np
import pytest
import torch

from golden.file import GoldenFile
from golden.mmn import check_mmn
from stvg.errors import InputError

GOLDEN = Path(__file__).resolve().parents[3].parent / "shared" / "golden"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="no ../shared/golden beside the repository")
CHARADES = GOLDEN / "mmn_charades.npz"


@needs_golden
@pytest.mark.parametrize("name", ["mmn_charades", "mmn_charades_conv", "mmn_activitynet", "mmn_tacos"])
def test_every_figure_agrees_in_float64(name):
    figures = check_mmn(GoldenFile(GOLDEN / f"{name}.npz", torch.float64))
    assert {figure.name for figure in figures if not figure.error <= 1e-7} == set()
    quantities = {figure.quantity for figure in figures}
    assert {"averaging", "mask", "nms", "recalls", "gradients", "grad_norm", "step", "batchnorm"} < quantities


@needs_golden
def test_every_figure_agrees_in_float32():
    figures = check_mmn(GoldenFile(CHARADES, torch.float32))
    assert {figure.name for figure in figures if not figure.error <= 2e-3} == set()


def altered(tmp_path, changes):
    """Return the Charades file with `changes`, functions of its arrays, applied."""
    with np.load(CHARADES) as arrays:
        contents = {name: arrays[name] for name in arrays.files}
    for key, change in changes.items():
        contents[key] = change(contents[key])
    np.savez(tmp_path / "altered.npz", **contents)
    return GoldenFile(tmp_path / "altered.npz", torch.float64)


@needs_golden
def test_figures_changed_by_a_hundred_thousandth_are_noticed_and_no_others(tmp_path):
    keys = {
        "feats",
        "eval/nms/2/3",
        "eval/metric/R@5,IoU@0.5",
        "train/loss_sent",
        "train/grad/featpool.conv.weight",
        "train/grad_norm",
        "train/state_after_step/text_encoder.fc_out1.weight",
        "train/state_after_step/proposal_conv.bn.2.running_var",
    }
    golden = altered(tmp_path, dict.fromkeys(keys, lambda array: array * (1 + 1e-5)))
    assert {figure.name for figure in check_mmn(golden) if figure.error > 1e-6} == keys


@needs_golden
@pytest.mark.parametrize(
    ("key", "change"),
    [
        pytest.param("train/loss_vid", lambda array: array * np.nan, id="not a number"),
        pytest.param("mask2d", lambda array: array[:-1], id="another shape"),
    ],
)
def test_unequal_kinds_are_infinitely_wrong(tmp_path, key, change):
    golden = altered(tmp_path, {key: change})
    assert golden.compare("any", key, np.zeros((16, 16)) if key == "mask2d" else 0.0).error == float("inf")


@needs_golden
def test_missing_parts_are_named(tmp_path):
    golden = altered(tmp_path, {"config": lambda array: np.array(str(array).replace('"conv_layers"', '"layers"'))})
    with pytest.raises(InputError, match=r"altered\.npz: config: expected a key conv_layers, found none"):
        check_mmn(golden)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 broken"])
def test_refuses_what_is_not_an_npz(tmp_path, content):
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.npz: expected an \.npz of plain arrays"):
        GoldenFile(path, torch.float64)


def test_does_not_unpickle(tmp_path):
    np.savez(tmp_path / "pickled.npz", config=np.array([{}], dtype=object))
    with pytest.raises(InputError, match=r"expected an \.npz of plain arrays"):
        GoldenFile(tmp_path / "pickled.npz", torch.float64)


def test_needs_a_config(tmp_path):
    np.savez(tmp_path / "empty.npz", feats=np.zeros(3))
    with pytest.raises(InputError, match="expected an array config, found none"):
        GoldenFile(tmp_path / "empty.npz", torch.float64)
