import math

import pytest
import torch

from temporal.mmn.losses import LossConfig, loss_iou, loss_sent, loss_vid, mmn_losses

TAU, MARGIN = 0.1, 0.3


def batch(seed=0, spread=1.0):
    """Return cosines (Q, B, K), ious (Q, K), video_of_query and moments of 3 videos with 2, 1 and 3 sentences."""
    generator = torch.Generator().manual_seed(seed)
    video_of_query = torch.tensor([0, 0, 1, 2, 2, 2])
    cosines = torch.rand(6, 3, 7, generator=generator, dtype=torch.float64) * 2 * spread - spread
    ious = torch.rand(6, 7, generator=generator, dtype=torch.float64)
    ious[5] *= 0.4  # a sentence whose best cell is below every threshold
    starts = torch.rand(6, generator=generator, dtype=torch.float64) * 4
    lengths = torch.tensor([3.0, 3.5, 2.0, 5.0, 4.0, 0.5], dtype=torch.float64)
    moments = torch.stack([starts, starts + lengths], dim=1)
    moments[4] = moments[3] + 0.1
    return cosines, ious, video_of_query, moments


def top_cells(row, number):
    return sorted(range(len(row)), key=lambda cell: -row[cell])[:number]


def moment_iou(a, b):
    inter = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return inter / ((a[1] - a[0]) + (b[1] - b[0]) - inter)


def naive_vid(cosines, ious, video_of_query, moments, top, removal, negatives):
    terms = []
    cosines, ious, moments = cosines.tolist(), ious.tolist(), moments.tolist()
    for query, video in enumerate(video_of_query.tolist()):
        for cell in top_cells(ious[query], top):
            total = 0.0
            for other, other_video in enumerate(video_of_query.tolist()):
                logit = (cosines[other][video][cell] - MARGIN * (other == query)) / TAU
                overlapping = other_video == video and moment_iou(moments[query], moments[other]) >= removal
                foreign = negatives == "own_video" and other_video != video
                if other == query or not (overlapping or foreign):
                    total += math.exp(logit)
            terms.append(math.log(total) - (cosines[query][video][cell] - MARGIN) / TAU)
    return sum(terms) / len(terms)


def naive_sent(cosines, ious, video_of_query, top, negative, mode, negatives):
    terms = []
    cosines, ious = cosines.tolist(), ious.tolist()
    for query, video in enumerate(video_of_query.tolist()):
        positives = top_cells(ious[query], top)
        for positive in positives:
            logit = (cosines[query][video][positive] - MARGIN) / TAU
            total = math.exp(logit)
            for other in range(len(cosines[query])):
                for cell, cosine in enumerate(cosines[query][other]):
                    if other != video and negatives == "own_video":
                        continue
                    if other != video:
                        total += math.exp(cosine / TAU)
                    elif mode == "match":
                        total += math.exp(cosine * (ious[query][cell] < negative) / TAU)
                    elif ious[query][cell] < negative and cell not in positives:
                        total += math.exp(cosine / TAU)
            terms.append(math.log(total + 1e-6) - logit)
    return sum(terms) / len(terms)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("top", [1, 3])
@pytest.mark.parametrize("removal", [0.2, 0.5, 1.1])
@pytest.mark.parametrize("negatives", ["all", "own_video"])
def test_loss_vid_is_that_of_naive_loops(seed, top, removal, negatives):
    given = batch(seed)
    config = LossConfig(
        num_positives=top, removal_iou=removal, tau_video=TAU, tau_sentence=9.0, margin=MARGIN, negatives=negatives
    )
    found = loss_vid(*given, config)
    assert found.item() == pytest.approx(naive_vid(*given, top, removal, negatives), rel=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("top", [1, 3])
@pytest.mark.parametrize("mode", ["match", "corrected"])
@pytest.mark.parametrize("spread", [1.0, 0.01])
@pytest.mark.parametrize("negatives", ["all", "own_video"])
def test_loss_sent_is_that_of_naive_loops(seed, top, mode, spread, negatives):
    given = batch(seed, spread)[:3]
    config = LossConfig(
        mode=mode,
        num_positives=top,
        negative_iou=0.5,
        tau_video=9.0,
        tau_sentence=TAU,
        margin=MARGIN,
        negatives=negatives,
    )
    found = loss_sent(*given, config)
    assert found.item() == pytest.approx(naive_sent(*given, top, 0.5, mode, negatives), rel=1e-12)


def test_the_modes_differ_only_in_the_own_video():
    cosines, ious, video_of_query, _ = batch()
    ious = ious * 0.0 + torch.linspace(0, 0.4, 7, dtype=torch.float64)  # nothing reaches the negative threshold
    options = {"num_positives": 1, "negative_iou": 0.5, "tau_sentence": TAU, "margin": MARGIN}
    match, corrected = (
        loss_sent(cosines, ious, video_of_query, LossConfig(mode=mode, **options)) for mode in ("match", "corrected")
    )
    assert corrected < match  # the positive is a negative too in the official code


@pytest.mark.parametrize("mode", ["match", "corrected"])
def test_gradients_are_finite_and_right(mode):
    cosines, ious, video_of_query, moments = batch()
    config = LossConfig(mode=mode, num_positives=2)

    def total(values):
        return mmn_losses(values, values, ious, video_of_query, moments, config).total(0.1)

    assert torch.autograd.gradcheck(total, cosines.clone().requires_grad_(), fast_mode=True)


def test_one_sentence_alone_has_no_negative_sentence():
    cosines, ious, _, moments = batch()
    config = LossConfig(num_positives=1, removal_iou=0.5, tau_video=1, margin=0)
    found = loss_vid(cosines[:1, :1], ious[:1], torch.tensor([0]), moments[:1], config)
    assert found.item() == pytest.approx(0, abs=1e-12)


def test_loss_iou_is_the_cross_entropy_of_the_scores():
    cosine = torch.tensor([[0.2, -0.4, 0.0]], dtype=torch.float64)
    ious = torch.tensor([[0.9, 0.2, 0.75]], dtype=torch.float64)
    expected = 0.0
    for value, target in zip(cosine[0].tolist(), (0.8, 0.0, 0.5), strict=True):
        score = 1 / (1 + math.exp(-10 * value))
        expected -= target * math.log(score) + (1 - target) * math.log(1 - score)
    assert loss_iou(cosine, ious, LossConfig(min_iou=0.5, max_iou=1.0)).item() == pytest.approx(expected / 3)


def test_loss_iou_counts_only_the_own_video():
    cosines, ious, video_of_query, moments = batch()
    config = LossConfig()
    before = mmn_losses(cosines, cosines, ious, video_of_query, moments, config).iou
    changed = cosines.clone()
    changed[0, 1:] = 0
    assert mmn_losses(cosines, changed, ious, video_of_query, moments, config).iou == before
