import json
from pathlib import Path

import numpy as np
import pytest
import torch

from golden.file import GoldenFile
from golden.tube_mmn import check_tube_mmn, decode_tubes
from temporal.mmn.moment_map import moment_map_mask

GOLDEN = Path(__file__).resolve().parents[3].parent / "shared" / "golden" / "tube_mmn.npz"
needs_golden = pytest.mark.skipif(not GOLDEN.is_file(), reason="no ../shared/golden beside the repository")


@needs_golden
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float64, 1e-7), (torch.float32, 2e-3)])
def test_every_figure_agrees(dtype, allowed):
    figures = check_tube_mmn(GoldenFile(GOLDEN, dtype))
    assert {figure.name for figure in figures if not figure.error <= allowed} == set()
    assert {"targets", "decoding", "loss_vid", "loss_sent", "gradients", "step"} < {f.quantity for f in figures}


@needs_golden
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


def official_decoding(iou, contrastive, lengths):
    """Take the highest cell, masked ones included at 0, until one has frames, as the official retry loop does."""
    num_clips = iou.shape[1]
    scores = iou * contrastive
    while True:
        tube, i, j = np.unravel_index(scores.argmax(), scores.shape)
        start, stop = (round(k / num_clips * lengths[tube]) for k in (i, j + 1))
        if start < stop:
            return int(tube), start, stop
        scores[tube, i, j] = -1


def standing(start, length):
    """Return a tube (T, 5) of someone who stands."""
    return np.column_stack([np.arange(start, start + length), np.tile([1.0, 2.0, 30.0, 40.0], (length, 1))])


def decoded(iou, contrastive, mask, lengths):
    """Return the index of the chosen tube and its frames, counted from the tube's first one."""
    starts = [7 * index for index in range(len(lengths))]
    answer = decode_tubes(iou, contrastive, mask, list(map(standing, starts, lengths))).tube
    return answer.tube_id, answer.span.start - starts[answer.tube_id], answer.span.stop - starts[answer.tube_id]


@pytest.mark.parametrize("sign", [1, -1], ids=["some scores positive", "all scores negative: masked zeros come first"])
@pytest.mark.parametrize("lengths", [(40, 12, 33), (3, 1, 5), (16, 16, 16)])
@pytest.mark.parametrize("seed", range(5))
def test_the_fusion_gives_the_answer_of_the_official_retry_loop(sign, lengths, seed):
    rng, mask = np.random.default_rng(seed), moment_map_mask(16, (15,))
    iou = rng.uniform(0.1, 0.9, size=(3, 16, 16)) * mask
    contrastive = rng.uniform(0.1, 0.9, size=(3, 16, 16)) * mask * sign
    assert decoded(iou, contrastive, mask, lengths) == official_decoding(iou, contrastive, lengths)


def test_lowest_index_wins_ties():
    ones = np.ones((2, 4, 4))
    assert decoded(ones, ones, moment_map_mask(4, (3,)), (8, 8)) == (0, 0, 2)
