"""What several tests of the command lines need."""

from pathlib import Path

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
