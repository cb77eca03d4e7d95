"""What several tests of the command lines need."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "man", "woman", "walks", "sits", "down"]


@pytest.fixture(scope="session")
def tiny_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny DistilBERT with its tokenizer, as save_pretrained leaves them."""
    import torch
    from transformers import BertTokenizerFast, DistilBertConfig, DistilBertModel

    folder: Path = tmp_path_factory.mktemp("text")
    config = DistilBertConfig(vocab_size=11, dim=8, n_layers=1, n_heads=2, hidden_dim=8, max_position_embeddings=12)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        DistilBertModel(config).save_pretrained(folder)
    BertTokenizerFast(vocab={word: index for index, word in enumerate(WORDS)}).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def numbered_text() -> Callable[[Path, dict[str, Any], Iterable[int]], str]:
    """Makes a DistilBERT of given sizes whose word "w40" has the token id 40, for sentences given as token ids.

    Arguments: the folder, the sizes, and the ids of all words that are used; [CLS] is 1 and [SEP] is 2.
    """

    def make(folder: Path, bert: dict[str, Any], used: Iterable[int]) -> str:
        from transformers import BertTokenizerFast, DistilBertConfig, DistilBertModel

        DistilBertModel(DistilBertConfig(**bert)).save_pretrained(folder)
        words = {0: "[PAD]", 1: "[CLS]", 2: "[SEP]", **{one: f"w{one}" for one in used}}
        free = [one for one in range(bert["vocab_size"]) if one not in words]
        words |= {free[0]: "[UNK]", free[1]: "[MASK]", **{one: f"w{one}" for one in free[2:]}}
        BertTokenizerFast(vocab={word: one for one, word in words.items()}).save_pretrained(folder)
        return str(folder)

    return make
