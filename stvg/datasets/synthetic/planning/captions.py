"""Write captions in the manner of HC-STVG, in familiar or novel words.

Every wording belongs to one of two lexicons. The familiar one writes all captions of train and val and about half of
those of test. The novel one, never seen in training, has other words for people, clothes, colours and actions and other
sentence orders; a novel caption mixes both, with at least one novel part. HELD_OUT_WORDS and HELD_OUT_TEMPLATES list
what only novel captions can contain.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import get_args

from stvg.datasets.synthetic.planning.claims import Garment, NounPhrase, Step
from stvg.datasets.synthetic.planning.scene import ActionName

Lexicon = dict[str, tuple[str, ...]]

FAMILIAR_WORDS: Lexicon = {
    **{word: (word,) for word in ("man", "woman", "clothes", "shirt", "jacket", "coat", "vest", "dress")},
    "trousers": ("trousers", "pants"),
    **{word: (word,) for word in ("skirt", "hat", "red", "blue", "green", "yellow", "white", "black", "purple")},
    **{word: (word,) for word in ("orange", "in")},
    "walk left": ("walk to the left",),
    "walk right": ("walk to the right",),
    "walk": ("walk a few steps", "take a few steps"),
    "walk to": ("walk to the {goal}", "walk to the {goal}", "go to the {goal}", "come to the {goal}"),
    "turn_around": ("turn around",),
    "sit_down": ("sit down", "sit down", "sit down on the stool"),
    "stand_up": ("stand up", "stand up", "get up"),
    "raise_hand": ("raise {his} hand", "raise one hand"),
    "wave": ("wave", "wave {his} hand"),
    "bend_down": ("bend down", "bend over"),
    "pick_up": ("pick up something", "pick something up", "pick up the thing"),
    "put_down": ("put down the thing", "put the thing down", "put something down"),
    "point": ("point forward", "point to the front"),
    "jump": ("jump", "jump up"),
    "crouch": ("squat down", "crouch down"),
    "clap": ("clap", "clap {his} hands"),
    "kick": ("kick", "kick forward"),
    "stretch": ("stretch", "stretch {his} arms"),
}
"""What train, val and the familiar half of test are written with; actions in the infinitive."""

NOVEL_WORDS: Lexicon = {
    "man": ("gentleman", "guy"),
    "woman": ("lady",),
    "clothes": ("clothing", "attire"),
    "shirt": ("blouse", "sweater"),
    "jacket": ("blazer",),
    "coat": ("overcoat",),
    "vest": ("waistcoat",),
    "dress": ("gown",),
    "trousers": ("slacks",),
    "hat": ("cap",),
    "red": ("crimson", "scarlet"),
    "green": ("emerald",),
    "yellow": ("golden",),
    "purple": ("violet",),
    "in": ("wearing", "dressed in"),
    "walk left": ("stroll to the left", "move over to the left side"),
    "walk right": ("stroll to the right", "move over to the right side"),
    "walk": ("stroll about", "move somewhere else"),
    "walk to": ("head for the {goal}", "stroll over to the {goal}", "approach the {goal}"),
    "turn_around": ("spin round", "face the other way"),
    "sit_down": ("take a seat", "settle on the stool"),
    "stand_up": ("rise to {his} feet", "leave the seat"),
    "raise_hand": ("lift an arm", "hold a palm high"),
    "wave": ("greet someone with {his} hand", "signal hello"),
    "bend_down": ("lean low", "stoop"),
    "pick_up": ("grab an object", "collect an item from the floor"),
    "put_down": ("set an object on the floor", "place an item below"),
    "point": ("indicate something ahead", "aim a finger ahead"),
    "jump": ("leap", "hop"),
    "crouch": ("duck low", "lower the whole body"),
    "clap": ("applaud", "give applause"),
    "kick": ("swing a leg", "strike out with one foot"),
    "stretch": ("extend both limbs", "reach high with both limbs"),
}
"""Wordings that only novel test captions use, for some of the same entries."""

FAMILIAR_TEMPLATES: dict[int, tuple[str, ...]] = {
    1: ("{who} {does0}.",),
    2: (
        "{who} {does0} and {does1}.",
        "{who} {does0} and {does1}.",
        "{who} {does0}, then {does1}.",
        "{who} {does0} and then {does1}.",
    ),
    3: (
        "{who} {does0}, {does1} and {does2}.",
        "{who} {does0}, {does1}, and {does2}.",
        "{who} {does0} and {does1}, then {does2}.",
        "{who} {does0}, then {does1} and {does2}.",
    ),
}
"""Sentence forms by number of actions; `who` is the noun phrase, `does` the third person, `doing` the gerund."""
HELD_OUT_TEMPLATES: dict[int, tuple[str, ...]] = {
    1: ("Here {who} {does0}.", "We see {who} {doing0}.", "{doing0}: that is {who}."),
    2: (
        "After {doing0}, {who} {does1}.",
        "{who} {does1} after {doing0}.",
        "Before {doing1}, {who} {does0}.",
        "Having begun by {doing0}, {who} {does1}.",
    ),
    3: (
        "After {doing0} and {doing1}, {who} {does2}.",
        "First {who} {does0}, next {does1}, finally {does2}.",
        "{who} {does1} and finally {does2} after {doing0}.",
        "Before {doing2}, {who} {does0} and {does1}.",
    ),
}
"""Sentence orders that only novel test captions use."""

_DOUBLED = frozenset({"sit", "put", "get", "clap", "hop", "grab", "spin", "set", "squat"})


@dataclass(frozen=True, slots=True)
class Wording:
    """How a caption was worded: its sentence form, and whether words or the form are held out from training."""

    template: str
    novel_words: bool
    novel_template: bool

    @property
    def novel(self) -> bool:
        """Whether anything of the caption is held out."""
        return self.novel_words or self.novel_template


@dataclass(frozen=True, slots=True)
class Written:
    """A caption and its wording."""

    text: str
    wording: Wording


def words_of(text: str) -> frozenset[str]:
    """Return the lower-case words of a sentence.

    >>> sorted(words_of("The man sits down, then waves."))
    ['down', 'man', 'sits', 'the', 'then', 'waves']
    """
    return frozenset(re.findall(r"[a-z]+", text.lower()))


def third_person(infinitive: str) -> str:
    """Inflect the first word of a phrase.

    >>> third_person("go to the door"), third_person("approach the door"), third_person("wave")
    ('goes to the door', 'approaches the door', 'waves')
    """
    verb, space, rest = infinitive.partition(" ")
    return verb + ("es" if verb.endswith(("ch", "sh", "o", "x", "ss")) else "s") + space + rest


def gerund(infinitive: str) -> str:
    """Inflect the first word of a phrase.

    >>> gerund("sit down"), gerund("raise his hand"), gerund("stand up")
    ('sitting down', 'raising his hand', 'standing up')
    """
    verb, space, rest = infinitive.partition(" ")
    stem = verb + verb[-1] if verb in _DOUBLED else verb[:-1] if verb.endswith("e") else verb
    return stem + "ing" + space + rest


def write_caption(rng: Random, phrase: NounPhrase, steps: tuple[Step, ...], novel: bool) -> Written:
    """Write a sentence that says `phrase` and `steps`, in familiar wording or with at least one held-out part."""
    while True:
        novel_template = novel and rng.random() < 0.5
        templates = (HELD_OUT_TEMPLATES if novel_template else FAMILIAR_TEMPLATES)[len(steps)]
        template = rng.choice(templates)
        share = 0.45 if novel else 0.0
        parts = {"who": _noun_phrase(rng, phrase, share)}
        for k, step in enumerate(steps):
            infinitive = _infinitive(rng, step, phrase, share)
            parts |= {f"does{k}": third_person(infinitive), f"doing{k}": gerund(infinitive)}
        text = template.format(**parts)
        novel_words = bool(words_of(text) & HELD_OUT_WORDS)
        if novel_template or novel_words or not novel:
            text = text[0].upper() + text[1:]
            return Written(text if rng.random() < 0.9 else text[:-1], Wording(template, novel_words, novel_template))


def _say(rng: Random, entry: str, share: float) -> str:
    """Draw a wording of a lexicon entry, a novel one with probability `share` where there is one."""
    novel = rng.random() < share and entry in NOVEL_WORDS
    return rng.choice((NOVEL_WORDS if novel else FAMILIAR_WORDS)[entry])


def _noun_phrase(rng: Random, phrase: NounPhrase, share: float) -> str:
    """Write "the man in the red shirt", rarely "a man in a red shirt"."""
    indefinite = rng.random() < 0.1
    garments = " and ".join(_garment(rng, garment, share / 2, indefinite) for garment in phrase.garments)
    person = _say(rng, phrase.gender, share)
    return f"{'a' if indefinite else 'the'} {person} {_say(rng, 'in', share)} {garments}"


def _garment(rng: Random, garment: Garment, share: float, indefinite: bool) -> str:
    """Write "the red shirt", "a red shirt" or, of what has no article, "red clothes"."""
    colour, word = _say(rng, garment.colour, share), _say(rng, garment.word, share)
    if garment.word in ("clothes", "trousers"):
        return f"{colour} {word}"
    article = ("an" if colour[0] in "aeiou" else "a") if indefinite else "the"
    return f"{article} {colour} {word}"


def _infinitive(rng: Random, step: Step, phrase: NounPhrase, share: float) -> str:
    """Write one action in the infinitive."""
    entry: str = step.action
    if step.goal is not None:
        entry = f"walk {step.goal}" if step.goal in ("left", "right") else "walk to"
    return _say(rng, entry, share).format(goal=step.goal, his="his" if phrase.gender == "man" else "her")


def _is_action(entry: str) -> bool:
    return entry.startswith("walk") or entry in get_args(ActionName)


def _spoken(lexicon: Lexicon, inflect: Callable[[str], str]) -> frozenset[str]:
    """Return every word that the lexicon's wordings can put into a sentence, their verbs inflected that way."""
    texts = [
        (inflect if _is_action(entry) else str)(text.format(goal="", his="his her"))
        for entry, options in lexicon.items()
        for text in options
    ]
    return words_of(" ".join(texts))


TRAIN_VOCABULARY = _spoken(FAMILIAR_WORDS, third_person) | words_of(
    "a an the and then sofa table cabinet plant lamp door window"
)
"""Every word that a caption of train or val can contain."""
HELD_OUT_WORDS = (
    _spoken(NOVEL_WORDS, third_person)
    | _spoken(NOVEL_WORDS, gerund)
    | _spoken(FAMILIAR_WORDS, gerund)
    | words_of(" ".join(re.sub(r"{\w+}", "", form) for forms in HELD_OUT_TEMPLATES.values() for form in forms))
) - TRAIN_VOCABULARY
"""Words that no caption of train or val contains; no gerund is among theirs."""
