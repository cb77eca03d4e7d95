import math

import pytest
import torch

from spatial.tube_losses import tube_loss_sent, tube_loss_vid, tube_losses
from temporal.losses import LossConfig, loss_iou

TAU, MARGIN, CELLS = 0.1, 0.4, 5


def batch(kind, seed=0):
    """Return cosines (V, T, K), ious (T, K) and video_of_tube of 3 videos with 3, 1 and 2 tubes."""
    generator = torch.Generator().manual_seed(seed)
    cosines = torch.rand(3, 6, CELLS, generator=generator, dtype=torch.float64) * 2 - 1
    ious = torch.rand(6, CELLS, generator=generator, dtype=torch.float64)
    if kind == "low":
        ious *= 0.4
    if kind == "ties":
        ious = (ious * 3).round() / 3
    if kind == "hopeless video":
        ious[4:] = 0
    return cosines, ious, torch.tensor([0, 0, 0, 1, 2, 2])


def naive_positive(ious, tubes):
    best = (-1.0, 0, 0)
    for tube in tubes:
        for cell in range(CELLS):
            if ious[tube][cell] > best[0]:
                best = (ious[tube][cell], tube, cell)
    return best


def videos_with_tubes(video_of_tube, ious, mode):
    """Yield each video that counts in this mode, and its tubes."""
    for video in range(3):
        tubes = [tube for tube, owner in enumerate(video_of_tube.tolist()) if owner == video]
        if mode == "match" or naive_positive(ious, tubes)[0] > 0:
            yield video, tubes


def naive_vid(cosines, ious, video_of_tube, mode):
    cosines, ious, terms = cosines.tolist(), ious.tolist(), []
    for video, tubes in videos_with_tubes(video_of_tube, ious, mode):
        _, tube, cell = naive_positive(ious, tubes)
        logits = [(cosines[other][tube][cell] - MARGIN * (other == video)) / TAU for other in range(3)]
        terms.append(math.log(sum(math.exp(logit) for logit in logits)) - logits[video])
    return sum(terms) / len(terms)


def naive_sent(cosines, ious, video_of_tube, negative, mode):
    cosines, ious, terms = cosines.tolist(), ious.tolist(), []
    for video, tubes in videos_with_tubes(video_of_tube, ious, mode):
        best, positive_tube, positive_cell = naive_positive(ious, tubes)
        positive = (cosines[video][positive_tube][positive_cell] - MARGIN) / TAU
        total = math.exp(positive) + 1e-6
        if mode == "match":
            for cell in range(CELLS):
                top = ious[positive_tube][cell] >= best - 1e-6
                factor = (ious[positive_tube][cell] < negative) + top
                total += math.exp((cosines[video][positive_tube][cell] * factor - MARGIN * top) / TAU)
            removed = tubes.index(positive_tube)  # counted within the video, used in the batch
            for tube in range(6):
                if tube != removed:
                    total += sum(math.exp(cosine / TAU) for cosine in cosines[video][tube])
        else:
            for tube in range(6):
                for cell in range(CELLS):
                    is_positive = (tube, cell) == (positive_tube, positive_cell)
                    if tube not in tubes or (ious[tube][cell] < negative and not is_positive):
                        total += math.exp(cosines[video][tube][cell] / TAU)
        terms.append(math.log(total) - positive)
    return sum(terms) / len(terms)


KINDS = ["plain", "low", "ties", "hopeless video"]
"""The best IoU over the threshold; below it; reached by several cells; 0 in one video."""


@pytest.mark.parametrize("mode", ["match", "corrected"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_losses_are_those_of_naive_loops(mode, kind, seed):
    cosines, ious, video_of_tube = batch(kind, seed)
    vid = tube_loss_vid(cosines, ious, video_of_tube, tau=TAU, margin=MARGIN, mode=mode)
    assert vid.item() == pytest.approx(naive_vid(cosines, ious, video_of_tube, mode), rel=1e-12)
    sent = tube_loss_sent(cosines, ious, video_of_tube, negative_iou=0.5, tau=TAU, margin=MARGIN, mode=mode)
    assert sent.item() == pytest.approx(naive_sent(cosines, ious, video_of_tube, 0.5, mode), rel=1e-12)


@pytest.mark.parametrize("mode", ["match", "corrected"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite_and_right(mode, kind):
    cosines, ious, video_of_tube = batch(kind)
    config = LossConfig(mode=mode)

    def total(values):
        return tube_losses(values, values, ious, video_of_tube, config).total(0.1)

    assert torch.autograd.gradcheck(total, cosines.clone().requires_grad_(), fast_mode=True)


def test_a_batch_without_any_positive_costs_nothing_once_corrected():
    cosines, ious, video_of_tube = batch("plain")
    cosines.requires_grad_()
    losses = tube_losses(cosines, cosines, ious * 0, video_of_tube, LossConfig(mode="corrected"))
    assert losses.vid.item() == losses.sent.item() == 0
    (losses.vid + losses.sent).backward()
    assert not cosines.grad.any()


def test_loss_iou_takes_each_tube_with_its_own_sentence():
    cosines, ious, video_of_tube = batch("plain")
    own = torch.stack([cosines[video, tube] for tube, video in enumerate(video_of_tube.tolist())])
    config = LossConfig(min_iou=0.3, max_iou=0.9)
    found = tube_losses(cosines, cosines, ious, video_of_tube, config).iou
    assert found == loss_iou(own, ious, 0.3, 0.9)
