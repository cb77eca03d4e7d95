"""The temporal stage: an MMN over the moments of a video, its training items and its answers."""

from collections.abc import Sequence

import torch
from torch import Tensor

from stvg.types import MomentMap, PreparedVideo, Query
from temporal.mmn.moment_map import cell_spans_frames, moment_cells
from temporal.mmn.network import MMN, cosines, iou_scores
from temporal.mmn.text_cache import SentenceSource
from temporal.sequences import Streams


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
