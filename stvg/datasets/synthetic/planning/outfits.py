"""Dress people so that some share what captions say of clothes."""

from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

from stvg.datasets.synthetic.planning.claims import Garment, GarmentWord, NounPhrase, fits_phrase
from stvg.datasets.synthetic.planning.scene import Colour, Outfit

Gender = Literal["man", "woman"]
TopWord = Literal["shirt", "jacket", "coat", "vest", "dress"]
DESCRIBED_COLOURS: tuple[Colour, ...] = ("red", "blue", "green", "yellow", "white", "black", "purple", "orange")
"""The colour words of captions; people also wear gray and brown below the waist."""

LOOKS_LIKE: dict[Colour, frozenset[Colour]] = {
    "red": frozenset({"orange", "brown"}),
    "orange": frozenset({"red", "yellow", "brown"}),
    "yellow": frozenset({"orange"}),
    "blue": frozenset({"purple"}),
    "purple": frozenset({"blue"}),
    "white": frozenset({"gray"}),
    "black": frozenset({"gray", "brown"}),
}
"""Colours that could be mixed up: where one is described, no one of another description wears the other there."""

_TOPS: dict[Gender, tuple[TopWord, ...]] = {
    "man": ("shirt", "shirt", "jacket", "coat", "vest"),
    "woman": ("shirt", "jacket", "coat", "vest", "dress", "dress"),
}
_HAIR = ((30, 22, 18), (60, 40, 25), (95, 60, 35), (150, 110, 60), (90, 88, 86))
_SKIN = ((240, 205, 180), (225, 180, 150), (200, 150, 115), (150, 105, 75), (110, 75, 55))


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """One outfit per person, and the noun phrase of the person's group: true of the whole group and of no one else."""

    outfits: tuple[Outfit, ...]
    phrases: tuple[NounPhrase, ...]


def dress_people(rng: Random, groups: list[int]) -> Wardrobe:
    """Dress one person per entry of `groups`; people with the same group number fit the same noun phrase."""
    while True:
        wardrobe = _try_to_dress(rng, groups)
        if wardrobe is not None and _is_told_apart(wardrobe, groups):
            return wardrobe


def _is_told_apart(wardrobe: Wardrobe, groups: list[int]) -> bool:
    """Return whether each phrase fits exactly its own group."""
    return all(
        fits_phrase(outfit, phrase) == (group == other)
        for phrase, group in zip(wardrobe.phrases, groups, strict=True)
        for outfit, other in zip(wardrobe.outfits, groups, strict=True)
    )


def _try_to_dress(rng: Random, groups: list[int]) -> Wardrobe | None:
    """Draw phrases and outfits; None where the colours run out."""
    one_gender = rng.choice(get_args(Gender)) if rng.random() < 0.6 else None
    phrases: dict[int, NounPhrase] = {}
    taken: set[Colour] = set()
    for group in sorted(set(groups)):
        gender = one_gender or rng.choice(get_args(Gender))
        phrases[group] = _draw_phrase(rng, gender, taken)
    described = [garment for phrase in phrases.values() for garment in phrase.garments]
    worn: dict[int, list[Outfit]] = {group: [] for group in phrases}
    outfits = []
    for group in groups:
        outfit = _draw_outfit(rng, phrases[group], described, worn[group])
        if outfit is None:
            return None
        worn[group].append(outfit)
        outfits.append(outfit)
    return Wardrobe(tuple(outfits), tuple(phrases[group] for group in groups))


def _draw_phrase(rng: Random, gender: Gender, taken: set[Colour]) -> NounPhrase:
    """Draw what a group is called, in colours that look like none of `taken` (which grows)."""
    kind = rng.choices(("top", "clothes", "hat", "bottom"), (60, 25, 8, 7))[0]
    bottom: GarmentWord = "skirt" if gender == "woman" and rng.random() < 0.5 else "trousers"
    if kind == "clothes":
        return NounPhrase(gender, (Garment("top", "clothes", _take(rng, taken)),))
    if kind == "hat":
        return NounPhrase(gender, (Garment("hat", "hat", _take(rng, taken)),))
    if kind == "bottom":
        return NounPhrase(gender, (Garment("bottom", bottom, _take(rng, taken)),))
    top = rng.choice(_TOPS[gender])
    garments = [Garment("top", top, _take(rng, taken))]
    if rng.random() < 0.2:
        covers_thighs = top in ("coat", "dress")
        slot: Literal["hat", "bottom"] = "hat" if covers_thighs or rng.random() < 0.4 else "bottom"
        garments.append(Garment(slot, "hat" if slot == "hat" else bottom, _take(rng, taken)))
    return NounPhrase(gender, tuple(garments))


def _take(rng: Random, taken: set[Colour]) -> Colour:
    """Draw a described colour that looks like none of `taken` and add it there; any unused one where none is left."""
    free = [c for c in DESCRIBED_COLOURS if c not in taken and not taken & LOOKS_LIKE.get(c, frozenset())]
    colour = rng.choice(free or [c for c in DESCRIBED_COLOURS if c not in taken])
    taken.add(colour)
    return colour


def _draw_outfit(rng: Random, phrase: NounPhrase, described: list[Garment], mates: list[Outfit]) -> Outfit | None:
    """Draw an outfit that fits `phrase` and differs from its mates' in what the phrase leaves open."""
    said = {garment.slot: garment for garment in phrase.garments}
    top_colour = (
        said["top"].colour if "top" in said else _other_colour(rng, "top", described, {m.top_colour for m in mates})
    )
    bottom_colour = (
        said["bottom"].colour
        if "bottom" in said
        else _other_colour(rng, "bottom", described, {m.bottom_colour for m in mates})
    )
    if top_colour is None or bottom_colour is None:
        return None
    hat_colour: Colour | None = None
    if "hat" in said:
        hat_colour = said["hat"].colour
    elif rng.random() < 0.25:
        hat_colour = _other_colour(rng, "hat", described, {m.hat_colour for m in mates if m.hat_colour})
    top, bottom = _draw_garments(rng, phrase.gender, said)
    return Outfit(
        gender=phrase.gender,
        top=top,
        top_colour=top_colour,
        bottom=bottom,
        bottom_colour=bottom_colour,
        hat_colour=hat_colour,
        long_hair=rng.random() < (0.85 if phrase.gender == "woman" else 0.03),
        hair_colour=rng.choice(_HAIR),
        skin=rng.choice(_SKIN),
    )


def _draw_garments(
    rng: Random, gender: Gender, said: dict[Literal["top", "bottom", "hat"], Garment]
) -> tuple[TopWord, Literal["trousers", "skirt", "shorts"]]:
    """Draw the cut of both main garments; a described bottom is not covered by a dress or a long coat."""
    short_tops = tuple(word for word in _TOPS[gender] if word not in ("dress", "coat"))
    top = rng.choice(short_tops if "bottom" in said else _TOPS[gender])
    for word in get_args(TopWord):
        if "top" in said and said["top"].word == word:
            top = word
    if "bottom" in said:
        return top, "skirt" if said["bottom"].word == "skirt" else "trousers"
    if top == "dress":
        return top, "trousers"
    if gender == "woman":
        return top, rng.choice(("trousers", "skirt"))
    return top, "shorts" if rng.random() < 0.2 else "trousers"


def _other_colour(
    rng: Random, slot: Literal["top", "bottom", "hat"], described: list[Garment], worn: set[Colour]
) -> Colour | None:
    """Draw a colour for a piece that no caption speaks of: none that could pass for a described one there."""
    choices: set[Colour] = set(DESCRIBED_COLOURS)
    if slot == "bottom":
        choices |= {"gray", "brown"}
    for garment in described:
        if garment.slot == slot or (garment.word == "clothes" and slot == "bottom"):
            choices -= {garment.colour} | LOOKS_LIKE.get(garment.colour, frozenset())
    choices -= worn
    return rng.choice(sorted(choices)) if choices else None
