"""The losses of the MMN over tubes, from cosines between all sentences and all moments of all tubes of a batch.

Shapes: V videos with one sentence each, T tubes of all videos in order, K candidate moments of a tube's map (its
masked cells, row by row). `cosines` (V, T, K) holds every sentence against every moment; `video_of_tube` (T,) int64
is sorted and names every video; `ious` (T, K) are the tubes' targets against the truth of their own video.

Source: atao99/MMN-STVG (tan/modeling/tan/loss.py). Mode "match" reproduces that code, faults included; "corrected" is
without them (see tube_loss_vid, tube_loss_sent).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from temporal.losses import LOG_EPSILON, LossConfig, Losses, LossMode, loss_iou

_SAME_IOU = 1e-6
"""Cells whose IoU is less than this below the positive's are further positives in the official code."""


@dataclass(frozen=True, slots=True, eq=False)
class _Positives:
    """Each video's moment of highest IoU: `tube` (V,) in the batch, `cell` (V,), `iou` (V,); `first_tube` (V,)."""

    tube: Tensor
    cell: Tensor
    iou: Tensor
    first_tube: Tensor


def _positives(ious: Tensor, video_of_tube: Tensor, num_videos: int) -> _Positives:
    """Return the positives; of equal IoUs the first cell of the first tube."""
    own = F.one_hot(video_of_tube, num_videos).T.bool()
    flat = ious.expand(num_videos, -1, -1).masked_fill(~own[:, :, None], -torch.inf).flatten(1)
    iou, index = flat.max(dim=1)
    cells = ious.shape[1]
    return _Positives(tube=index // cells, cell=index % cells, iou=iou, first_tube=own.int().argmax(dim=1))


def _mean(losses: Tensor, positives: _Positives, mode: LossMode) -> Tensor:
    """Return the mean over videos (V,); "corrected" leaves out those in which no tube ever meets the truth."""
    if mode == "match":
        return losses.mean()
    has_positive = positives.iou > 0
    return losses.masked_fill(~has_positive, 0.0).sum() / has_positive.sum().clamp(min=1)


def tube_loss_vid(
    cosines: Tensor, ious: Tensor, video_of_tube: Tensor, *, tau: float, margin: float, mode: LossMode
) -> Tensor:
    """Return the loss that tells, for each video's positive moment, its sentence from all sentences of the batch.

    Cross entropy with logits cos / tau, `margin` taken off the own sentence. Mode "corrected" skips videos without any
    positive, that is, whose best IoU is 0.
    """
    videos = torch.arange(len(cosines), device=cosines.device)
    positives = _positives(ious, video_of_tube, len(cosines))
    logits = cosines[:, positives.tube, positives.cell].T
    logits = (logits - margin * torch.eye(len(cosines), dtype=logits.dtype, device=logits.device)) / tau
    return _mean(F.cross_entropy(logits, videos, reduction="none"), positives, mode)


def tube_loss_sent(
    cosines: Tensor,
    ious: Tensor,
    video_of_tube: Tensor,
    *,
    negative_iou: float,
    tau: float,
    margin: float,
    mode: LossMode,
) -> Tensor:
    """Return the loss that tells, for each sentence, its positive moment from the moments of all tubes of the batch.

    Logits are cos / tau, `margin` taken off the positive; 1e-6 is added inside the logarithm of the sum.

    Mode "match", against the positive itself and
    - the cells of its tube, with their cosine times [IoU < negative_iou] + [IoU >= the positive's - 1e-6], `margin`
      taken off the latter: so masked cells count as exp(0), the positive counts again, doubled where its IoU is low;
    - all cells of all tubes but the one whose index in the batch is the positive's index within its own video: so from
      the second video on a wrong tube is left out; other tubes of the video are negatives whatever their IoU.

    Mode "corrected", against the positive itself, the cells of all tubes of the video with IoU < negative_iou, and all
    cells of the other videos; videos whose best IoU is 0 are skipped.
    """
    num_videos, num_tubes, _ = cosines.shape
    videos = torch.arange(num_videos, device=cosines.device)
    positives = _positives(ious, video_of_tube, num_videos)
    positive_logits = ((cosines[videos, positives.tube, positives.cell] - margin) / tau)[:, None]
    logits = cosines / tau
    if mode == "match":
        removed = F.one_hot(positives.tube - positives.first_tube, num_tubes).bool()
        others = logits.masked_fill(removed[:, :, None], -torch.inf)
        negatives = [others.flatten(1), _same_tube_logits(cosines, ious, positives, negative_iou, margin) / tau]
    else:
        own = F.one_hot(video_of_tube, num_videos).T.bool()
        excluded = own[:, :, None] & (ious >= negative_iou)
        excluded[videos, positives.tube, positives.cell] = True
        negatives = [logits.masked_fill(excluded, -torch.inf).flatten(1)]
    epsilon = logits.new_full((num_videos, 1), LOG_EPSILON)
    denominators = torch.cat([positive_logits, *negatives, epsilon], dim=1).logsumexp(dim=1)
    return _mean(denominators - positive_logits[:, 0], positives, mode)


def _same_tube_logits(
    cosines: Tensor, ious: Tensor, positives: _Positives, negative_iou: float, margin: float
) -> Tensor:
    """Return the official similarities (V, K) of each sentence with the cells of its positive tube, before / tau."""
    videos = torch.arange(len(cosines), device=cosines.device)
    tube_ious = ious[positives.tube]
    is_negative = (tube_ious < negative_iou).to(cosines.dtype)
    is_top = (tube_ious >= positives.iou[:, None] - _SAME_IOU).to(cosines.dtype)
    return cosines[videos, positives.tube] * (is_negative + is_top) - margin * is_top


def tube_losses(
    contrastive_cosines: Tensor, iou_cosines: Tensor, ious: Tensor, video_of_tube: Tensor, config: LossConfig
) -> Losses:
    """Return all three losses of a batch.

    `contrastive_cosines` and `iou_cosines` (V, T, K) come from temporal.network.cosines with the masked cells picked;
    of the latter only each tube's own sentence counts. `config.num_positives` and `removal_iou` have no part here.
    """
    own_iou = iou_cosines[video_of_tube, torch.arange(len(ious), device=ious.device)]
    return Losses(
        vid=tube_loss_vid(
            contrastive_cosines,
            ious,
            video_of_tube,
            tau=config.tau_video,
            margin=config.margin,
            mode=config.mode,
        ),
        sent=tube_loss_sent(
            contrastive_cosines,
            ious,
            video_of_tube,
            negative_iou=config.negative_iou,
            tau=config.tau_sentence,
            margin=config.margin,
            mode=config.mode,
        ),
        iou=loss_iou(own_iou, ious, config.min_iou, config.max_iou),
    )
