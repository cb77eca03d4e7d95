"""Spatial stage: scores of tubes and their spans from a trained MMN."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from stvg.types import PreparedVideo, Query, Tube, TubeMap
from temporal.mmn.clip_features import average_clips
from temporal.mmn.moment_map import cell_spans_frames, moment_cells
from temporal.mmn.network import MMN, cosines, iou_scores
from temporal.mmn.text_cache import SentenceSource
from temporal.sequences import tube_rows


def tube_clips(video: PreparedVideo, num_clips: int) -> Tensor:
    """Return the features of the video's tubes, normalised and averaged to (M, P, D) float32."""
    clips = [average_clips(rows, num_clips, clamp=False) for rows in tube_rows(video)]
    return torch.from_numpy(np.stack(clips))


class MMNTubeMatcher:
    """stvg.interfaces.TubeMatcher with a trained network."""

    def __init__(self, model: MMN, sentences: SentenceSource) -> None:
        self.model = model.eval()
        self.sentences = sentences

    @torch.inference_mode()
    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return each tube's map per query; cells that round to no frame are left out."""
        if not video.tubes:
            return [()] * len(queries)
        clips = tube_clips(video, self.model.num_pre_clips)
        embeddings = self.model(clips, self.sentences.encode([query.text for query in queries]))
        contrastive = cosines(embeddings.queries.contrastive, embeddings.maps.contrastive).clamp(-1, 1).cpu()
        iou = iou_scores(cosines(embeddings.queries.iou, embeddings.maps.iou)).cpu()
        answers = []
        for own in zip(iou, contrastive, strict=True):
            maps = (self._map(tube, *scores) for tube, *scores in zip(video.tubes, *own, strict=True))
            answers.append(tuple(maps))
        return answers

    def _map(self, tube: Tube, iou: Tensor, contrastive: Tensor) -> TubeMap:
        mask = self.model.mask
        spans = cell_spans_frames(moment_cells(mask.cpu().numpy()), len(mask), tube.span.length)
        filled = spans[:, 1] > spans[:, 0]
        return TubeMap(tube.tube_id, spans[filled] + tube.start_frame, iou.numpy()[filled], contrastive.numpy()[filled])
