"""The temporal stage: an MMN over the moments of a video, its training items and its answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stvg.interfaces import PreparedVideo
from stvg.types import Annotation, MomentMap, Query
from temporal.losses import LossConfig, Losses, loss_iou, mmn_losses
from temporal.moment_map import cell_spans_frames, moment_cells, span_iou
from temporal.network import MMN, cosines, iou_scores
from temporal.sentences import SentenceSource
from temporal.streams import Streams


@dataclass(frozen=True, slots=True, eq=False)
class MomentItem:
    """One training sentence: `streams` (S, P, D), of which the one of number `described` shows what it tells.

    `ious` (S, K) is the tIoU of each cell with the true moment in that stream, 0 in all others; `moment` (2,) is the
    moment in shares of the video.
    """

    text: str
    streams: Tensor
    described: int
    ious: Tensor
    moment: Tensor


def make_moment_item(annotation: Annotation, video: PreparedVideo, streams: Streams, mask: Tensor) -> MomentItem | None:
    """Return the training item of one annotated sentence; `mask` (N, N) is the network's.

    None where no stream shows the described person.
    """
    described = streams.described(annotation, video)
    if described is None:
        return None
    made = torch.from_numpy(streams(video))
    cells, frames = moment_cells(mask.cpu().numpy()), video.meta.num_frames
    span = np.array([annotation.tube.span.start, annotation.tube.span.stop]) / frames
    ious = torch.zeros(len(made), len(cells))
    ious[described] = torch.from_numpy(span_iou((cells + np.array([0, 1])) / len(mask), span))
    return MomentItem(annotation.query.text, made, described, ious, torch.tensor(span, dtype=torch.float32))


class MomentLoss:
    """MMN's losses over a batch of videos with one sentence each.

    With several streams per video each stream stands for a video of MMN: the moments of the others, be they of the
    same footage, are negatives, and the IoU branch learns 0 there. With one stream this is MMN as published.
    """

    def __init__(self, model: MMN, sentences: SentenceSource, config: LossConfig) -> None:
        self.model = model
        self.sentences = sentences
        self.config = config

    def __call__(self, batch: Sequence[MomentItem]) -> Losses:
        """Return the losses of a batch."""
        streams = torch.cat([item.streams for item in batch])
        embeddings = self.model(streams, self.sentences([item.text for item in batch]))
        contrastive = cosines(embeddings.queries.contrastive, embeddings.maps.contrastive)
        iou = cosines(embeddings.queries.iou, embeddings.maps.iou)
        device = iou.device
        counts = torch.tensor([len(item.streams) for item in batch], device=device)
        described = counts.cumsum(0) - counts + torch.tensor([item.described for item in batch], device=device)
        ious = torch.cat([item.ious for item in batch]).to(device)
        moments = torch.stack([item.moment for item in batch]).to(device)
        losses = mmn_losses(contrastive, iou, ious[described], described, moments, self.config)
        own = iou[torch.repeat_interleave(counts), torch.arange(len(streams), device=device)]
        return replace(losses, iou=loss_iou(own, ious, self.config.min_iou, self.config.max_iou))


def _at_input_width(streams: Tensor, model: MMN) -> Tensor:
    """Return streams (S, P, D) as they are, or the zeros (1, P, 1) of a video without tubes at the network's D."""
    return streams.expand(-1, -1, model.clip_pool.conv.in_channels) if streams.shape[2] == 1 else streams


class MMNLocalizer:
    """stvg.interfaces.MomentLocalizer with a trained network.

    A moment's score is that of its best stream, (0.5 c + 0.5)^p x iou, `power` p as published: 0.5, TACoS 0.3.
    """

    def __init__(self, model: MMN, sentences: SentenceSource, streams: Streams, power: float) -> None:
        self.model = model.eval()
        self.sentences = sentences
        self.streams = streams
        self.power = power

    @torch.inference_mode()
    def localize(self, queries: Sequence[Query], video: PreparedVideo) -> list[MomentMap]:
        """Return one map per query; cells that round to no frame are left out."""
        streams = _at_input_width(torch.from_numpy(self.streams(video)), self.model)
        embeddings = self.model(streams, self.sentences([query.text for query in queries]))
        mask = self.model.mask
        contrastive = cosines(embeddings.queries.contrastive, embeddings.maps.contrastive)
        iou = iou_scores(cosines(embeddings.queries.iou, embeddings.maps.iou))
        scores = ((0.5 * contrastive + 0.5).clamp(0, 1) ** self.power * iou).amax(dim=1)
        spans = cell_spans_frames(moment_cells(mask.cpu().numpy()), len(mask), video.meta.num_frames)
        filled = spans[:, 1] > spans[:, 0]
        return [MomentMap(spans[filled], row[filled]) for row in scores.cpu().numpy()]
