import numpy as np
import pytest

from golden.tube_decoding import decode_tubes
from temporal.mmn.moment_map import moment_map_mask


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


@pytest.mark.parametrize("sign", [1, -1], ids=["some scores positive", "all scores negative: masked zeros come first"])
@pytest.mark.parametrize("lengths", [(40, 12, 33), (3, 1, 5), (16, 16, 16)])
@pytest.mark.parametrize("seed", range(5))
def test_gives_the_answer_of_the_official_retry_loop(sign, lengths, seed):
    rng, mask = np.random.default_rng(seed), moment_map_mask(16, (15,))
    iou = rng.uniform(0.1, 0.9, size=(3, 16, 16)) * mask
    contrastive = rng.uniform(0.1, 0.9, size=(3, 16, 16)) * mask * sign
    decoded = decode_tubes(iou, contrastive, mask, lengths)
    expected = official_decoding(iou, contrastive, lengths)
    assert (decoded.tube_index, decoded.part.start, decoded.part.stop) == expected


def test_lowest_index_wins_ties():
    mask, ones = moment_map_mask(4, (3,)), np.ones((2, 4, 4))
    decoded = decode_tubes(ones, ones, mask, (8, 8))
    assert (decoded.tube_index, decoded.part.start, decoded.part.stop, decoded.score) == (0, 0, 2, 1.0)


@pytest.mark.parametrize(
    ("shape", "lengths"),
    [
        pytest.param((0, 4, 4), (), id="no tube"),
        pytest.param((2, 4, 4), (5,), id="more maps than tubes"),
        pytest.param((1, 3, 3), (5,), id="maps of another size"),
    ],
)
def test_refuses(shape, lengths):
    with pytest.raises(ValueError, match="iou, contrastive: expected"):
        decode_tubes(np.zeros(shape), np.zeros(shape), moment_map_mask(4, (3,)), lengths)
