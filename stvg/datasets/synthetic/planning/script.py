"""Write what each person does over the whole clip.

Everyone's script comes from the same distribution: two planted sequences anywhere in the clip, and free acts wherever
there is time left. Whoever is described later, nothing here knows it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from stvg.datasets.synthetic.planning.claims import READ_AS, Goal, Step
from stvg.datasets.synthetic.planning.scene import ActionName, PropKind
from stvg.types import FrameSpan

ACT_FRAMES = (12, 35)
"""Shortest and longest act, in frames at 10 frames/s."""
SPAN_FRAMES = (20, 76)
"""Shortest and longest planted sequence."""

_STANDING: dict[ActionName, float] = {
    "walk": 6.0,
    "turn_around": 1.6,
    "sit_down": 1.6,
    "raise_hand": 1,
    "wave": 1,
    "bend_down": 1,
    "pick_up": 1.2,
    "put_down": 1.6,
    "point": 1,
    "jump": 1,
    "crouch": 1,
    "clap": 1,
    "kick": 1,
    "stretch": 1,
}
_SEATED: dict[ActionName, float] = {
    "stand_up": 3,
    "wave": 1,
    "clap": 1,
    "point": 1,
    "raise_hand": 1,
    "stretch": 1,
    "pick_up": 0.6,
    "put_down": 1,
}
_NEED_FREE_HANDS: frozenset[ActionName] = frozenset({"pick_up", "clap", "stretch"})
_BRIDGE_FRAMES = 20


@dataclass(frozen=True, slots=True)
class Posture:
    """The state between two acts: sitting or standing, with something in the hand or not."""

    seated: bool
    holding: bool

    def allows(self, action: ActionName) -> bool:
        """Return whether the action makes sense now."""
        if action not in (_SEATED if self.seated else _STANDING) or (action == "put_down" and not self.holding):
            return False
        return not (self.holding and action in _NEED_FREE_HANDS)

    def after(self, action: ActionName) -> "Posture":
        """Return the state after the action.

        >>> Posture(seated=False, holding=True).after("sit_down")
        Posture(seated=True, holding=True)
        """
        seated = action == "sit_down" or (self.seated and action != "stand_up")
        return Posture(seated, action == "pick_up" or (self.holding and action != "put_down"))


@dataclass(frozen=True, slots=True)
class TimedStep:
    """A step and its frames."""

    step: Step
    start: int
    stop: int


Plant = tuple[TimedStep, ...]
"""A planted sequence with its frames."""


@dataclass(frozen=True, slots=True)
class Script:
    """All that one person does, where it goes undecided: steps in order of time, and the two planted spans."""

    seated: bool
    steps: tuple[TimedStep, ...]
    planted: tuple[FrameSpan, FrameSpan]


def draw_sequence(rng: Random, goals: tuple[PropKind, ...]) -> tuple[Step, ...]:
    """Draw one to three consecutive steps; a lone walk leads to one of `goals`, never just anywhere."""
    length = rng.choices((1, 2, 3), (31, 46, 23))[0]
    posture = Posture(rng.random() < 0.2, rng.random() < 0.1)
    steps: list[Step] = []
    for _ in range(length):
        action = draw_action(rng, posture, frozenset({steps[-1].action}) if steps else frozenset())
        steps.append(Step(action, _draw_goal(rng, goals, length) if action == "walk" else None))
        posture = posture.after(action)
    return tuple(steps)


def _draw_goal(rng: Random, goals: tuple[PropKind, ...], length: int) -> Goal | None:
    kind = "prop" if length == 1 else rng.choices(("side", "prop", "none"), (55, 30, 15))[0]
    if kind == "none":
        return None
    return rng.choice(goals) if kind == "prop" else rng.choice(("left", "right"))


def draw_action(rng: Random, posture: Posture, excluded: frozenset[ActionName]) -> ActionName:
    """Draw an action that the posture allows and that is not excluded; a walk or standing up where nothing is left."""
    weights = _SEATED if posture.seated else _STANDING
    names = [name for name in weights if name not in excluded and posture.allows(name)]
    if not names:
        return "stand_up" if posture.seated else "walk"
    return rng.choices(names, [weights[name] for name in names])[0]


def time_sequence(rng: Random, sequence: tuple[Step, ...]) -> Plant:
    """Give each step of a planted sequence its frames, from 0 on, so that the whole lasts SPAN_FRAMES."""
    longest = min(ACT_FRAMES[1], SPAN_FRAMES[1] // len(sequence) - 2)
    shortest = SPAN_FRAMES[0] if len(sequence) == 1 else ACT_FRAMES[0]
    frame, timed = 0, list[TimedStep]()
    for step in sequence:
        frame += rng.randint(0, 2) if timed else 0
        length = rng.randint(max(shortest, 15) if step.action == "walk" else shortest, longest)
        timed.append(TimedStep(step, frame, frame + length))
        frame += length
    return tuple(timed)


def shift(plant: Plant, frames: int) -> Plant:
    """Return the sequence that many frames later."""
    return tuple(TimedStep(timed.step, timed.start + frames, timed.stop + frames) for timed in plant)


def spoilers(sequence: tuple[Step, ...]) -> frozenset[ActionName]:
    """Return the actions whose mere occurrence would be read as the sequence: those of a single step but a walk."""
    if len(sequence) > 1 or sequence[0].action == "walk":
        return frozenset()
    return READ_AS.get(sequence[0].action, frozenset({sequence[0].action}))


def write_script(
    rng: Random, num_frames: int, plants: tuple[Plant, Plant], excluded: frozenset[ActionName]
) -> Script | None:
    """Fill the time around the two planted sequences with free acts, none of them `excluded`.

    None where the draw leaves no time for getting up or for fetching what is put down.
    """
    posture = _first_posture(rng, plants[0])
    seated, frame, steps = posture.seated, 0, list[TimedStep]()
    for plant in plants:
        filling = _fill(rng, frame, plant[0].start, posture, excluded, _is_ready_for(plant))
        if filling is None:
            return None
        steps += (*filling[0], *plant)
        posture, frame = filling[1], plant[-1].stop
        for timed in plant:
            posture = posture.after(timed.step.action)
    rest = _fill(rng, frame, num_frames, posture, excluded, lambda _: True)
    if rest is None:
        return None
    first, second = (FrameSpan(plant[0].start, plant[-1].stop) for plant in plants)
    return Script(seated, (*steps, *rest[0]), (first, second))


def _first_posture(rng: Random, plant: Plant) -> Posture:
    """Draw the state at frame 0: mostly one in which the first planted sequence could begin at once."""
    seated, is_ready = rng.random() < 0.15, _is_ready_for(plant)
    wanted = (Posture(seated, False), Posture(not seated, False), Posture(False, True), Posture(True, True))
    return next((posture for posture in wanted if is_ready(posture)), wanted[0])


def _is_ready_for(plant: Plant) -> Callable[[Posture], bool]:
    """Return a test for postures in which the whole sequence can be acted."""

    def is_ready(posture: Posture) -> bool:
        for timed in plant:
            if not posture.allows(timed.step.action):
                return False
            posture = posture.after(timed.step.action)
        return True

    return is_ready


def _fill(
    rng: Random,
    start: int,
    stop: int,
    posture: Posture,
    excluded: frozenset[ActionName],
    is_ready: Callable[[Posture], bool],
) -> tuple[list[TimedStep], Posture] | None:
    """Fill frames `start` to `stop` with free acts and idles such that the posture at the end is ready."""
    acts: list[tuple[ActionName, int]] = []
    room, last = stop - start, frozenset[ActionName]()
    while True:
        action = draw_action(rng, posture, excluded | last)
        length = rng.randint(15 if action == "walk" else ACT_FRAMES[0], 28)
        bridge = _bridge(posture.after(action), is_ready)
        if length + 6 + _BRIDGE_FRAMES * len(bridge or ()) > room or bridge is None:
            break
        acts.append((action, length))
        posture, room = posture.after(action), room - length
        room -= rng.randint(2, 6)
        last = frozenset() if action == "walk" else frozenset({action})
    bridge = _bridge(posture, is_ready)
    if bridge is None or _BRIDGE_FRAMES * len(bridge) > room:
        return None
    for action in bridge:
        acts.append((action, rng.randint(ACT_FRAMES[0], 18)))
        posture = posture.after(action)
    return _place(rng, start, stop, acts), posture


def _bridge(posture: Posture, is_ready: Callable[[Posture], bool]) -> tuple[ActionName, ...] | None:
    """Return the fewest acts that make the posture ready, None where two are not enough."""
    bridges: tuple[tuple[ActionName, ...], ...] = (
        (),
        ("stand_up",),
        ("sit_down",),
        ("pick_up",),
        ("put_down",),
        ("pick_up", "stand_up"),
        ("pick_up", "sit_down"),
        ("put_down", "stand_up"),
        ("put_down", "sit_down"),
    )
    for bridge in bridges:
        state, possible = posture, True
        for action in bridge:
            possible = possible and state.allows(action)
            state = state.after(action)
        if possible and is_ready(state):
            return bridge
    return None


def _place(rng: Random, start: int, stop: int, acts: list[tuple[ActionName, int]]) -> list[TimedStep]:
    """Spread the idle time between `start` and `stop` at random over the gaps before, between and after the acts."""
    idle = stop - start - sum(length for _, length in acts)
    ends = sorted(rng.randint(0, idle) for _ in acts)
    timed, frame, used = [], start, 0
    for (action, length), end in zip(acts, ends, strict=True):
        frame += end - used
        used = end
        timed.append(TimedStep(Step(action), frame, frame + length))
        frame += length
    return timed
