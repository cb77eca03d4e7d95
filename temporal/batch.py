"""From a batch of training items to embeddings: all that both losses share before the first cosine."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from temporal.network import MMN, Embeddings, MapEmbeddings
from temporal.sentences import SentenceSource

Precision = Literal["float32", "bfloat16"]


class BatchItem(Protocol):
    """A video with its training sentences."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Its Q sentences."""
        ...

    @property
    def num_maps(self) -> int:
        """How many maps it gives: its streams or tubes, M."""
        ...

    def read_clips(self) -> Tensor:
        """Return their averaged features (M, P, D) float32."""
        ...


class BatchEmbedder:
    """Embeds the maps and the sentences of a batch, in the order of its items.

    With `precision` bfloat16 the network runs under autocast; embeddings come out in float32 all the same, for cosines
    over a temperature of 0.1 need more digits than bfloat16 has.
    """

    def __init__(self, model: MMN, sentences: SentenceSource, precision: Precision = "float32") -> None:
        self.model = model
        self.sentences = sentences
        self.precision = precision

    def __call__(self, batch: Sequence[BatchItem]) -> Embeddings:
        """Return the embeddings of all maps (M of each item) and sentences (Q of each item) of the batch."""
        clips = torch.cat([item.read_clips() for item in batch])
        queries = self.sentences([text for item in batch for text in item.texts])
        if self.precision == "float32":
            embeddings: Embeddings = self.model(clips, queries)
            return embeddings
        with torch.autocast(self.model.mask.device.type, torch.bfloat16):
            half: Embeddings = self.model(clips, queries)
        return Embeddings(
            maps=MapEmbeddings(half.maps.contrastive.float(), half.maps.iou.float()),
            queries=replace(half.queries, contrastive=half.queries.contrastive.float(), iou=half.queries.iou.float()),
        )


def same_video(sentences: Sequence[int], maps: Sequence[int]) -> Tensor:
    """Return (Q, M) bool, whether a sentence and a map of a batch are of one video, from each video's numbers of both.

    >>> same_video([2, 1], [1, 2]).int().tolist()
    [[1, 0, 0], [1, 0, 0], [0, 1, 1]]
    """
    of_sentence, of_map = (torch.repeat_interleave(torch.tensor(counts)) for counts in (sentences, maps))
    return of_sentence[:, None] == of_map
