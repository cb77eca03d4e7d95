"""Paraphrases of training items: other texts, all else shared, and the training draws them."""

from dataclasses import replace

import pytest
import torch

from stvg.config import load_config
from stvg.recipe.schema import Recipe
from stvg.training.paraphrased_items import make_paraphrases
from stvg.training.stages import train_temporal
from temporal.mmn.text_cache import CachedVectors
from temporal.mmn.text_encoder import TextTokenizer
from temporal.training.moment_items import MomentItem


@pytest.fixture(autouse=True)
def few_words(monkeypatch):
    """The encoder's whole vocabulary would take half a minute."""
    words = ["leaps", "jump", "guy", "dude", "scarlet", "reddish", "seated", "sitting", "strolls", "leftwards", "table"]
    monkeypatch.setattr(TextTokenizer, "words", lambda tokenizer: words)


@pytest.fixture
def recipe(road, tmp_path):
    more = [
        "temporal.training.rewordings=2",
        "temporal.training.epochs=2",
        "temporal.training.frozen_text_epochs=2",
        "temporal.training.validate_from=2",
    ]
    return load_config(Recipe, road.config, [f"data.root={road.world}", f"output.root={road.out}", *more])


@pytest.fixture
def item():
    return MomentItem(
        ("The man in red jumps.", "A man jumps, then sits."),
        1,
        lambda: torch.zeros(1, 4, 3),
        torch.zeros(2, dtype=torch.int64),
        torch.zeros(2, 5),
        torch.zeros(2, 2),
    )


def test_only_the_texts_differ(recipe, item):
    stage = replace(recipe.temporal, training=replace(recipe.temporal.training, reworded_share=1.0))
    (versions,) = make_paraphrases(stage, [item], seed=0)
    assert len(versions) == 2
    for version in versions:
        assert len(version.texts) == 2
        assert set(version.texts).isdisjoint(item.texts)
        assert version.described is item.described
        assert version.read_clips is item.read_clips
    again, other = (make_paraphrases(stage, [item], seed=seed)[0] for seed in (0, 1))
    assert [version.texts for version in again] == [version.texts for version in versions]
    assert [version.texts for version in other] != [version.texts for version in versions]


def test_none_where_none_is_asked_for(recipe, item):
    stage = replace(recipe.temporal, training=replace(recipe.temporal.training, rewordings=0))
    assert make_paraphrases(stage, [item, item], seed=0) == [[], []]


def test_training_hears_them(recipe, monkeypatch):
    heard, run = [], []

    def watched(given, *_, **__):
        run.append(given)
        given.loss([version for versions in given.versions() for version in versions])

    encode = CachedVectors.encode
    monkeypatch.setattr(CachedVectors, "encode", lambda self, texts: (heard.extend(texts), encode(self, texts))[1])
    monkeypatch.setattr("stvg.training.stages.train", watched)
    train_temporal(recipe)
    (given,) = run
    said = [text for versions in given.versions() for version in versions for text in version.texts]
    assert [len(versions) for versions in given.versions()] == [2] * len(given.items())
    assert set(said) - {text for item in given.items() for text in item.texts}
    assert set(said) <= set(heard)
