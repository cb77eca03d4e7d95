"""Training items and loss of the temporal stage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stvg.types import Annotation, PreparedVideo
from temporal.mmn.losses import LossConfig, Losses, loss_iou, mmn_losses
from temporal.mmn.moment_map import moment_ious
from temporal.mmn.network import cosines
from temporal.sequences import ClipSequences
from temporal.training.clip_store import Keep, keep_in_memory
from temporal.training.embedder import BatchEmbedder, same_video


@dataclass(frozen=True, slots=True, eq=False)
class MomentItem:
    """The Q training sentences of a video with S sequences of clips; sequence `described[q]` shows sentence q's person.

    `read_clips` gives the sequences (S, P, D); `described` (Q,) int64; `ious` (Q, K) is the tIoU of each cell with a
    sentence's true moment in that sequence (0 in all others); `moments` (Q, 2) are the moments in shares of the video.
    """

    texts: tuple[str, ...]
    num_maps: int
    read_clips: Callable[[], Tensor]
    described: Tensor
    ious: Tensor
    moments: Tensor


def make_moment_item(
    annotations: Sequence[Annotation],
    video: PreparedVideo,
    sequences: ClipSequences,
    mask: Tensor,
    keep: Keep = keep_in_memory,
) -> MomentItem | None:
    """Return the training item of one video's annotated sentences.

    Sentences whose person no sequence shows are left out; None where none is left. `mask` (N, N) is the network's;
    `keep` stores the clips.
    """
    targets = [(one, sequences.target(one, video)) for one in annotations]
    shown = [(one, target) for one, target in targets if target is not None]
    if not shown:
        return None
    clips = torch.from_numpy(sequences.of(video))
    spans = [[one.tube.span.start, one.tube.span.stop] for one, _ in shown]
    moments = np.array(spans, dtype=np.float64) / video.meta.num_frames
    return MomentItem(
        texts=tuple(one.query.text for one, _ in shown),
        num_maps=len(clips),
        read_clips=keep(clips),
        described=torch.tensor([target for _, target in shown]),
        ious=moment_ious(moments, mask),
        moments=torch.from_numpy(moments).float(),
    )


class MomentLoss:
    """MMN's losses over a batch of videos, each with any number of sentences.

    Each sequence takes the part of a video in MMN: the moments of all other sequences, also of the same video, are
    negatives, and the IoU branch learns 0 there. With one sequence per video this is MMN as published.
    """

    def __init__(self, embedder: BatchEmbedder, config: LossConfig) -> None:
        self.embedder = embedder
        self.config = config

    def of(self, batch: Sequence[MomentItem]) -> Losses:
        """Return the losses of a batch."""
        embeddings = self.embedder.embed(batch)
        contrastive = cosines(embeddings.queries.contrastive, embeddings.maps.contrastive)
        iou = cosines(embeddings.queries.iou, embeddings.maps.iou)
        own = same_video([len(item.texts) for item in batch], [item.num_maps for item in batch]).to(iou.device)
        firsts = np.cumsum([0, *(item.num_maps for item in batch)])[:-1]
        described = torch.cat([item.described + int(first) for item, first in zip(batch, firsts, strict=True)])
        described = described.to(iou.device)
        ious = torch.cat([item.ious for item in batch]).to(iou.device)
        moments = torch.cat([item.moments for item in batch]).to(iou.device)
        losses = mmn_losses(contrastive, iou, ious, described, moments, self.config)
        query, sequence = own.nonzero(as_tuple=True)
        targets = ious[query] * (sequence == described[query])[:, None]
        return replace(losses, iou=loss_iou(iou[own], targets, self.config))
