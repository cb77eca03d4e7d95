"""Cached tokens and vectors are those of asking anew, and each sentence is read once."""

import pytest
import torch

from temporal.mmn.text_cache import CachedTokens, CachedVectors
from temporal.mmn.text_encoder import TokenBatch


class Tokenizer:
    """A sentence becomes its letters; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def tokenize(self, sentences):
        self.asked.append(list(sentences))
        width = max(map(len, sentences))
        ids = torch.zeros(len(sentences), width, dtype=torch.int64)
        for row, sentence in zip(ids, sentences, strict=True):
            row[: len(sentence)] = torch.tensor([ord(letter) for letter in sentence])
        return TokenBatch(ids, ids > 0)


class Backbone(torch.nn.Module):
    def forward(self, tokens):
        return (tokens.ids.double() * tokens.mask).sum(dim=1, keepdim=True) / tokens.mask.sum(dim=1, keepdim=True)


def test_tokens():
    tokenizer = Tokenizer()
    cached = CachedTokens(tokenizer)
    first = cached.encode(["abc", "d", "abc"])
    assert first.ids.tolist() == [[97, 98, 99], [100, 0, 0], [97, 98, 99]]
    assert first.mask.sum(dim=1).tolist() == [3, 1, 3]
    again = cached.encode(["d"])
    assert again.ids.tolist() == [[100]], "padded to the longest of these alone"
    cached.encode(["d", "ef"])
    assert tokenizer.asked == [["abc", "d"], ["ef"]]


@pytest.mark.parametrize("count", [1, 64, 65, 130])
def test_vectors(count):
    sentences = [chr(97 + k % 26) * (1 + k // 26) + chr(97 + k % 7) for k in range(count)]
    tokenizer = Tokenizer()
    cached = CachedVectors(tokenizer, Backbone())
    found = cached.encode(sentences)
    assert found.squeeze(1).tolist() == [sum(map(ord, one)) / len(one) for one in sentences]
    assert not found.requires_grad
    assert max(map(len, tokenizer.asked)) <= 64, "long lists are read in parts"
    read = sum(map(len, tokenizer.asked))
    assert cached.encode(sentences[::-1]).tolist() == found.flip(0).tolist()
    assert sum(map(len, tokenizer.asked)) == read == len(set(sentences))
