"""Paraphrases of training items by similar words of the stage's text encoder."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np

from stvg.recipe.schema import StageConfig
from temporal.mmn.text_cache import CachedVectors
from temporal.mmn.text_encoder import load_text_backbone, load_text_tokenizer
from temporal.training.embedder import BatchItem
from temporal.training.paraphrase import near_words, reword

Item = TypeVar("Item", bound=BatchItem)


def make_paraphrases(stage: StageConfig, items: Sequence[Item], seed: int) -> list[list[Item]]:
    """Return the `training.rewordings` paraphrases of each item, drawn with `seed`.

    The encoder is the pretrained one, also where training moves it.

    Raises:
        InputError: the text encoder cannot be loaded.
    """
    config = stage.training
    if not config.rewordings:
        return [[] for _ in items]
    tokenizer = load_text_tokenizer(stage.text)
    vectors = CachedVectors(tokenizer, load_text_backbone(stage.text))
    near = near_words((text for item in items for text in item.texts), tokenizer.words(), vectors.encode)
    rng = np.random.default_rng(seed)

    def paraphrase(item: Item) -> Item:
        texts = tuple(reword(text, near, config.reworded_share, rng) for text in item.texts)
        return cast(Item, replace(cast(Any, item), texts=texts))

    return [[paraphrase(item) for _ in range(config.rewordings)] for item in items]
