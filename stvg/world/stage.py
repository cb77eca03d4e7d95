"""Decide where everybody stands and walks, what furniture there is and what the camera sees."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from stvg.world.facts import Goal
from stvg.world.scene import Act, Prop, PropKind, View
from stvg.world.script import Script

ROOM = (0.08, 0.92)
"""The x that people keep to while the whole room is in view."""
_NARROW_ROOM = (0.2, 0.8)
_LEAST_WALK = 0.15
_MOST_WALK_PER_FRAME = 0.025

_BACK_WALL: tuple[PropKind, ...] = ("door", "window", "picture")
_FLOOR: tuple[PropKind, ...] = ("sofa", "table", "cabinet", "plant", "lamp", "box")
GOALS: frozenset[PropKind] = frozenset({"door", "window", "sofa", "table", "cabinet", "plant", "lamp"})
"""Furniture that a caption can name as the end of a walk."""


@dataclass(frozen=True, slots=True)
class Camera:
    """The views of a clip and the x range in which people stay visible through all of them."""

    views: tuple[View, ...]
    room: tuple[float, float]


@dataclass(slots=True)
class _Walker:
    """Where one person is while the walks of a scene are decided in order of time."""

    x: float
    z: float
    facing: Literal[-1, 1]


@dataclass(frozen=True, slots=True)
class Path:
    """One person's start position and facing, and its acts with the ends of all walks."""

    position: tuple[float, float]
    facing: Literal[-1, 1]
    acts: tuple[Act, ...]


def furnish(rng: Random) -> tuple[Prop, ...]:
    """Draw three to five pieces of furniture, each kind at most once, at least two that a walk can lead to."""
    kinds = [*rng.sample(_FLOOR[:5], rng.randint(2, 3)), *rng.sample(_BACK_WALL, rng.randint(1, 2))]
    if rng.random() < 0.3:
        kinds.append("box")
    slots = rng.sample(range(6), len(kinds))
    props = []
    for kind, slot in zip(kinds, slots, strict=True):
        x = round(0.14 + 0.145 * slot + rng.uniform(-0.02, 0.02), 3)
        z = 0.0 if kind in _BACK_WALL else round(rng.uniform(0.08, 0.3), 3)
        if kind in ("box", "plant") and rng.random() < 0.4:
            z = round(rng.uniform(0.8, 0.9), 3)
        shade = rng.randint(60, 190)
        props.append(Prop(kind, x, z, (shade + rng.randint(0, 40), shade, max(shade - rng.randint(0, 40), 0))))
    return tuple(props)


def place_camera(rng: Random, num_frames: int, kept_whole: list[tuple[int, int]]) -> Camera:
    """Draw a still camera (60 %), a pan (25 %) or a shot cut (15 %) that falls into none of the spans `kept_whole`.

    People keep to the part of the room that all views share, so that nobody is visible more than others.
    """
    kind = rng.choices(("still", "pan", "cut"), (58, 25, 17))[0]
    cut = rng.randint(num_frames // 6, num_frames - num_frames // 6)
    if kind == "still" or (kind == "cut" and any(start < cut < stop for start, stop in kept_whole)):
        return Camera((View(0, 0.5, 1.0, cut=False),), ROOM)
    zoom = round(rng.uniform(1.15, 1.25), 3)
    side = rng.choice((-1, 1)) * rng.uniform(0.05, 0.08)
    before, after = round(0.5 + side, 3), round(0.5 - side, 3)
    if kind == "cut":
        views: tuple[View, ...] = (
            View(0, before, zoom, cut=False),
            View(cut, after, 1.0 if cut % 2 else zoom, cut=True),
        )
        return Camera(views, _NARROW_ROOM)
    start = rng.randint(5, num_frames // 2)
    stop = min(start + rng.randint(30, 90), num_frames - 5)
    views = (View(0, before, zoom, cut=False), View(start, before, zoom, cut=False), View(stop, after, zoom, cut=False))
    return Camera(views, _NARROW_ROOM)


def lay_paths(
    rng: Random,
    scripts: list[Script],
    avoided: list[frozenset[PropKind]],
    props: tuple[Prop, ...],
    room: tuple[float, float],
) -> list[Path] | None:
    """Decide all start positions and the ends of all walks, earliest first, so that people rest side by side.

    `avoided`: per person, the furniture that its free walks must not lead to. None where someone finds no place.
    """
    walkers = _start_positions(rng, scripts, props, room)
    if walkers is None:
        return None
    starts = [((walker.x, walker.z), walker.facing) for walker in walkers]
    acts: list[list[Act]] = [[] for _ in scripts]
    order = sorted((timed.start, who, k) for who, script in enumerate(scripts) for k, timed in enumerate(script.steps))
    for _, who, k in order:
        timed, walker = scripts[who].steps[k], walkers[who]
        to = None
        if timed.step.action == "walk":
            to = _find_goal(rng, who, k, walkers, scripts[who], avoided[who], props, room)
            if to is None:
                return None
            walker.facing = 1 if to[0] > walker.x else -1
            walker.x, walker.z = to
        elif timed.step.action == "turn_around":
            walker.facing = -1 if walker.facing == 1 else 1
        acts[who].append(Act(timed.step.action, timed.start, timed.stop, walker.facing, to))
    return [Path(*start, tuple(done)) for start, done in zip(starts, acts, strict=True)]


def _start_positions(
    rng: Random, scripts: list[Script], props: tuple[Prop, ...], room: tuple[float, float]
) -> list[_Walker] | None:
    """Draw positions for frame 0 that leave room for each person's first walk."""
    walkers: list[_Walker] = []
    depths = [0.35 + 0.5 * (k + rng.random()) / len(scripts) for k in range(len(scripts))]
    rng.shuffle(depths)
    for script, z in zip(scripts, depths, strict=True):
        free = [x for x in (rng.uniform(*room) for _ in range(12))
                if _is_free(x, walkers, 0.12) and _suits(x, _next_goal(script, 0), props, room)]  # fmt: skip
        if not free:
            return None
        walkers.append(_Walker(round(free[0], 3), round(z, 3), rng.choice((-1, 1))))
    return walkers


def _find_goal(
    rng: Random,
    who: int,
    k: int,
    walkers: list[_Walker],
    script: Script,
    avoided: frozenset[PropKind],
    props: tuple[Prop, ...],
    room: tuple[float, float],
) -> tuple[float, float] | None:
    """Return where the walk that is step `k` of a person ends, None where nothing suits."""
    timed, walker = script.steps[k], walkers[who]
    reach = min(0.5, _MOST_WALK_PER_FRAME * (timed.stop - timed.start))
    others = [other for index, other in enumerate(walkers) if index != who]
    apart = 0.06 if rng.random() < 0.25 else 0.11
    prop = next((prop for prop in props if prop.kind == timed.step.goal), None)
    for _ in range(24):
        x = prop.x + rng.uniform(-0.055, 0.055) if prop else rng.uniform(walker.x - reach, walker.x + reach)
        suits = room[0] <= x <= room[1] and _LEAST_WALK <= abs(x - walker.x) <= reach
        suits = suits and not (timed.step.goal == "left" and x > walker.x)
        suits = suits and not (timed.step.goal == "right" and x < walker.x)
        suits = suits and all(abs(x - other.x) > 0.13 for other in props if other.kind in avoided)
        if suits and _is_free(x, others, apart) and _suits(x, _next_goal(script, k + 1), props, room):
            z = 0.3 + 0.3 * rng.random() if prop else min(max(walker.z + rng.uniform(-0.15, 0.15), 0.3), 0.88)
            return round(x, 3), round(z, 3)
    return None


def _is_free(x: float, others: list[_Walker], apart: float) -> bool:
    return all(abs(x - other.x) >= apart for other in others)


def _next_goal(script: Script, k: int) -> Goal | None:
    """Return where the next planted walk from step `k` on leads, None if a free walk comes first or none comes."""
    walk = next((timed for timed in script.steps[k:] if timed.step.action == "walk"), None)
    return walk.step.goal if walk else None


def _suits(x: float, goal: Goal | None, props: tuple[Prop, ...], room: tuple[float, float]) -> bool:
    """Return whether a walk to `goal` can begin at `x`."""
    if goal == "left":
        return x - room[0] > _LEAST_WALK + 0.06
    if goal == "right":
        return room[1] - x > _LEAST_WALK + 0.06
    return all(_LEAST_WALK + 0.03 <= abs(x - prop.x) <= 0.33 for prop in props if prop.kind == goal)
