"""Write what each person of a clip of the film world does, and when."""

from dataclasses import dataclass, field

import numpy as np

from film.acts import ACTS
from film.body import Timed
from film.wardrobe import Look, dress


@dataclass(slots=True)
class Person:
    """One person of a clip: looks, where it starts and what it does, with whom (`others`, act by act)."""

    look: Look
    posture: str
    first_posture: str
    at: tuple[float, float]
    first_at: tuple[float, float]
    facing: float
    acts: list[Timed] = field(default_factory=list)
    others: list[int | None] = field(default_factory=list)
    enters: float | None = None
    leaves: float | None = None
    cursor: float = 0.0
    is_extra: bool = False


def write_scripts(rng: np.random.Generator, seconds: float, half_width: float, depth: float) -> list[Person]:
    """Draw the people of a clip of `seconds`; the camera sees `half_width` body heights to either side at z = 0.

    z is the way towards the camera, `depth` its distance from z = 0, in body heights.
    """
    mains, extras = int(rng.choice(4, p=[0.17, 0.4, 0.28, 0.15])) + 1, min(int(rng.poisson(0.7)), 4)
    people = []
    for index in range(mains + extras):
        extra = index >= mains
        z = rng.uniform(-1.5 * depth, -0.35 * depth) if extra else rng.normal(0, 0.1 * depth)
        at = (float(rng.uniform(-0.95, 0.95) * half_width * (depth - z) / depth), float(z))
        posture = str(rng.choice(["stand", "sit", "floor", "lie", "squat"], p=[0.68, 0.22, 0.04, 0.03, 0.03]))
        facing = float(rng.choice([rng.uniform(-75, 75), rng.uniform(-180, 180)], p=[0.6, 0.4]))
        people.append(Person(dress(rng), posture, posture, at, at, facing, is_extra=extra))
        people[-1].cursor = float(rng.uniform(-0.5, 2.0))
        if rng.random() < 0.2 and posture == "stand":
            people[-1].enters = float(rng.uniform(0, 0.6) * seconds)
    _apart(rng, [person for person in people if not person.is_extra])
    while True:
        ready = [p for p in people if p.cursor < seconds - 0.4 and p.leaves is None]
        if not ready:
            return people
        person = min(ready, key=lambda one: one.cursor)
        _act(rng, person, people, seconds, half_width, depth)


def _apart(rng: np.random.Generator, people: list[Person]) -> None:
    """Move people who would stand inside each other."""
    for index, person in enumerate(people):
        for _ in range(6):
            if all(abs(person.at[0] - other.at[0]) > 0.45 for other in people[:index]):
                break
            person.at = person.first_at = (person.at[0] + float(rng.uniform(-1.2, 1.2)), person.at[1])


def _act(
    rng: np.random.Generator, person: Person, people: list[Person], seconds: float, half_width: float, depth: float
) -> None:
    """Give `person` its next act, and a partner the answer to it."""
    entering = person.enters is not None and not person.acts
    if entering:
        person.cursor = float(person.enters or 0.0)
    partners = [i for i, other in enumerate(people) if other is not person and _is_free(other, person.cursor)]
    name = _choose(rng, person, entering, bool(partners), seconds)
    if name is None:
        person.cursor += 1.0
        return
    kind, start = ACTS[name], person.cursor
    partner = int(rng.choice(partners)) if partners and (kind.needs_other or rng.random() < 0.3) else None
    if kind.needs_other and kind.where == "here" and partner is not None:
        _act_on(rng, person, people, partner, name, seconds)
    elif kind.where != "here":
        goal = _goal(rng, person, people, partner, name, half_width, depth)
        if entering:
            person.first_at = person.at = _outside(rng, person, half_width, depth)
        if name == "exit":
            goal = _outside(rng, person, half_width, depth)
        stop = _walk(rng, person, name, start, goal, partner)
        if name == "exit":
            person.leaves = stop
    else:
        face = person.facing + float(rng.choice([-1, 1]) * rng.uniform(*np.abs(kind.turn))) if kind.turn else None
        length = float(rng.uniform(*kind.seconds))
        _append(person, Timed(name, start, start + length, _hand(rng), None, face), partner, rng)


def _is_free(other: Person, time: float) -> bool:
    """Return whether an act with `other` can begin at about `time`."""
    there = other.leaves is None and (other.enters is None or bool(other.acts))
    return there and not other.is_extra and other.cursor < time + 2.5


def _choose(rng: np.random.Generator, person: Person, entering: bool, has_partner: bool, seconds: float) -> str | None:
    """Draw the name of the next act, None where there is none that the person can do."""
    names = [name for name, act in ACTS.items() if person.posture in act.before and act.weight > 0]
    names = ["enter"] if entering else [name for name in names if name != "enter"]
    weights = np.array([_weight(name, person, entering, has_partner, seconds) for name in names])
    if weights.sum() <= 0:
        return None
    return str(names[rng.choice(len(names), p=weights / weights.sum())])


def _weight(name: str, person: Person, entering: bool, has_partner: bool, seconds: float) -> float:
    act, last = ACTS[name], person.acts[-1].name if person.acts else ""
    if name == last or (name == "exit" and person.cursor < 0.25 * seconds):
        return 0.0
    if act.needs_other and not has_partner:
        return 0.0
    if person.is_extra and not entering and (act.needs_other or act.where in ("other", "near")):
        return 0.0
    return act.weight


def _act_on(
    rng: np.random.Generator, person: Person, people: list[Person], partner: int, name: str, seconds: float
) -> None:
    """Let `person` go to a partner who is not near enough, and do the act; the partner answers it."""
    kind, other = ACTS[name], people[partner]
    start = max(person.cursor, other.cursor)
    gap = person.at[0] - other.at[0], person.at[1] - other.at[1]
    if float(np.hypot(*gap)) > kind.distance * 1.4:
        if person.posture != "stand":
            person.cursor += 0.5
            return
        side = float(np.sign(gap[0])) or 1.0
        goal = (other.at[0] + side * kind.distance, other.at[1] + float(rng.normal(0, 0.08)))
        start = _walk(rng, person, "walk_other", start, goal, partner)
        if start > seconds - 0.5:
            return
    toward = float(np.degrees(np.arctan2(other.at[0] - person.at[0], other.at[1] - person.at[1] + 1e-6)))
    length = float(rng.uniform(*kind.seconds))
    _append(person, Timed(name, start, start + length, _hand(rng), None, toward), partner, rng)
    if kind.reply:
        back = toward + 180 if other.posture == "stand" else None
        reply = Timed(kind.reply, start + float(rng.uniform(0, 0.2)), start + length, _hand(rng), None, back)
        _append(other, reply, people.index(person), rng)


def _hand(rng: np.random.Generator) -> str:
    return "l" if rng.random() < 0.4 else "r"


def _append(person: Person, timed: Timed, partner: int | None, rng: np.random.Generator) -> None:
    """Add an act and draw how long the person idles after it."""
    person.acts.append(timed)
    person.others.append(partner)
    person.posture = ACTS[timed.name].after or person.posture
    person.facing = timed.face if timed.face is not None else person.facing
    person.at = timed.to if timed.to is not None else person.at
    pause = 0.05 if rng.random() < 0.32 else rng.exponential(2.4)
    person.cursor = timed.stop + float(pause)


def _walk(
    rng: np.random.Generator, person: Person, name: str, start: float, goal: tuple[float, float], partner: int | None
) -> float:
    """Add a walk to `goal`; return when it ends."""
    way = np.array(goal) - person.at
    length = float(np.hypot(*way)) / float(rng.uniform(*ACTS[name].speed))
    length = float(np.clip(length, 0.5, 8.0))
    face = float(np.degrees(np.arctan2(way[0], way[1] + 1e-6)))
    _append(
        person, Timed(name, start, start + length, _hand(rng), (float(goal[0]), float(goal[1])), face), partner, rng
    )
    if name == "walk_other" and rng.random() < 0.5:
        person.cursor = start + length + 0.02
    return start + length


def _goal(
    rng: np.random.Generator,
    person: Person,
    people: list[Person],
    partner: int | None,
    name: str,
    half_width: float,
    depth: float,
) -> tuple[float, float]:
    kind, (x, z) = ACTS[name], person.at
    wide = half_width * (depth - z) / depth
    if kind.where == "left":
        return x - float(rng.uniform(0.5, 2.2)), z + float(rng.normal(0, 0.2))
    if kind.where == "right":
        return x + float(rng.uniform(0.5, 2.2)), z + float(rng.normal(0, 0.2))
    if kind.where == "near":
        return x + float(rng.normal(0, 0.25)), z + float(rng.uniform(0.12, 0.5)) * (depth - z)
    if kind.where == "far":
        return x + float(rng.normal(0, 0.6)), z - float(rng.uniform(0.15, 0.8)) * (depth - z)
    if kind.where == "other" and partner is not None:
        other = people[partner]
        return other.at[0] + float(rng.choice([-1, 1]) * rng.uniform(0.4, 0.8)), other.at[1] + float(
            rng.normal(0, 0.15)
        )
    if name == "enter":
        return float(rng.uniform(-0.8, 0.8) * wide), float(rng.normal(0, 0.15) * depth)
    return float(rng.uniform(-0.95, 0.95) * wide), z + float(rng.normal(0, 0.2)) * (depth - z) * 0.5


def _outside(rng: np.random.Generator, person: Person, half_width: float, depth: float) -> tuple[float, float]:
    """Return a point beside the picture, or a door in the back."""
    z = person.at[1]
    if rng.random() < 0.5:
        return float(rng.uniform(-0.8, 0.8) * half_width), z - float(rng.uniform(0.3, 1.0)) * (depth - z)
    side = float(rng.choice([-1, 1]))
    return side * (half_width * (depth - z) / depth + 0.4), z
