"""Losses of the Mutual Matching Network.

Shapes: Q sentences, B videos, K candidate moments of a map (its masked cells, row by row). `cosines` (Q, B, K) holds
every sentence against every moment; `video_of_query` (Q,) int64 says which video a sentence belongs to; `ious` (Q, K)
is the tIoU of a sentence's true moment with the cells of its own video.

Source: MCG-NJU/MMN (mmn/modeling/mmn/loss.py), equations 5 to 8 of arXiv 2109.04872. Mode "match" reproduces that
code, oddities included; "corrected" does what the paper says (see sentence_loss).
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from pydantic.dataclasses import dataclass as config_dataclass
from torch import Tensor

from stvg.config import STRICT, Count, NotNegative, Positive, Share
from temporal.mmn.network import IOU_SCALE

LossMode = Literal["match", "corrected"]
Negatives = Literal["all", "own_video"]

LOG_EPSILON = -13.815510557964274
"""log(1e-6), with 1e-6 the constant that the official code adds to the denominator of the sentence loss."""


@config_dataclass(frozen=True, config=STRICT)
class LossConfig:
    """Hyper-parameters of the losses; the defaults are those published for Charades-STA."""

    mode: LossMode = "match"
    """match: the official code; corrected: the paper."""
    min_iou: Share = 0.5
    """tIoU up to which the target of the IoU branch is 0."""
    max_iou: float = Field(default=1.0, gt=0, le=1)
    """tIoU from which the target of the IoU branch is 1."""
    num_positives: Count = 1
    """Positive moments per sentence: those of highest tIoU."""
    negative_iou: Share = 0.5
    """tIoU below which moments of the own video are negatives."""
    removal_iou: NotNegative = 0.5
    """IoU of two moments of a video from which their sentences are not negatives of each other."""
    tau_video: Positive = 0.1
    """Temperature of the loss over sentences."""
    tau_sentence: Positive = 0.1
    """Temperature of the loss over moments."""
    negatives: Negatives = "all"
    """own_video: no negatives from other videos, as in methods before MMN."""
    margin: NotNegative = 0.4
    """Margin subtracted from the cosine of each positive pair."""
    contrastive_weight: NotNegative = 0.05
    """Weight of both contrastive losses beside the IoU loss."""

    def __post_init__(self) -> None:
        if self.max_iou - self.min_iou < 1e-6:
            raise ValueError(f"min_iou: expected less than max_iou {self.max_iou}, got {self.min_iou}")


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """The three losses of a batch, unweighted scalars; both packages' matchers give them."""

    vid: Tensor
    sent: Tensor
    iou: Tensor

    def total(self, contrastive_weight: float) -> Tensor:
        """Return iou + weight * (vid + sent)."""
        return self.iou + contrastive_weight * (self.vid + self.sent)


def loss_iou(cosine: Tensor, ious: Tensor, config: LossConfig) -> Tensor:
    """Return the mean binary cross entropy of sigmoid(10 cos) against IoUs scaled from [min_iou, max_iou] to [0, 1].

    `cosine` and `ious` have one shape, say (Q, K): candidate moments only. Computed from the logits, which is the same
    number and also safe in low precision.
    """
    targets = ((ious - config.min_iou) / (config.max_iou - config.min_iou)).clamp(0, 1)
    return F.binary_cross_entropy_with_logits(cosine * IOU_SCALE, targets.to(cosine.dtype))


def loss_vid(cosines: Tensor, ious: Tensor, video_of_query: Tensor, moments: Tensor, config: LossConfig) -> Tensor:
    """Return the loss that tells, for a positive moment, its sentence from all sentences of the batch.

    `moments` (Q, 2) are the true start and end of each sentence. For each sentence and each of its `num_positives`
    cells of highest tIoU: cross entropy over all sentences with logits cos / tau_video, `margin` taken off the own one.
    Other sentences of the same video with moments that overlap at `removal_iou` or more are left out; with `negatives`
    "own_video" those of all other videos too. There is nothing to correct here, so this loss has one mode.
    """
    positives = ious.topk(config.num_positives, dim=1).indices
    logits = cosines[:, video_of_query[:, None], positives].permute(1, 2, 0)
    own = torch.eye(len(ious), dtype=torch.bool, device=ious.device)
    left_out = _overlapping(moments, video_of_query, config.removal_iou) & ~own
    if config.negatives == "own_video":
        left_out |= video_of_query[:, None] != video_of_query
    logits = (logits - config.margin * own[:, None].to(logits.dtype)) / config.tau_video
    logits = logits.masked_fill(left_out[:, None], -torch.inf)
    return (logits.logsumexp(dim=2) - logits.diagonal(dim1=0, dim2=2).T).mean()


def _overlapping(moments: Tensor, video_of_query: Tensor, removal_iou: float) -> Tensor:
    """Return (Q, Q) bool: both sentences are of one video and their moments have IoU >= `removal_iou`."""
    starts, ends = moments.unbind(dim=1)
    inter = (torch.minimum(ends[:, None], ends) - torch.maximum(starts[:, None], starts)).clamp(min=0)
    union = (ends - starts)[:, None] + (ends - starts) - inter
    return (video_of_query[:, None] == video_of_query) & (inter / union >= removal_iou)


def loss_sent(cosines: Tensor, ious: Tensor, video_of_query: Tensor, config: LossConfig) -> Tensor:
    """Return the loss that tells, for a sentence, its positive moments from the moments of all videos of the batch.

    Logits are cos / tau_sentence, `margin` taken off the positive; the negatives are the cells of the own video below
    `negative_iou` and, unless `negatives` is "own_video", every cell of the other videos; 1e-6 is added inside the
    logarithm of the sum.

    Mode "match": cells of the own video from `negative_iou` on count with cosine 0 (the official code multiplies by a
    mask before the exponential), and a positive below `negative_iou` is also a negative. Mode "corrected": neither.
    """
    positives = ious.topk(config.num_positives, dim=1).indices
    own = cosines[torch.arange(len(ious), device=ious.device), video_of_query]
    positive_logits = (own.gather(1, positives) - config.margin) / config.tau_sentence
    own_logits, is_overlapping = own / config.tau_sentence, ious >= config.negative_iou
    if config.mode == "match":
        own_logits = own_logits.masked_fill(is_overlapping, 0.0)
    else:
        own_logits = own_logits.masked_fill(is_overlapping, -torch.inf).scatter(1, positives, -torch.inf)
    logits = [own_logits, own_logits.new_full((len(ious), 1), LOG_EPSILON)]
    if config.negatives == "all":
        is_own = F.one_hot(video_of_query, cosines.shape[1]).bool()
        logits.append((cosines / config.tau_sentence).masked_fill(is_own[:, :, None], -torch.inf).flatten(1))
    denominators = torch.cat(logits, dim=1).logsumexp(dim=1, keepdim=True)
    return (torch.logaddexp(positive_logits, denominators) - positive_logits).mean()


def mmn_losses(
    contrastive_cosines: Tensor,
    iou_cosines: Tensor,
    ious: Tensor,
    video_of_query: Tensor,
    moments: Tensor,
    config: LossConfig,
) -> Losses:
    """Return all three losses of a batch.

    `contrastive_cosines` and `iou_cosines` (Q, B, K) come from temporal.network.cosines with the masked cells picked;
    of the latter only each sentence's own video counts.
    """
    own_iou = iou_cosines[torch.arange(len(ious), device=ious.device), video_of_query]
    return Losses(
        vid=loss_vid(contrastive_cosines, ious, video_of_query, moments, config),
        sent=loss_sent(contrastive_cosines, ious, video_of_query, config),
        iou=loss_iou(own_iou, ious, config),
    )
