import json
from pathlib import Path

import numpy as np
import pytest
import torch

from golden.file import GoldenFile
from golden.tube_mmn import check_tube_mmn

GOLDEN = Path(__file__).resolve().parents[3].parent / "shared" / "golden" / "tube_mmn.npz"
pytestmark = pytest.mark.skipif(not GOLDEN.is_file(), reason="no ../shared/golden beside the repository")


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float64, 1e-7), (torch.float32, 2e-3)])
def test_every_figure_agrees(dtype, allowed):
    figures = check_tube_mmn(GoldenFile(GOLDEN, dtype))
    assert {figure.name for figure in figures if not figure.error <= allowed} == set()
    assert {"targets", "decoding", "loss_vid", "loss_sent", "gradients", "step"} < {f.quantity for f in figures}


def test_changed_figures_are_noticed_and_no_others(tmp_path):
    with np.load(GOLDEN) as arrays:
        contents = {name: arrays[name] for name in arrays.files}
    results = json.loads(str(contents["eval/results_json"]))
    results["video_1"]["ed_frame"] += 1
    contents["eval/results_json"] = np.array(json.dumps(results))
    contents["train/loss_vid"] = contents["train/loss_vid"] * (1 + 1e-5)
    np.savez(tmp_path / "altered.npz", **contents)
    figures = check_tube_mmn(GoldenFile(tmp_path / "altered.npz", torch.float64))
    assert {f.name for f in figures if f.error > 1e-6} == {"eval/results_json: video_1", "train/loss_vid"}
