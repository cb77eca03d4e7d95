"""Decide positions, walks, furniture and what the camera sees."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from stvg.datasets.synthetic.planning.claims import Goal
from stvg.datasets.synthetic.planning.scene import Act, Prop, PropKind, View
from stvg.datasets.synthetic.planning.script import Script
from stvg.types import FrameSpan

CameraKind = Literal["still", "pan", "cut"]
ROOM = (0.08, 0.92)
"""The x that people keep to while the whole room is in view."""
_BODY = 0.045
_LEAST_WALK = 0.15
_MOST_WALK_PER_FRAME = 0.025

_BACK_WALL: tuple[PropKind, ...] = ("door", "window", "picture")
_FLOOR: tuple[PropKind, ...] = ("sofa", "table", "cabinet", "plant", "lamp", "box")
_GOALS: frozenset[PropKind] = frozenset({"door", "window", "sofa", "table", "cabinet", "plant", "lamp"})
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
    """Draw three to six pieces of furniture side by side, each kind at most once, a goal of walks in the middle."""
    while True:
        kinds = [*rng.sample(_FLOOR[:5], rng.randint(2, 3)), *rng.sample(_BACK_WALL, rng.randint(1, 2))]
        if rng.random() < 0.3:
            kinds.append("box")
        slots = rng.sample(range(6), len(kinds))
        props = tuple(_place_prop(rng, kind, slot) for kind, slot in zip(kinds, slots, strict=True))
        if goals_among(props):
            return props


def _place_prop(rng: Random, kind: PropKind, slot: int) -> Prop:
    """Draw a piece of furniture in one of six places from left to right; some plants and boxes stand in front."""
    z = 0.0 if kind in _BACK_WALL else round(rng.uniform(0.08, 0.3), 3)
    if kind in ("box", "plant") and rng.random() < 0.4:
        z = round(rng.uniform(0.8, 0.9), 3)
    shade = rng.randint(60, 190)
    colour = (shade + rng.randint(0, 40), shade, max(shade - rng.randint(0, 40), 0))
    return Prop(kind, round(0.14 + 0.145 * slot + rng.uniform(-0.02, 0.02), 3), z, colour)


def goals_among(props: tuple[Prop, ...]) -> tuple[PropKind, ...]:
    """Return the furniture that walks can lead to whatever the camera sees."""
    return tuple(prop.kind for prop in props if prop.kind in _GOALS and 0.2 <= prop.x <= 0.8)


def draw_camera_kind(rng: Random) -> CameraKind:
    """Draw whether the camera stands still (58 %), pans (26 %) or cuts to another view (16 %)."""
    return rng.choices(("still", "pan", "cut"), (58, 26, 16))[0]


def place_camera(rng: Random, kind: CameraKind, num_frames: int, kept_whole: list[FrameSpan]) -> Camera | None:
    """Draw the views; a shot cut falls into none of the spans `kept_whole`, None where they leave no place for it.

    People keep to the part of the room that all views share, so that nobody is visible more than others.
    """
    if kind == "still":
        return Camera((View(0, 0.5, 1.0, cut=False),), ROOM)
    zoom, side = round(rng.uniform(1.12, 1.2), 3), round(rng.uniform(0.03, 0.06), 3)
    reach = 0.5 / zoom - side - _BODY
    room = (0.5 - reach, 0.5 + reach)
    sign = rng.choice((-1, 1))
    before, after = 0.5 + sign * side, 0.5 - sign * side
    if kind == "pan":
        start = rng.randint(5, num_frames // 2)
        stop = min(start + rng.randint(30, 90), num_frames - 5)
        still, moving = View(0, before, zoom, cut=False), View(start, before, zoom, cut=False)
        return Camera((still, moving, View(stop, after, zoom, cut=False)), room)
    cuts = (rng.randint(num_frames // 8, num_frames - num_frames // 8) for _ in range(40))
    cut = next((cut for cut in cuts if not any(span.start < cut < span.stop for span in kept_whole)), None)
    if cut is None:
        return None
    return Camera((View(0, before, zoom, cut=False), View(cut, after, rng.choice((1.1, zoom)), cut=True)), room)


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
        free = [
            x
            for x in (rng.uniform(*room) for _ in range(24))
            if _is_free(x, walkers, 0.1) and _suits(x, _next_goal(script, 0), props, room)
        ]
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
    close = rng.random() < 0.25
    prop = next((prop for prop in props if prop.kind == timed.step.goal), None)
    for attempt in range(24):
        way = -1 if timed.step.goal == "left" else 1 if timed.step.goal == "right" else rng.choice((-1, 1))
        x = prop.x + rng.uniform(-0.055, 0.055) if prop else walker.x + way * rng.uniform(_LEAST_WALK, reach)
        suits = room[0] <= x <= room[1] and _LEAST_WALK <= abs(x - walker.x) <= reach
        suits = suits and all(abs(x - other.x) > 0.13 for other in props if other.kind in avoided)
        if (
            suits
            and _is_free(x, others, 0.06 if close or attempt >= 12 else 0.11)
            and _suits(x, _next_goal(script, k + 1), props, room)
        ):
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
    return all(_LEAST_WALK + 0.03 <= abs(x - prop.x) <= 0.37 for prop in props if prop.kind == goal)
