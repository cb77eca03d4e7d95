"""Split the subject of a sentence from what it does: "The man in red" of "The man in red sits down."""

import re

_NOUNS = (
    "clothes glasses sunglasses pants trousers shorts jeans leggings overalls pajamas sleeves arms shoulders legs "
    "shoes boots gloves socks stairs stripes dots flowers things sticks papers books bags boxes men women people "
    "braids curls pigtails suspenders stockings sandals sneakers headphones handcuffs reins keys stools chairs "
    "his its this always sometimes perhaps plus us cows horses dogs others ones plaits straps uniforms robes"
)
"""Words in -s that are no verbs in descriptions of people."""
_BEFORE_NOUNS = (
    "the a an his her their in of with on and two three both no without wearing dark light long short holding"
)
"""Words after which a word in -s is a noun."""
_OTHER_VERBS = (
    "is was are were has had can who that which walked turned looked pulled opened stopped took used raised put "
    "said sat stood ran went came held pushed picked then"
)
"""Verbs without -s, and words that begin a new clause."""


def split_subject(sentence: str) -> str:
    """Return the words before the first verb; the whole sentence where no verb is found.

    A verb is the first word in -s (third person) that is not known to be a noun and does not follow a word that asks
    for one. Rules for descriptions in the manner of HC-STVG: "The man in the gray suit ..."; nothing is learned.

    >>> split_subject("The man in black clothes walks to the woman and hugs her.")
    'The man in black clothes'
    >>> split_subject("There is nobody.")
    'There'
    """
    words = sentence.split()
    before = ""
    for index, word in enumerate(words):
        bare = re.sub(r"[^a-z'-]", "", word.lower())
        if index and _is_verb(bare, before):
            return " ".join(words[:index])
        before = bare
    return sentence


def _is_verb(word: str, before: str) -> bool:
    if word in _OTHER_VERBS.split():
        return before not in ("the", "a", "an")
    ends = word.endswith("s") and not word.endswith(("ss", "'s", "us")) and len(word) > 3
    return ends and word not in _NOUNS.split() and before not in _BEFORE_NOUNS.split()
