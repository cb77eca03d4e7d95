"""Write the sentences that describe people of the film world."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from film.acts import ACTS, BOXES, PLACES, SEATS, THINGS
from film.script import Person
from film.wardrobe import ALL_OVER, HAIR_WORDS, Look

_UNSEEN = ("tall", "fat", "bearded", "old", "thin", "short", "curly-haired", "military", "second", "opposite")
_HOLDING = ("with the {} in the hand", "holding the {}", "carrying the {}", "with the {}", "who holds the {}")
_EXTRAS = ("tie", "scarf", "necklace", "glasses", "collar", "bow", "sunglasses", "backpack", "gloves", "apron", "shawl")
_WAITS = ("stops", "stands there", "stays there", "stands for a while", "waits", "stops for a moment")
"""What is said of the time between acts that lie apart."""
_POSTURE_WORDS = {"sit": "sitting", "floor": "sitting", "lie": "lying", "squat": "squatting", "stand": "standing"}
_BEDS = ("ground", "bed", "grass")
_HAIR = {"blond": "long blond", "white": "white", "dark": "black", "brown": "brown", "red": "red"}
Description = tuple[str, Callable[[Person], bool]]
"""Words for a person, and the test of whom they fit."""


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence about person `who` in the seconds `start` to `stop`."""

    who: int
    start: float
    stop: float
    text: str


def tell(rng: np.random.Generator, people: list[Person], seconds: float, most: int) -> list[Told]:
    """Write up to `most` sentences, each about one person's successive acts that nobody else fits."""
    told: list[Told] = []
    choices = [
        (who, first, count)
        for who, person in enumerate(people)
        for first in range(len(person.acts))
        for count in (1, 2, 3)
        if first + count <= len(person.acts)
    ]
    weights = np.array(
        [(0.04 if people[who].is_extra else 1.0) * (1.0, 0.9, 0.5)[count - 1] for who, _, count in choices]
    )
    if not len(choices):
        return []
    order = rng.choice(len(choices), size=len(choices), replace=False, p=weights / weights.sum())
    for who, first, count in (choices[i] for i in order):
        person = people[who]
        acts = person.acts[first : first + count]
        start, stop = acts[0].start, acts[-1].stop
        if len(told) >= most or start < -0.1 or stop > seconds + 0.3 or stop - start > 0.97 * seconds:
            continue
        gaps = [later.start - before.stop for before, later in pairwise(acts)]
        if max(gaps, default=0) > (9.0 if rng.random() < 0.4 else 2.5):
            continue
        names = [act.name for act in acts]
        phrase, alike = name_person(rng, who, people)
        if _is_twice(names, who, first, alike, people):
            continue
        does = [_does(rng, act.name, who, person.others[first + k], people) for k, act in enumerate(acts)]
        for place in sorted((i for i, gap in enumerate(gaps) if gap > 2.0), reverse=True):
            if len(does) < 4:
                does.insert(place + 1, str(rng.choice(_WAITS)))
        told.append(Told(who, max(start, 0.0), min(stop, seconds), _sentence(rng, phrase, does)))
    return told


def _is_twice(names: list[str], who: int, first: int, alike: set[int], people: list[Person]) -> bool:
    """Return whether somebody whom the phrase fits acts `names` at another time."""
    families = [ACTS[name].extra[:1] or (name,) for name in names]
    for index in alike | {who}:
        own = [ACTS[act.name].extra[:1] or (act.name,) for act in people[index].acts]
        for begin in range(len(own) - len(families) + 1):
            exact = [act.name for act in people[index].acts[begin : begin + len(names)]] == names
            same = exact if len(names) > 1 or families[0] == ("walk",) else own[begin : begin + 1] == families
            if same and (index, begin) != (who, first):
                return True
    return False


def _does(rng: np.random.Generator, name: str, who: int, partner: int | None, people: list[Person]) -> str:
    """Word one act."""
    man = people[who].look.kind == "man"
    verbs = ACTS[name].verbs
    if partner is None:
        verbs = tuple(verb for verb in verbs if "{other}" not in verb) or verbs
    verb = str(verbs[rng.integers(len(verbs))])
    other = name_person(rng, partner, people, short=True)[0] if partner is not None else "the other person"
    pool = PLACES if ACTS[name].where == "thing" or "lean" in name else THINGS
    return verb.format(
        his="his" if man else "her",
        him="him" if man else "her",
        thing=str(rng.choice(pool)),
        other=other,
        side=str(rng.choice(["left", "right"])),
        seat=str(rng.choice(SEATS)),
        box=str(rng.choice(BOXES)),
        man=people[partner].look.kind if partner is not None else "man",
        him2="him" if partner is not None and people[partner].look.kind == "man" else "her",
    )


def _sentence(rng: np.random.Generator, phrase: str, does: list[str]) -> str:
    if len(does) == 1:
        text = f"{phrase} {does[0]}"
    elif len(does) == 2:
        text = f"{phrase} {does[0]}{rng.choice([' and ', ', then ', ' and then ', ', and ', ', '])}{does[1]}"
    else:
        last = rng.choice([", and ", " and ", ", then ", " and then "])
        text = f"{phrase} {', '.join(does[:-1])}{last}{does[-1]}"
    return text[0].upper() + text[1:] + ("." if rng.random() < 0.93 else "")


def name_person(rng: np.random.Generator, who: int, people: list[Person], short: bool = False) -> tuple[str, set[int]]:
    """Return a noun phrase for a person and the others whom it fits too."""
    best: tuple[str, set[int]] = ("the person", set(range(len(people))) - {who})
    for _ in range(1 if short else 4):
        phrase, fits = _phrase(rng, people[who], short)
        alike = {i for i, other in enumerate(people) if i != who and fits(other)}
        if len(alike) <= len(best[1]):
            best = phrase, alike
        if not alike or rng.random() < 0.12:
            break
    return best


def _phrase(rng: np.random.Generator, person: Person, short: bool) -> Description:
    """Return a noun phrase and the test of whom it fits."""
    look, article = person.look, "a " if rng.random() < 0.08 else "the "
    noun, draw = _noun(rng, look), rng.random()
    found: Description | None = (noun, _fits_all) if short and draw < 0.3 else None
    if found:
        article = "the "
    words, fits = (
        found
        or _by_stance(rng, person, noun, draw)
        or _by_head(rng, look, noun, draw)
        or _by_clothes(rng, look, noun, draw)
        or _by_top(rng, look, noun)
    )
    is_general = noun in ("person", "child")
    return article + words, lambda other: (is_general or other.look.kind == look.kind) and fits(other)


def _fits_all(_: Person) -> bool:
    return True


def _noun(rng: np.random.Generator, look: Look) -> str:
    man = look.kind == "man"
    if look.child:
        return str(rng.choice(["boy", "child", "little boy"] if man else ["girl", "little girl", "child"]))
    if rng.random() < 0.92:
        return look.kind
    return str(rng.choice(["person", "guy", "gentleman"] if man else ["person", "lady", "girl"]))


def _by_stance(rng: np.random.Generator, person: Person, noun: str, draw: float) -> Description | None:
    """Tell a person by what no feature shows, by a thing in the hand or by the posture at first."""
    if draw < 0.02:
        return f"{rng.choice(_UNSEEN)} {noun}", _fits_all
    if draw < 0.05:
        held, where = str(rng.choice(THINGS)), str(rng.choice(_HOLDING))
        return f"{noun} {where.format(held)}", _fits_all
    posture = _POSTURE_WORDS[person.first_posture]
    if draw < 0.06 and posture == "standing":
        words = f"standing {noun}"
    elif draw < 0.07 and posture != "standing" and not _is_bald(person.look):
        if rng.random() < 0.5:
            words = f"{posture} {noun}"
        else:
            words = f"{noun} {posture} on the {rng.choice(_BEDS if posture == 'lying' else SEATS)}"
    else:
        return None
    return words, lambda other: other.first_posture == person.first_posture


def _by_head(rng: np.random.Generator, look: Look, noun: str, draw: float) -> Description | None:
    """Tell a person by hair or hat."""
    if _is_bald(look) and draw < 0.4:
        return f"bald {noun}", lambda other: _is_bald(other.look)
    if draw < 0.12 and look.hair != "bald":
        words = f"{rng.choice(HAIR_WORDS[look.hair])} {noun}"
        return words, lambda other: other.look.hair == look.hair and other.look.hat is None
    if draw < 0.15 and look.hair != "bald":
        return f"{noun} with {_HAIR[look.hair]} hair", lambda other: other.look.hair == look.hair
    if look.hat and draw < 0.4:
        hat = str(rng.choice(["hat", "hat", "cap", "helmet", "headscarf", "turban"]))
        words = f"{look.hat} {hat}" if rng.random() < 0.5 else hat
        return f"{noun} in the {words}", lambda other: other.look.hat is not None
    return None


def _is_bald(look: Look) -> bool:
    return look.hair == "bald" and look.hat is None


def _by_clothes(rng: np.random.Generator, look: Look, noun: str, draw: float) -> Description | None:
    """Tell a person by a bare chest, a pattern, the trousers or something worn besides."""
    if look.shirtless and draw < 0.7:
        words = str(rng.choice(["shirtless man", "man without a shirt", "undressed man"]))
        return words, lambda other: other.look.shirtless
    if look.pattern and draw < 0.6:
        garment = look.top if look.top != "short sleeves" else "shirt"
        return f"{noun} in the {look.pattern} {garment}", lambda other: other.look.pattern is not None
    if draw < 0.46 and look.bottom_colour != look.top_colour:
        below = f"{look.bottom_colour} {look.bottom if rng.random() < 0.7 else 'trousers'}"
        if rng.random() < 0.5:
            colours = look.top_colour, look.bottom_colour
            words = f"{noun} in the {look.top_colour} {look.top} and {below}"
            return words, lambda other: (other.look.top_colour, other.look.bottom_colour) == colours
        return f"{noun} in {below}", lambda other: other.look.bottom_colour == look.bottom_colour
    if draw < 0.5:
        words = f"{noun} in {look.top_colour} with the {rng.choice(_EXTRAS)}"
        return words, lambda other: other.look.top_colour == look.top_colour
    return None


def _by_top(rng: np.random.Generator, look: Look, noun: str) -> Description:
    """Tell a person by the colour of what covers the torso."""
    garment = "clothes" if (look.top in ALL_OVER and rng.random() < 0.5) or rng.random() < 0.25 else look.top
    colour = look.top_colour
    if rng.random() < 0.12:
        blue = "dark blue" if look.parts[1].mean() < 70 else "blue"
        colour = {"gray": "grey", "yellow": "golden", "blue": blue}.get(colour, colour)
    if look.shirtless:
        return noun, _fits_all
    form = rng.random()
    is_one = garment not in ("clothes", "short sleeves", "sportswear")
    if form < 0.08:
        words = f"{noun} in {colour}"
    elif form < 0.14:
        words = f"{noun} wearing {'a ' if is_one else ''}{colour} {garment}"
    elif form < 0.17:
        words = f"{colour} {noun}"
    else:
        words = f"{noun} in {'the ' if is_one else ''}{colour} {garment}"
    return words, lambda other: other.look.top_colour == look.top_colour and not other.look.shirtless
