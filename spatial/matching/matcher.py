"""The spatial stage: an MMN over the candidate tubes of a video, its training items and its answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spatial.matching.losses import lay_out_videos, tube_losses
from spatial.matching.targets import tube_targets
from stvg.interfaces import PreparedVideo
from stvg.types import Annotation, Query, Tube, TubeMap
from temporal.mmn.clip_features import average_clips
from temporal.mmn.losses import LossConfig, Losses
from temporal.mmn.moment_map import cell_spans_frames, moment_cells
from temporal.mmn.network import MMN, cosines, iou_scores
from temporal.mmn.text_cache import SentenceSource
from temporal.sequences import tube_rows
from temporal.training.clip_store import Keep, keep_in_memory
from temporal.training.embedder import BatchEmbedder


@dataclass(frozen=True, slots=True, eq=False)
class TubeItem:
    """The Q sentences of a training video with M >= 1 tubes.

    `read_clips` gives the tubes' clips (M, P, D); `ious` (Q, M, K) are the targets.
    """

    texts: tuple[str, ...]
    num_maps: int
    read_clips: Callable[[], Tensor]
    ious: Tensor


def make_tube_item(
    annotations: Sequence[Annotation],
    video: PreparedVideo,
    num_clips: int,
    mask: Tensor,
    keep: Keep = keep_in_memory,
) -> TubeItem | None:
    """Return the training item of one video's annotated sentences, None without tubes.

    `mask` is the network's; `keep` takes the clips over.
    """
    if not video.tubes:
        return None
    targets = [[tube_targets(tube, one.tube, len(mask)) for tube in video.tubes] for one in annotations]
    ious = torch.tensor(np.array(targets), dtype=torch.float32)[..., mask]
    read_clips = keep(tube_clips(video, num_clips))
    return TubeItem(tuple(one.query.text for one in annotations), len(video.tubes), read_clips, ious)


def tube_clips(video: PreparedVideo, num_clips: int) -> Tensor:
    """Return the features of the video's tubes, normalised and averaged to (M, P, D) float32."""
    clips = [average_clips(rows, num_clips, clamp=False) for rows in tube_rows(video)]
    return torch.from_numpy(np.stack(clips))


class TubeLoss:
    """MMN-STVG's losses over a batch of videos, each with any number of sentences (there: one)."""

    def __init__(self, embed: BatchEmbedder, config: LossConfig) -> None:
        self.embed = embed
        self.config = config

    def __call__(self, batch: Sequence[TubeItem]) -> Losses:
        """Return the losses of a batch."""
        embeddings = self.embed(batch)
        contrastive = cosines(embeddings.queries.contrastive, embeddings.maps.contrastive)
        iou = cosines(embeddings.queries.iou, embeddings.maps.iou)
        ious, own = lay_out_videos([item.ious.to(iou.device) for item in batch])
        return tube_losses(contrastive, iou, ious, own, self.config)


class MMNTubeMatcher:
    """stvg.interfaces.TubeMatcher with a trained network; `num_clips` P is what tube features are averaged to."""

    def __init__(self, model: MMN, sentences: SentenceSource, num_clips: int) -> None:
        self.model = model.eval()
        self.sentences = sentences
        self.num_clips = num_clips

    @torch.inference_mode()
    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return each tube's map per query; cells that round to no frame are left out."""
        if not video.tubes:
            return [()] * len(queries)
        embeddings = self.model(tube_clips(video, self.num_clips), self.sentences([query.text for query in queries]))
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
