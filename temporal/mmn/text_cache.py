"""Caches of tokens and of mean token vectors of sentences."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from temporal.mmn.subject import split_subject
from temporal.mmn.text_encoder import TextBackbone, TextTokenizer, TokenBatch

_CHUNK = 64
"""Sentences that are encoded together."""


class SentenceSource(Protocol):
    """Turns sentences into the input of MMN.encode_queries."""

    def encode(self, sentences: Sequence[str]) -> TokenBatch | Tensor:
        """Return the tokens or the mean token vectors (Q, H) of Q sentences."""
        ...


class HasTexts(Protocol):
    """Anything with sentences."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Its sentences."""
        ...


def encode_all(sentences: SentenceSource, items: Iterable[HasTexts]) -> None:
    """Encode the sentences of all training items once, in their order.

    The rounding of a frozen encoder depends on the batch that a sentence is encoded in. Without this call a resumed
    training, which begins with another batch, would end with other last digits.
    """
    sentences.encode([text for item in items for text in item.texts])


class CachedTokens:
    """Tokens of each sentence, computed once; for a network with its own text backbone."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: dict[str, Tensor] = {}

    def encode(self, sentences: Sequence[str]) -> TokenBatch:
        """Return the sentences' tokens, padded to the longest."""
        new = [sentence for sentence in dict.fromkeys(sentences) if sentence not in self._ids]
        if new:
            tokens = self._tokenizer.tokenize(new)
            self._ids.update((text, ids[mask]) for text, ids, mask in zip(new, tokens.ids, tokens.mask, strict=True))
        ids = [self._ids[sentence] for sentence in sentences]
        mask = pad_sequence([torch.ones(len(row), dtype=torch.bool) for row in ids], batch_first=True)
        return TokenBatch(pad_sequence(ids, batch_first=True), mask)


class SubjectVectors:
    """The vectors of each sentence's subject beside those of the whole sentence: (Q, 2 H).

    A mean over all tokens does not tell "the man in gray hugs the man in black" from its converse.
    """

    def __init__(self, vectors: "CachedVectors") -> None:
        self.whole = vectors

    @property
    def size(self) -> int:
        """2 H, the width of a vector."""
        return 2 * self.whole.size

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """Return the sentences' vectors (Q, 2 H): of the subject, then of the sentence."""
        both = self.whole.encode([*map(split_subject, sentences), *sentences])
        return torch.cat(both.chunk(2), dim=1)


class CachedVectors:
    """Mean token vectors of each sentence from a frozen backbone, computed once; for a network without its own."""

    def __init__(self, tokenizer: TextTokenizer, backbone: TextBackbone) -> None:
        self._tokenizer = tokenizer
        self._backbone = backbone.eval()
        self._vectors: dict[str, Tensor] = {}

    @property
    def size(self) -> int:
        """H, the width of a vector."""
        return self._backbone.hidden_size

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """Return the sentences' vectors (Q, H)."""
        # Sorted by length, so that a chunk holds little padding.
        new = sorted((text for text in dict.fromkeys(sentences) if text not in self._vectors), key=len)
        for start in range(0, len(new), _CHUNK):
            chunk = new[start : start + _CHUNK]
            with torch.no_grad():
                self._vectors.update(zip(chunk, self._backbone(self._tokenizer.tokenize(chunk)), strict=True))
        return torch.stack([self._vectors[sentence] for sentence in sentences])
