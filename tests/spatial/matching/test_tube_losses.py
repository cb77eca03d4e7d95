import math

import pytest
import torch

from spatial.matching.tube_losses import lay_out_videos, tube_loss_sent, tube_loss_vid, tube_losses
from temporal.mmn.losses import LossConfig, loss_iou

TAU, MARGIN, CELLS = 0.1, 0.4, 5


VIDEO_OF_QUERY, VIDEO_OF_TUBE = [0, 0, 1, 2], [0, 0, 0, 1, 2, 2]


def batch(kind, seed=0):
    """Return cosines (Q, T, K), ious (Q, T, K), own (Q, T) of 3 videos with 2, 1, 1 sentences and 3, 1, 2 tubes.

    In the kind "one sentence" the first sentence is left out, as in the official code.
    """
    generator = torch.Generator().manual_seed(seed)
    cosines = torch.rand(4, 6, CELLS, generator=generator, dtype=torch.float64) * 2 - 1
    ious = torch.rand(4, 6, CELLS, generator=generator, dtype=torch.float64)
    if kind == "low":
        ious *= 0.4
    if kind == "ties":
        ious = (ious * 3).round() / 3
    if kind == "hopeless video":
        ious[3] = 0
    if kind == "same moment":
        ious[1] = ious[0]
    own = torch.tensor(VIDEO_OF_QUERY)[:, None] == torch.tensor(VIDEO_OF_TUBE)
    ious = ious * own[:, :, None]
    first = 1 if kind == "one sentence" else 0
    return cosines[first:], ious[first:], own[first:]


def naive_positive(ious, tubes):
    best = (-1.0, 0, 0)
    for tube in tubes:
        for cell in range(CELLS):
            if ious[tube][cell] > best[0]:
                best = (ious[tube][cell], tube, cell)
    return best


def sentences_that_count(ious, own, mode):
    """Yield each sentence that counts in this mode, and the tubes of its video."""
    for query in range(len(own)):
        tubes = [tube for tube in range(6) if own[query][tube]]
        if mode == "match" or naive_positive(ious[query], tubes)[0] > 0:
            yield query, tubes


def naive_vid(cosines, ious, own, removal, mode, negatives):
    cosines, ious, own, terms = cosines.tolist(), ious.tolist(), own.tolist(), []
    for query, tubes in sentences_that_count(ious, own, mode):
        _, tube, cell = naive_positive(ious[query], tubes)
        total = 0.0
        for other in range(len(own)):
            logit = (cosines[other][tube][cell] - MARGIN * (other == query)) / TAU
            same_truth = ious[other][tube][cell] >= removal
            foreign = negatives == "own_video" and own[other] != own[query]
            if other == query or not (same_truth or foreign):
                total += math.exp(logit)
        terms.append(math.log(total) - (cosines[query][tube][cell] - MARGIN) / TAU)
    return sum(terms) / len(terms)


def naive_sent(cosines, ious, own, negative, mode, negatives):
    cosines, ious, own, terms = cosines.tolist(), ious.tolist(), own.tolist(), []
    for query, tubes in sentences_that_count(ious, own, mode):
        best, positive_tube, positive_cell = naive_positive(ious[query], tubes)
        positive = (cosines[query][positive_tube][positive_cell] - MARGIN) / TAU
        total = math.exp(positive) + 1e-6
        seen = tubes if negatives == "own_video" else range(6)
        if mode == "match":
            for cell in range(CELLS):
                top = ious[query][positive_tube][cell] >= best - 1e-6
                factor = (ious[query][positive_tube][cell] < negative) + top
                total += math.exp((cosines[query][positive_tube][cell] * factor - MARGIN * top) / TAU)
            removed = tubes.index(positive_tube)  # counted within the video, used in the batch
            for tube in seen:
                if tube != removed:
                    total += sum(math.exp(cosine / TAU) for cosine in cosines[query][tube])
        else:
            for tube in seen:
                for cell in range(CELLS):
                    is_positive = (tube, cell) == (positive_tube, positive_cell)
                    if tube not in tubes or (ious[query][tube][cell] < negative and not is_positive):
                        total += math.exp(cosines[query][tube][cell] / TAU)
        terms.append(math.log(total) - positive)
    return sum(terms) / len(terms)


KINDS = ["plain", "one sentence", "low", "ties", "hopeless video", "same moment"]
"""The best IoU over the threshold; as in the official code; below the threshold; reached by several cells; 0 for one
sentence; two sentences of one video with one truth."""


@pytest.mark.parametrize("mode", ["match", "corrected"])
@pytest.mark.parametrize("negatives", ["all", "own_video"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_losses_are_those_of_naive_loops(mode, negatives, kind, seed):
    cosines, ious, own = batch(kind, seed)
    options = {"margin": MARGIN, "mode": mode, "negatives": negatives}
    vid = tube_loss_vid(cosines, ious, own, LossConfig(removal_iou=0.5, tau_video=TAU, tau_sentence=9.0, **options))
    assert vid.item() == pytest.approx(naive_vid(cosines, ious, own, 0.5, mode, negatives), rel=1e-12)
    sent = tube_loss_sent(cosines, ious, own, LossConfig(negative_iou=0.5, tau_video=9.0, tau_sentence=TAU, **options))
    assert sent.item() == pytest.approx(naive_sent(cosines, ious, own, 0.5, mode, negatives), rel=1e-12)


@pytest.mark.parametrize("mode", ["match", "corrected"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite_and_right(mode, kind):
    cosines, ious, own = batch(kind)
    config = LossConfig(mode=mode)

    def total(values):
        return tube_losses(values, values, ious, own, config).total(0.1)

    assert torch.autograd.gradcheck(total, cosines.clone().requires_grad_(), fast_mode=True)


def test_a_batch_without_any_positive_costs_nothing_once_corrected():
    cosines, ious, own = batch("plain")
    cosines.requires_grad_()
    losses = tube_losses(cosines, cosines, ious * 0, own, LossConfig(mode="corrected"))
    assert losses.vid.item() == losses.sent.item() == 0
    (losses.vid + losses.sent).backward()
    assert not cosines.grad.any()


def test_loss_iou_takes_each_sentence_with_the_tubes_of_its_video():
    cosines, ious, own = batch("plain")
    pairs = [(q, t) for q in range(4) for t in range(6) if VIDEO_OF_QUERY[q] == VIDEO_OF_TUBE[t]]
    config = LossConfig(min_iou=0.3, max_iou=0.9)
    found = tube_losses(cosines, cosines, ious, own, config).iou
    expected = loss_iou(
        torch.stack([cosines[q, t] for q, t in pairs]), torch.stack([ious[q, t] for q, t in pairs]), config
    )
    assert found == expected


def test_targets_are_laid_out_by_video():
    blocks = [torch.ones(2, 1, 3), torch.full((1, 2, 3), 2.0)]
    ious, own = lay_out_videos(blocks)
    assert own.int().tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 1]]
    assert ious.sum(dim=2).tolist() == [[3, 0, 0], [3, 0, 0], [0, 6, 6]]
