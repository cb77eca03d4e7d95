"""Plan one clip: scene, person, span, and the sentence that fits.

How the rules are kept: the scene is made first, with nobody chosen. Its people form groups that a noun phrase cannot
tell apart, and people of different groups share planted sequences of acts at different times. Every planted sequence
of every person is checked to be acted by no one else of its group and by itself only once. Only then are the person,
and which of its two planted sequences is meant, drawn uniformly. So position, size, order, script, clothes and time
say nothing about who is described.
"""

from dataclasses import dataclass
from itertools import zip_longest
from random import Random
from typing import Literal

from stvg.datasets.synthetic.planning.captions import Wording, write_caption
from stvg.datasets.synthetic.planning.claims import NounPhrase, Step, occurrences
from stvg.datasets.synthetic.planning.outfits import dress_people
from stvg.datasets.synthetic.planning.scene import ActionName, Actor, PropKind, Scene
from stvg.datasets.synthetic.planning.script import (
    Plant,
    Script,
    draw_sequence,
    shift,
    spoilers,
    time_sequence,
    write_script,
)
from stvg.datasets.synthetic.planning.staging import (
    CameraKind,
    draw_camera_kind,
    furnish,
    goals_among,
    lay_paths,
    place_camera,
)
from stvg.types import FrameSpan

Split = Literal["train", "val", "test"]
WIDTH, HEIGHT, FPS = 640, 360, 10.0
_PEOPLE = ((2, 3, 4, 5), (9, 50, 28, 13))
Sequences = tuple[tuple[Step, ...], tuple[Step, ...]]


@dataclass(frozen=True, slots=True)
class ActionTwin:
    """Someone in other clothes who acts the described sequence, and when."""

    actor_id: int
    span: FrameSpan


@dataclass(frozen=True, slots=True)
class PlannedClip:
    """A clip's script and its truth.

    `phrase` and `steps` are what the caption claims; `clothing_twins` are the others whom the phrase fits.
    """

    scene: Scene
    target_id: int
    span: FrameSpan
    caption: str
    wording: Wording
    phrase: NounPhrase
    steps: tuple[Step, ...]
    clothing_twins: tuple[int, ...]
    action_twins: tuple[ActionTwin, ...]


@dataclass(frozen=True, slots=True)
class _Cast:
    """The people of a clip before anyone is chosen: who dresses alike, what each one's planted sequences are."""

    groups: list[int]
    sequences: list[Sequences]
    planted: list[tuple[FrameSpan, FrameSpan]]
    scene: Scene
    phrases: tuple[NounPhrase, ...]


def plan_clips(seed: int, split: Split, count: int) -> tuple[PlannedClip, ...]:
    """Plan `count` clips of one footage: one scene, of which each describes another (person, planted sequence).

    As in HC-STVG, where one video carries several clips. `split` only decides the wording of the captions (see
    captions.py). There are two planted sequences per person, so four to ten pairs; where `count` is more, they are
    described again, in other words.
    """
    rng = Random(seed)  # noqa: S311 - reproducible scenes, not secrets
    groups = _draw_groups(rng)
    camera_kind = draw_camera_kind(rng)
    cast = None
    while cast is None:
        cast = _try_to_cast(rng, groups, camera_kind)
    choices = [(target, which) for target in range(len(groups)) for which in range(2)]
    drawn = rng.sample(choices, min(count, len(choices)))
    return tuple(_describe(rng, cast, *drawn[clip % len(drawn)], split) for clip in range(count))


def _describe(rng: Random, cast: _Cast, target: int, which: int, split: Split) -> PlannedClip:
    """Write the sentence that says what the person `target` does in its planted sequence `which`."""
    scene = cast.scene
    steps, span, phrase = cast.sequences[target][which], cast.planted[target][which], cast.phrases[target]
    others = [actor for actor in scene.actors if actor.actor_id != target]
    alike = tuple(other.actor_id for other in others if cast.groups[other.actor_id] == cast.groups[target])
    twins = tuple(
        ActionTwin(other.actor_id, found)
        for other in others
        if other.actor_id not in alike
        for found in occurrences(steps, other, scene.props, generous=False)
        if found.stop <= span.start or found.start >= span.stop
    )
    written = write_caption(rng, phrase, steps, novel=split == "test" and rng.random() < 0.5)
    return PlannedClip(scene, target, span, written.text, written.wording, phrase, steps, alike, twins)


def _draw_groups(rng: Random) -> list[int]:
    """Draw how many people there are and which of them dress alike; a person's number says nothing."""
    count = rng.choices(*_PEOPLE)[0]
    pair_or_strangers = [0, 0] if rng.random() < 0.5 else [0, 1]
    groups = {2: pair_or_strangers, 3: [0, 0, 1], 4: [0, 0, 1, 1], 5: [0, 0, 1, 1, 2]}[count]
    rng.shuffle(groups)
    return groups


def _try_to_cast(rng: Random, groups: list[int], camera_kind: CameraKind) -> _Cast | None:
    """Draw a scene in which every planted sequence of every person could be described; None where a draw fails."""
    num_frames = rng.randint(190, 210)
    props = furnish(rng)
    goals = goals_among(props)
    sequences = _draw_sequences(rng, groups, goals)
    scripts = _write_scripts(rng, groups, sequences, num_frames)
    if scripts is None:
        return None
    camera = place_camera(rng, camera_kind, num_frames, [span for script in scripts for span in script.planted])
    if camera is None:
        return None
    avoided = [
        frozenset(step.goal for step in _lone_steps(groups, sequences, who) if step.goal in goals)
        for who in range(len(groups))
    ]
    attempts = (lay_paths(rng, scripts, avoided, props, camera.room) for _ in range(12))
    paths = next((paths for paths in attempts if paths), None)
    if paths is None:
        return None
    wardrobe = dress_people(rng, groups)
    actors = tuple(
        Actor(k, outfit, round(rng.uniform(0.92, 1.08), 3), path.position, path.facing, script.seated, path.acts)
        for k, (outfit, path, script) in enumerate(zip(wardrobe.outfits, paths, scripts, strict=True))
    )
    scene = Scene(rng.getrandbits(31), num_frames, FPS, WIDTH, HEIGHT, actors, props, camera.views)
    cast = _Cast(groups, sequences, [script.planted for script in scripts], scene, wardrobe.phrases)
    return cast if _all_are_unique(cast) else None


def _draw_sequences(rng: Random, groups: list[int], goals: tuple[PropKind, ...]) -> list[Sequences]:
    """Draw each person's first and second planted sequence.

    People stand in a ring in which neighbours dress differently where that is possible. Each shares its first sequence
    with the next one, whose second it is: so the two act it at different times. Neighbours of one group share none.
    """
    ring = _ring(groups)
    first: dict[int, tuple[Step, ...]] = {}
    second: dict[int, tuple[Step, ...]] = {}
    drawn: list[tuple[Step, ...]] = []
    for who, neighbour in zip(ring, ring[1:] + ring[:1], strict=True):
        first[who] = second[neighbour] = _draw_another(rng, goals, drawn)
        if groups[who] == groups[neighbour]:
            second[neighbour] = _draw_another(rng, goals, drawn)
    return [(first[who], second[who]) for who in range(len(groups))]


def _ring(groups: list[int]) -> list[int]:
    """Return the people in an order in which neighbours, last and first too, differ in group where possible.

    >>> _ring([0, 1, 0])
    [0, 1, 2]
    >>> _ring([0, 0, 1, 1, 2])
    [0, 2, 1, 4, 3]
    """
    members = [[who for who, group in enumerate(groups) if group == wanted] for wanted in sorted(set(groups))]
    members.sort(key=len, reverse=True)
    if len(members) == 3:
        (a, b), (c, d), (e,) = members
        return [a, c, b, e, d]
    return [who for pair in zip_longest(*members) for who in pair if who is not None]


def _draw_another(rng: Random, goals: tuple[PropKind, ...], drawn: list[tuple[Step, ...]]) -> tuple[Step, ...]:
    """Draw a sequence that could not be taken for one of `drawn` nor the other way round, and add it there."""
    while True:
        new = draw_sequence(rng, goals)
        actions = [step.action for step in new]
        for old in drawn:
            others = [step.action for step in old]
            if actions == others or spoilers(new) & set(others) or spoilers(old) & set(actions):
                break
        else:
            drawn.append(new)
            return new


def _write_scripts(rng: Random, groups: list[int], sequences: list[Sequences], num_frames: int) -> list[Script] | None:
    """Write everyone's script around its planted sequences; None where one does not work out."""
    plants = _time_plants(rng, groups, sequences, num_frames)
    if plants is None:
        return None
    scripts = []
    for who, own in enumerate(plants):
        excluded = frozenset[ActionName]().union(*(spoilers((step,)) for step in _lone_steps(groups, sequences, who)))
        attempts = (write_script(rng, num_frames, own, excluded) for _ in range(6))
        script = next((script for script in attempts if script), None)
        if script is None:
            return None
        scripts.append(script)
    return scripts


def _time_plants(
    rng: Random, groups: list[int], sequences: list[Sequences], num_frames: int
) -> list[tuple[Plant, Plant]] | None:
    """Decide when everyone acts its planted sequences: anywhere, but no shared one by both at the same time."""
    ring = _ring(groups)
    for _ in range(40):
        timed: list[tuple[Plant, Plant]] = []
        for own in sequences:
            first, second = (time_sequence(rng, sequence) for sequence in own)
            idle = num_frames - first[-1].stop - second[-1].stop
            # Often close together: two spans spread at random would leave the middle of the clip to few of them.
            apart = rng.randint(0, 12) if rng.random() < 0.6 else rng.randint(0, idle - 1)
            begin = rng.randint(1, max(idle - apart, 1))
            timed.append((shift(first, begin), shift(second, begin + first[-1].stop + min(apart, idle - begin))))
        shared = [
            (timed[who][0], timed[neighbour][1]) for who, neighbour in zip(ring, ring[1:] + ring[:1], strict=True)
        ]
        if all(one[-1].stop <= two[0].start or two[-1].stop <= one[0].start for one, two in shared):
            return timed
    return None


def _lone_steps(groups: list[int], sequences: list[Sequences], who: int) -> list[Step]:
    """Return the one-step sequences planted in a person or in someone dressed alike."""
    alike = (own for group, own in zip(groups, sequences, strict=True) if group == groups[who])
    return [sequence[0] for own in alike for sequence in own if len(sequence) == 1]


def _all_are_unique(cast: _Cast) -> bool:
    """Return whether each planted sequence is read once in its person's script and never in that of its like."""
    for who, (own, spans) in enumerate(zip(cast.sequences, cast.planted, strict=True)):
        for steps, span in zip(own, spans, strict=True):
            for other, group in enumerate(cast.groups):
                if group != cast.groups[who]:
                    continue
                found = occurrences(steps, cast.scene.actors[other], cast.scene.props, generous=True)
                if found != ([span] if other == who else []):
                    return False
    return True
