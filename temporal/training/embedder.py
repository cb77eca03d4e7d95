"""Embed the maps and sentences of a training batch across ranks."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from temporal.distributed.collectives import gather_rows
from temporal.distributed.ranks import Ranks
from temporal.mmn.network import MMN, Embeddings, MapEmbeddings
from temporal.mmn.text_cache import SentenceSource
from temporal.mmn.text_encoder import QueryEmbeddings, TokenBatch
from temporal.training.config import Precision


class BatchItem(Protocol):
    """A video with its training sentences."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Its Q sentences."""
        ...

    @property
    def num_maps(self) -> int:
        """M, the number of its maps: one for each sequence or tube."""
        ...

    def read_clips(self) -> Tensor:
        """Return their averaged features (M, P, D) float32."""
        ...


class BatchEmbedder:
    """Embeds the maps and the sentences of a batch, in the order of its items.

    With several `ranks` each embeds its own share of the batch and gathers the rest from the others: all then compute
    the whole loss (see temporal.distributed). With `precision` bfloat16 the network runs under autocast; embeddings are
    returned in float32, since cosines over a temperature of 0.1 need more digits than bfloat16 has.
    """

    def __init__(self, model: MMN, sentences: SentenceSource, precision: Precision, ranks: Ranks | None = None) -> None:
        self.model = model
        self.sentences = sentences
        self.precision = precision
        self.ranks = ranks or Ranks()

    def embed(self, batch: Sequence[BatchItem]) -> Embeddings:
        """Return the embeddings of all maps (M of each item) and sentences (Q of each item) of the batch."""
        parts = [batch[share] for share in self.ranks.shares(len(batch))]
        clips, queries = self._inputs(batch, parts[self.ranks.rank])
        with torch.autocast(self.model.mask.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            own: Embeddings = self.model(clips, queries)
        maps = [sum(item.num_maps for item in part) for part in parts]
        texts = [sum(len(item.texts) for item in part) for part in parts]
        return Embeddings(
            maps=MapEmbeddings(self._gather(own.maps.contrastive, maps), self._gather(own.maps.iou, maps)),
            queries=QueryEmbeddings(self._gather(own.queries.contrastive, texts), self._gather(own.queries.iou, texts)),
        )

    def _inputs(self, batch: Sequence[BatchItem], part: Sequence[BatchItem]) -> tuple[Tensor, TokenBatch | Tensor]:
        """Return the clips and sentences of a rank's `part`; zero rows of the right width if it is empty."""
        if not part:
            widths = self.model.query_heads.norm.weight
            return batch[0].read_clips()[:0], widths.new_zeros(0, len(widths))
        texts = [text for item in part for text in item.texts]
        return torch.cat([item.read_clips() for item in part]), self.sentences.encode(texts)

    def _gather(self, local: Tensor, counts: Sequence[int]) -> Tensor:
        exact = local.float() if self.precision == "bfloat16" else local
        return gather_rows(exact, counts, self.ranks)


def same_video(sentences: Sequence[int], maps: Sequence[int]) -> Tensor:
    """Return (Q, M) bool, whether a sentence and a map of a batch belong to one video; arguments are counts per video.

    >>> same_video([2, 1], [1, 2]).int().tolist()
    [[1, 0, 0], [1, 0, 0], [0, 1, 1]]
    """
    of_sentence, of_map = (torch.repeat_interleave(torch.tensor(counts)) for counts in (sentences, maps))
    return of_sentence[:, None] == of_map
