"""Training items of the temporal stage and their loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stvg.types import Annotation, PreparedVideo
from temporal.mmn.losses import LossConfig, Losses, loss_iou, mmn_losses
from temporal.mmn.moment_map import moment_ious
from temporal.mmn.network import cosines
from temporal.sequences import Streams
from temporal.training.clip_store import Keep, keep_in_memory
from temporal.training.embedder import BatchEmbedder, same_video


@dataclass(frozen=True, slots=True, eq=False)
class MomentItem:
    """The Q training sentences of a video with S streams, the sentence q being told by the stream `described[q]`.

    `read_clips` gives the streams (S, P, D); `described` (Q,) int64; `ious` (Q, K) is the tIoU of each cell with a
    sentence's true moment in its stream (0 in all others); `moments` (Q, 2) are the moments in shares of the video.
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
    streams: Streams,
    mask: Tensor,
    keep: Keep = keep_in_memory,
) -> MomentItem | None:
    """Return the training item of one video's annotated sentences.

    `mask` (N, N) is the network's; `keep` takes the streams over.

    Sentences whose person no stream shows are left out; None where none is left.
    """
    described = [(one, streams.described(one, video)) for one in annotations]
    shown = [(one, stream) for one, stream in described if stream is not None]
    if not shown:
        return None
    made = torch.from_numpy(streams(video))
    spans = [[one.tube.span.start, one.tube.span.stop] for one, _ in shown]
    moments = np.array(spans, dtype=np.float64) / video.meta.num_frames
    return MomentItem(
        texts=tuple(one.query.text for one, _ in shown),
        num_maps=len(made),
        read_clips=keep(made),
        described=torch.tensor([stream for _, stream in shown]),
        ious=moment_ious(moments, mask),
        moments=torch.from_numpy(moments).float(),
    )


class MomentLoss:
    """MMN's losses over a batch of videos, each with any number of sentences.

    With several streams per video each stream stands for a video of MMN: the moments of the others, be they of the
    same footage, are negatives, and the IoU branch learns 0 there. With one stream this is MMN as published.
    """

    def __init__(self, embed: BatchEmbedder, config: LossConfig) -> None:
        self.embed = embed
        self.config = config

    def __call__(self, batch: Sequence[MomentItem]) -> Losses:
        """Return the losses of a batch."""
        embeddings = self.embed(batch)
        contrastive = cosines(embeddings.queries.contrastive, embeddings.maps.contrastive)
        iou = cosines(embeddings.queries.iou, embeddings.maps.iou)
        own = same_video([len(item.texts) for item in batch], [item.num_maps for item in batch]).to(iou.device)
        firsts = np.cumsum([0, *(item.num_maps for item in batch)])[:-1]
        described = torch.cat([item.described + int(first) for item, first in zip(batch, firsts, strict=True)])
        described = described.to(iou.device)
        ious = torch.cat([item.ious for item in batch]).to(iou.device)
        moments = torch.cat([item.moments for item in batch]).to(iou.device)
        losses = mmn_losses(contrastive, iou, ious, described, moments, self.config)
        query, stream = own.nonzero(as_tuple=True)
        targets = ious[query] * (stream == described[query])[:, None]
        return replace(losses, iou=loss_iou(iou[own], targets, self.config.min_iou, self.config.max_iou))
