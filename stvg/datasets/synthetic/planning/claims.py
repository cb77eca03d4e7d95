"""Check what a caption claims of a person against a scene."""

from dataclasses import dataclass
from typing import Literal

from stvg.datasets.synthetic.planning.scene import Act, ActionName, Actor, Colour, Outfit, Prop, PropKind
from stvg.types import FrameSpan

GarmentWord = Literal["clothes", "shirt", "jacket", "coat", "vest", "dress", "trousers", "skirt", "hat"]
Goal = Literal["left", "right"] | PropKind

READ_AS: dict[ActionName, frozenset[ActionName]] = {
    "raise_hand": frozenset({"raise_hand", "wave", "stretch", "point"}),
    "wave": frozenset({"wave"}),
    "bend_down": frozenset({"bend_down", "pick_up", "put_down"}),
    "crouch": frozenset({"crouch", "sit_down"}),
}
"""Which acts a generous reader could take for the named one; an action that is not listed is only read as itself."""

_SIDEWAYS = 0.1
_NEAR = 0.06
_NOT_FAR = 0.12


@dataclass(frozen=True, slots=True)
class Garment:
    """A described piece of clothing; the word "clothes" stands for whatever covers the upper body."""

    slot: Literal["top", "bottom", "hat"]
    word: GarmentWord
    colour: Colour


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """Who is meant: a gender and one or two garments."""

    gender: Literal["man", "woman"]
    garments: tuple[Garment, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One described action; `goal` says where a walk leads (None: anywhere) and is None for all other actions."""

    action: ActionName
    goal: Goal | None = None


def wears(outfit: Outfit, garment: Garment) -> bool:
    """Return whether the outfit has that garment in that colour."""
    if garment.slot == "hat":
        return outfit.hat_colour == garment.colour
    if garment.slot == "bottom":
        return (outfit.bottom, outfit.bottom_colour) == (garment.word, garment.colour)
    return outfit.top_colour == garment.colour and garment.word in ("clothes", outfit.top)


def fits_phrase(outfit: Outfit, phrase: NounPhrase) -> bool:
    """Return whether the whole noun phrase is true of a person dressed like this."""
    return outfit.gender == phrase.gender and all(wears(outfit, garment) for garment in phrase.garments)


def occurrences(steps: tuple[Step, ...], actor: Actor, props: tuple[Prop, ...], generous: bool) -> list[FrameSpan]:
    """Return the spans in which `actor` acts `steps` one after the other.

    Strictly (`generous` false) the steps are consecutive acts and walks clearly lead where they are said to lead.
    A generous reader also accepts one other act between two steps, the acts of READ_AS, and vague directions: a
    caption is only unique if nobody else fits it even then.
    """
    origins = _origins(actor)
    spans = []
    for first in range(len(actor.acts)):
        last = _match(steps, actor.acts, origins, first, props, generous)
        if last is not None:
            spans.append(FrameSpan(actor.acts[first].start, actor.acts[last].stop))
    return spans


def _match(
    steps: tuple[Step, ...],
    acts: tuple[Act, ...],
    origins: list[float],
    first: int,
    props: tuple[Prop, ...],
    generous: bool,
) -> int | None:
    """Return the index of the act that completes `steps` when act `first` begins them, else None."""
    if not _bears_out(steps[0], acts[first], origins[first], props, generous):
        return None
    if len(steps) == 1:
        return first
    for following in range(first + 1, min(first + (3 if generous else 2), len(acts))):
        last = _match(steps[1:], acts, origins, following, props, generous)
        if last is not None:
            return last
    return None


def _origins(actor: Actor) -> list[float]:
    """Return the x at which each act begins."""
    xs, x = [], actor.position[0]
    for act in actor.acts:
        xs.append(x)
        x = act.to[0] if act.to else x
    return xs


def _bears_out(step: Step, act: Act, origin_x: float, props: tuple[Prop, ...], generous: bool) -> bool:
    """Return whether one act can be described by one step."""
    if act.action != step.action and not (generous and act.action in READ_AS.get(step.action, ())):
        return False
    if step.goal is None or act.to is None:
        return True
    if step.goal in ("left", "right"):
        moved = act.to[0] - origin_x if step.goal == "right" else origin_x - act.to[0]
        return moved > (0 if generous else _SIDEWAYS)
    near = _NOT_FAR if generous else _NEAR
    return any(prop.kind == step.goal and abs(prop.x - act.to[0]) <= near for prop in props)
