"""Paraphrase sentences by similar words of the text encoder's vocabulary.

The vocabulary of a data set is small: a network that is trained on "jumps" alone need not know "leaps". A word of the
encoder's vocabulary can replace the data set's word that is most similar to it, so "scarlet" may replace "red", but
"blue" may not where captions use "blue". The results, for training only, are not always English.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

NearWords = Mapping[str, tuple[tuple[str, float], ...]]
"""For each word, in lower case, the words that may replace it and their cosines with it."""
LEAST_COSINE = 0.55
"""Lowest cosine of a replacement; less similar words mostly mean something else (MiniLM, English)."""
MOST_WORDS = 6
"""Most replacements per word."""
_WORD = re.compile(r"[^\W\d_]+")


@torch.no_grad()
def near_words(
    texts: Iterable[str], vocabulary: Sequence[str], encode: Callable[[Sequence[str]], Tensor]
) -> dict[str, tuple[tuple[str, float], ...]]:
    """Return for each word of `texts` up to MOST_WORDS similar words of `vocabulary` that no text has, best first.

    `encode` returns the vectors (n, H) of n words; cosines are taken after subtracting the mean vector of all words.
    """
    own = sorted({word for text in texts for word in _WORD.findall(text.lower())})
    others = [word for word in dict.fromkeys(vocabulary) if word not in set(own)]
    if not own or not others:
        return dict.fromkeys(own, ())
    vectors = encode([*own, *others])
    vectors = torch.nn.functional.normalize(vectors - vectors.mean(dim=0), dim=1)
    cosines, nearest = (vectors[len(own) :] @ vectors[: len(own)].T).max(dim=1)
    found: dict[str, list[tuple[str, float]]] = {word: [] for word in own}
    for place in cosines.argsort(descending=True, stable=True).tolist():
        stands_for = found[own[int(nearest[place])]]
        if float(cosines[place]) >= LEAST_COSINE and len(stands_for) < MOST_WORDS:
            stands_for.append((others[place], float(cosines[place])))
    return {word: tuple(near) for word, near in found.items()}


def reword(text: str, near: NearWords, share: float, rng: np.random.Generator) -> str:
    """Return the text with each word that has replacements replaced, with probability `share`, by one of them.

    Replacements are drawn in proportion to their cosines; a capital letter at the start is kept.

    >>> reword("Jumps to the left.", {"jumps": (("leaps", 0.8),)}, 1.0, np.random.default_rng(0))
    'Leaps to the left.'
    """

    def other(match: re.Match[str]) -> str:
        word = match[0]
        options = near.get(word.lower(), ())
        if not options or rng.random() >= share:
            return word
        weights = np.array([cosine for _, cosine in options])
        drawn = options[int(rng.choice(len(options), p=weights / weights.sum()))][0]
        return drawn.capitalize() if word[0].isupper() else drawn

    return _WORD.sub(other, text)
