"""Training items and loss of the tube matcher."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spatial.matching.matcher import tube_clips
from spatial.matching.tube_losses import lay_out_videos, tube_losses
from spatial.matching.tube_targets import tube_targets
from stvg.types import Annotation, PreparedVideo
from temporal.mmn.losses import LossConfig, Losses
from temporal.mmn.network import cosines
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
    annotations: Sequence[Annotation], video: PreparedVideo, num_clips: int, mask: Tensor, keep: Keep = keep_in_memory
) -> TubeItem | None:
    """Return the training item of one video's annotated sentences, None without tubes.

    `mask` (N, N) is the network's; `keep` stores the clips.
    """
    if not video.tubes:
        return None
    targets = [[tube_targets(tube, one.tube, len(mask)) for tube in video.tubes] for one in annotations]
    ious = torch.tensor(np.array(targets), dtype=torch.float32)[..., mask]
    read_clips = keep(tube_clips(video, num_clips))
    return TubeItem(tuple(one.query.text for one in annotations), len(video.tubes), read_clips, ious)


class TubeLoss:
    """MMN-STVG's losses over a batch of videos, each with any number of sentences (in MMN-STVG: one)."""

    def __init__(self, embedder: BatchEmbedder, config: LossConfig) -> None:
        self.embedder = embedder
        self.config = config

    def of(self, batch: Sequence[TubeItem]) -> Losses:
        """Return the losses of a batch."""
        embeddings = self.embedder.embed(batch)
        contrastive = cosines(embeddings.queries.contrastive, embeddings.maps.contrastive)
        iou = cosines(embeddings.queries.iou, embeddings.maps.iou)
        ious, own = lay_out_videos([item.ious.to(iou.device) for item in batch])
        return tube_losses(contrastive, iou, ious, own, self.config)
