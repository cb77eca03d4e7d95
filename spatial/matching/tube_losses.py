"""Losses of the Mutual Matching Network over person tubes.

Shapes: Q sentences, T tubes of all videos, K candidate moments of a tube's map (its masked cells, row by row).
`cosines` (Q, T, K) holds every sentence against every moment; `own` (Q, T) bool says which tubes are of a sentence's
own video, at least one; `ious` (Q, T, K) are the targets of those against the sentence's truth, 0 elsewhere.

Source: atao99/MMN-STVG (tan/modeling/tan/loss.py), where each video has one sentence. Mode "match" reproduces that
code, faults included; "corrected" is without them (see tube_loss_vid, tube_loss_sent).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from temporal.mmn.losses import LOG_EPSILON, LossConfig, Losses, LossMode, loss_iou
from temporal.training.embedder import same_video

_SAME_IOU = 1e-6
"""Tolerance of the official code: cells within it of the positive's IoU are positives too."""


def lay_out_videos(ious: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return `ious` (Q, T, K) and `own` (Q, T) of a batch from the targets (Q_v, M_v, K) of each of its videos."""
    own = same_video([one.shape[0] for one in ious], [one.shape[1] for one in ious]).to(ious[0].device)
    laid_out = ious[0].new_zeros(*own.shape, ious[0].shape[2])
    laid_out[own] = torch.cat([one.flatten(0, 1) for one in ious])
    return laid_out, own


@dataclass(frozen=True, slots=True, eq=False)
class _Positives:
    """Each sentence's moment of highest IoU: `tube` (Q,) in the batch, `cell` (Q,), `iou` (Q,); `first_tube` (Q,)."""

    tube: Tensor
    cell: Tensor
    iou: Tensor
    first_tube: Tensor


def _positives(ious: Tensor, own: Tensor) -> _Positives:
    """Return the positives; of equal IoUs the first cell of the first tube."""
    iou, index = ious.masked_fill(~own[:, :, None], -torch.inf).flatten(1).max(dim=1)
    cells = ious.shape[2]
    return _Positives(tube=index // cells, cell=index % cells, iou=iou, first_tube=own.int().argmax(dim=1))


def _mean(losses: Tensor, positives: _Positives, mode: LossMode) -> Tensor:
    """Return the mean over sentences (Q,); "corrected" leaves out those whose truth no tube ever meets."""
    if mode == "match":
        return losses.mean()
    has_positive = positives.iou > 0
    return losses.masked_fill(~has_positive, 0.0).sum() / has_positive.sum().clamp(min=1)


def tube_loss_vid(cosines: Tensor, ious: Tensor, own: Tensor, config: LossConfig) -> Tensor:
    """Return the loss that tells, for each sentence's positive moment, that sentence from all of the batch.

    Cross entropy with logits cos / tau_video, `margin` taken off the own sentence. Other sentences of the same video
    whose truth the moment meets with IoU >= `removal_iou` are left out, as in MMN; with one sentence a video there are
    none.
    With `negatives` "own_video" the sentences of all other videos are left out too.
    Mode "corrected" skips sentences without any positive, that is, whose best IoU is 0.
    """
    queries = torch.arange(len(cosines), device=cosines.device)
    positives = _positives(ious, own)
    is_self = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    left_out = (config.removal_iou <= ious[:, positives.tube, positives.cell].T) & ~is_self
    if config.negatives == "own_video":
        left_out |= ~own[:, positives.tube].T
    logits = cosines[:, positives.tube, positives.cell].T
    logits = (logits - config.margin * is_self.to(logits.dtype)) / config.tau_video
    logits = logits.masked_fill(left_out, -torch.inf)
    return _mean(F.cross_entropy(logits, queries, reduction="none"), positives, config.mode)


def tube_loss_sent(cosines: Tensor, ious: Tensor, own: Tensor, config: LossConfig) -> Tensor:
    """Return the loss that tells, for each sentence, its positive moment from the moments of all tubes of the batch.

    Logits are cos / tau_sentence, `margin` taken off the positive; 1e-6 is added inside the logarithm of the sum.

    Mode "match", against the positive itself and
    - the cells of its tube, with their cosine times [IoU < negative_iou] + [IoU >= the positive's - 1e-6], `margin`
      taken off the latter: so masked cells count as exp(0), the positive counts again, doubled where its IoU is low;
    - all cells of all tubes but the one whose index in the batch is the positive's index within its own video: so from
      the second video on a wrong tube is left out; other tubes of the video are negatives whatever their IoU.

    Mode "corrected", against the positive itself, the cells of all tubes of the video with IoU < negative_iou, and all
    cells of the other videos; sentences whose best IoU is 0 are skipped.

    With `negatives` "own_video" the tubes of other videos are left out in either mode.
    """
    queries, tau = torch.arange(len(cosines), device=cosines.device), config.tau_sentence
    positives = _positives(ious, own)
    positive_logits = ((cosines[queries, positives.tube, positives.cell] - config.margin) / tau)[:, None]
    logits = cosines / tau
    if config.negatives == "own_video":
        logits = logits.masked_fill(~own[:, :, None], -torch.inf)
    if config.mode == "match":
        removed = F.one_hot(positives.tube - positives.first_tube, cosines.shape[1]).bool()
        kept = logits.masked_fill(removed[:, :, None], -torch.inf)
        others = [kept.flatten(1), _same_tube_logits(cosines, ious, positives, config) / tau]
    else:
        excluded = own[:, :, None] & (ious >= config.negative_iou)
        excluded[queries, positives.tube, positives.cell] = True
        others = [logits.masked_fill(excluded, -torch.inf).flatten(1)]
    epsilon = logits.new_full((len(cosines), 1), LOG_EPSILON)
    denominators = torch.cat([positive_logits, *others, epsilon], dim=1).logsumexp(dim=1)
    return _mean(denominators - positive_logits[:, 0], positives, config.mode)


def _same_tube_logits(cosines: Tensor, ious: Tensor, positives: _Positives, config: LossConfig) -> Tensor:
    """Return the official similarities (Q, K) of each sentence with the cells of its positive tube, before / tau."""
    queries = torch.arange(len(cosines), device=cosines.device)
    tube_ious = ious[queries, positives.tube]
    is_negative = (tube_ious < config.negative_iou).to(cosines.dtype)
    is_top = (tube_ious >= positives.iou[:, None] - _SAME_IOU).to(cosines.dtype)
    return cosines[queries, positives.tube] * (is_negative + is_top) - config.margin * is_top


def tube_losses(
    contrastive_cosines: Tensor, iou_cosines: Tensor, ious: Tensor, own: Tensor, config: LossConfig
) -> Losses:
    """Return all three losses of a batch.

    `contrastive_cosines` and `iou_cosines` (Q, T, K) come from temporal.network.cosines with the masked cells picked;
    of the latter only those with tubes of the own video count. `config.num_positives` has no part here.
    """
    return Losses(
        vid=tube_loss_vid(contrastive_cosines, ious, own, config),
        sent=tube_loss_sent(contrastive_cosines, ious, own, config),
        iou=loss_iou(iou_cosines[own], ious[own], config),
    )
