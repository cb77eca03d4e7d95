"""Temporal stage: scores of candidate moments from a trained MMN."""

from collections.abc import Sequence

import torch
from torch import Tensor

from stvg.types import MomentMap, PreparedVideo, Query
from temporal.mmn.moment_map import cell_spans_frames, moment_cells
from temporal.mmn.network import MMN, cosines, iou_scores
from temporal.mmn.text_cache import SentenceSource
from temporal.sequences import ClipSequences


def _at_input_width(clips: Tensor, model: MMN) -> Tensor:
    """Return sequences (S, P, D) as they are, or the zeros (1, P, 1) of a video without tubes at the network's D."""
    return clips.expand(-1, -1, model.input_size) if clips.shape[2] == 1 else clips


class MMNLocalizer:
    """stvg.interfaces.MomentLocalizer with a trained network.

    A moment's score is that of its best sequence, (0.5 c + 0.5)^p x iou, `power` p as published: 0.5, TACoS 0.3.
    """

    def __init__(self, model: MMN, sentences: SentenceSource, sequences: ClipSequences, power: float) -> None:
        self.model = model.eval()
        self.sentences = sentences
        self.sequences = sequences
        self.power = power

    @torch.inference_mode()
    def localize(self, queries: Sequence[Query], video: PreparedVideo) -> list[MomentMap]:
        """Return one map per query; cells that round to no frame are left out."""
        clips = _at_input_width(torch.from_numpy(self.sequences.of(video)), self.model)
        embeddings = self.model(clips, self.sentences.encode([query.text for query in queries]))
        mask = self.model.mask
        contrastive = cosines(embeddings.queries.contrastive, embeddings.maps.contrastive)
        iou = iou_scores(cosines(embeddings.queries.iou, embeddings.maps.iou))
        scores = ((0.5 * contrastive + 0.5).clamp(0, 1) ** self.power * iou).amax(dim=1)
        spans = cell_spans_frames(moment_cells(mask.cpu().numpy()), len(mask), video.meta.num_frames)
        filled = spans[:, 1] > spans[:, 0]
        return [MomentMap(spans[filled], row[filled]) for row in scores.cpu().numpy()]
