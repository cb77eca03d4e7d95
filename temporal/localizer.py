"""The temporal stage: an MMN over the moments of a video, its training items and its answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stvg.interfaces import PreparedVideo
from stvg.types import Annotation, FloatArray, MomentMap, Query
from temporal.losses import LossConfig, Losses, mmn_losses
from temporal.moment_map import cell_spans_frames, moment_cells, span_iou
from temporal.network import MMN, cosines, iou_scores
from temporal.sentences import SentenceSource

Streams = Callable[[PreparedVideo], FloatArray]
"""Gives the streams of a video, (S, P, D); see temporal.streams."""


@dataclass(frozen=True, slots=True, eq=False)
class MomentItem:
    """One training sentence: `streams` (S, P, D), cells' tIoU `ious` (K,), `moment` (2,) in shares of the video."""

    text: str
    streams: Tensor
    ious: Tensor
    moment: Tensor


def make_moment_item(annotation: Annotation, video: PreparedVideo, streams: Streams, mask: Tensor) -> MomentItem:
    """Return the training item of one annotated sentence; `mask` (N, N) is the network's."""
    cells, frames = moment_cells(mask.numpy()), video.meta.num_frames
    span = np.array([annotation.tube.span.start, annotation.tube.span.stop])
    ious = span_iou((cells + np.array([0, 1])) / len(mask), span / frames)
    as_tensor = torch.tensor(ious, dtype=torch.float32)
    moment = torch.tensor(span / frames, dtype=torch.float32)
    return MomentItem(annotation.query.text, torch.from_numpy(streams(video)), as_tensor, moment)


class MomentLoss:
    """MMN's losses over a batch of videos; a moment's cosine is the best of its video's streams."""

    def __init__(self, model: MMN, sentences: SentenceSource, config: LossConfig) -> None:
        self.model = model
        self.sentences = sentences
        self.config = config

    def __call__(self, batch: Sequence[MomentItem]) -> Losses:
        """Return the losses of a batch with one sentence per video."""
        streams = torch.cat([_at_input_width(item.streams, self.model) for item in batch])
        embeddings = self.model(streams, self.sentences([item.text for item in batch]))
        video_of_stream = torch.repeat_interleave(torch.tensor([len(item.streams) for item in batch]))
        queries, maps, mask = embeddings.queries, embeddings.maps, self.model.mask
        best = [best_stream(cosines(query, moments)[..., mask], video_of_stream, len(batch))
                for query, moments in ((queries.contrastive, maps.contrastive), (queries.iou, maps.iou))]  # fmt: skip
        ious, moments = torch.stack([item.ious for item in batch]), torch.stack([item.moment for item in batch])
        return mmn_losses(best[0], best[1], ious, torch.arange(len(batch)), moments, self.config)


def _at_input_width(streams: Tensor, model: MMN) -> Tensor:
    """Return streams (S, P, D) as they are, or the zeros (1, P, 1) of a video without tubes at the network's D."""
    return streams.expand(-1, -1, model.clip_pool.conv.in_channels) if streams.shape[2] == 1 else streams


def best_stream(cosine: Tensor, video_of_stream: Tensor, num_videos: int) -> Tensor:
    """Return, for cosines (Q, S, K) of all streams, the best of each video's streams (Q, B, K).

    >>> best_stream(torch.tensor([[[0.1], [0.7], [0.2]]]), torch.tensor([0, 0, 1]), 2).flatten().tolist()
    [0.699999988079071, 0.20000000298023224]
    """
    index = video_of_stream[None, :, None].expand_as(cosine)
    lowest = cosine.new_full((cosine.shape[0], num_videos, cosine.shape[2]), -1.0)
    return lowest.scatter_reduce(1, index, cosine, "amax", include_self=False)


class MMNLocalizer:
    """stvg.interfaces.MomentLocalizer with a trained network.

    A moment's score is (0.5 c + 0.5)^p x iou, `power` p as published: 0.5, TACoS 0.3.
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
        iou = iou_scores(cosines(embeddings.queries.iou, embeddings.maps.iou), mask)
        scores = ((0.5 * contrastive + 0.5).clamp(0, 1) ** self.power * iou)[..., mask].amax(dim=1)
        spans = cell_spans_frames(moment_cells(mask.numpy()), len(mask), video.meta.num_frames)
        filled = spans[:, 1] > spans[:, 0]
        return [MomentMap(spans[filled], row[filled]) for row in scores.numpy()]
