"""The rules of the demo world, measured on planned clips. They are fixed: a failure is a defect of the planner."""

from collections import Counter
from functools import cache
from statistics import mean

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare, ks_2samp

from stvg.datasets.synthetic.planning.claims import Step, fits_phrase, occurrences
from stvg.datasets.synthetic.planning.clip import PlannedClip, plan_clips
from stvg.datasets.synthetic.planning.scene import Actor, Scene
from stvg.types import FrameSpan

SEEDS = {"train": range(400), "test": range(5000, 5300)}


@cache
def clips() -> list[PlannedClip]:
    return [plan_clips(seed, split, 1)[0] for split, seeds in SEEDS.items() for seed in seeds]


def naive_reading(steps: tuple[Step, ...], actor: Actor) -> list[FrameSpan]:
    """Consecutive acts of the named actions, wherever walks lead: looser than a strict reader of goals."""
    wanted = [step.action for step in steps]
    names = [act.action for act in actor.acts]
    starts = [k for k in range(len(names)) if names[k : k + len(wanted)] == wanted]
    return [FrameSpan(actor.acts[k].start, actor.acts[k + len(wanted) - 1].stop) for k in starts]


def overlap(a: FrameSpan, b: FrameSpan) -> bool:
    return a.start < b.stop and b.start < a.stop


def test_same_seed_same_clip() -> None:
    assert plan_clips(3, "train", 1)[0] == plan_clips(3, "train", 1)[0]
    assert plan_clips(3, "train", 1)[0].scene == plan_clips(3, "test", 1)[0].scene
    assert plan_clips(3, "train", 1)[0] != plan_clips(4, "train", 1)[0]


def test_twins_are_frequent() -> None:
    for part in (clips()[:400], clips()[400:]):
        assert mean(bool(clip.clothing_twins) for clip in part) >= 0.6
        assert mean(bool(clip.action_twins) for clip in part) >= 0.6
        assert mean(bool(clip.clothing_twins) and bool(clip.action_twins) for clip in part) >= 0.35


def test_exactly_one_person_and_time_fit() -> None:
    for clip in clips():
        fitting = [
            (actor.actor_id, span)
            for actor in clip.scene.actors
            if fits_phrase(actor.outfit, clip.phrase)
            for span in occurrences(clip.steps, actor, clip.scene.props, generous=True)
        ]
        assert fitting == [(clip.target_id, clip.span)]
        assert clip.span in naive_reading(clip.steps, clip.scene.actors[clip.target_id])


def test_twins_are_what_they_claim() -> None:
    for clip in clips():
        target = clip.scene.actors[clip.target_id].outfit
        for twin in clip.clothing_twins:
            outfit = clip.scene.actors[twin].outfit
            assert twin != clip.target_id
            assert outfit.gender == target.gender
            for garment in clip.phrase.garments:
                colours = {"top": outfit.top_colour, "bottom": outfit.bottom_colour, "hat": outfit.hat_colour}
                assert colours[garment.slot] == garment.colour
            assert outfit != target
        for action_twin in clip.action_twins:
            actor = clip.scene.actors[action_twin.actor_id]
            assert not fits_phrase(actor.outfit, clip.phrase)
            assert action_twin.span in naive_reading(clip.steps, actor)
            assert not overlap(action_twin.span, clip.span)


def test_the_checker_sees_an_ambiguous_scene() -> None:
    clip = next(clip for clip in clips() if clip.action_twins)
    impostor = clip.scene.actors[clip.action_twins[0].actor_id]
    assert occurrences(clip.steps, impostor, clip.scene.props, generous=True)


def test_undescribed_clothes_of_twins_differ() -> None:
    differing = [
        clip.scene.actors[twin].outfit.bottom_colour != clip.scene.actors[clip.target_id].outfit.bottom_colour
        for clip in clips()
        for twin in clip.clothing_twins
        if all(garment.slot != "bottom" for garment in clip.phrase.garments)
    ]
    assert all(differing)


def test_scripts_are_playable() -> None:
    for clip in clips():
        for actor in clip.scene.actors:
            seated, frame = actor.seated, 0
            for act in actor.acts:
                assert frame <= act.start < act.stop <= clip.scene.num_frames
                assert 12 <= act.stop - act.start <= 35
                frame = act.stop
                if act.action in ("walk", "turn_around", "sit_down", "bend_down", "jump", "crouch", "kick"):
                    assert not seated
                assert act.action != "stand_up" or seated
                assert (act.action == "walk") == (act.to is not None)
                seated = act.action == "sit_down" or (seated and act.action != "stand_up")


def test_clip_shape() -> None:
    lengths = Counter(len(clip.steps) for clip in clips())
    total = len(clips())
    for count, share in ((1, 0.25), (2, 0.5), (3, 0.25)):
        assert lengths[count] / total == pytest.approx(share, abs=0.07)
    people = Counter(len(clip.scene.actors) for clip in clips())
    assert set(people) == {2, 3, 4, 5}
    assert people[3] / total > 0.45
    assert all(190 <= clip.scene.num_frames <= 210 for clip in clips())
    assert all(20 <= clip.span.length <= 80 for clip in clips())
    cuts = [clip for clip in clips() if any(view.cut for view in clip.scene.views)]
    pans = [clip for clip in clips() if len(clip.scene.views) > 1 and clip not in cuts]
    assert len(cuts) / total == pytest.approx(0.15, abs=0.06)
    assert len(pans) / total == pytest.approx(0.25, abs=0.06)
    for clip in cuts:
        assert not any(view.cut and clip.span.start < view.start < clip.span.stop for view in clip.scene.views)
    assert len({step.action for clip in clips() for step in clip.steps}) == 15


def test_everyone_stays_in_view() -> None:
    """Zoomed views keep people's floor positions inside, so that being seen less betrays no one."""
    for clip in clips():
        xs = [
            x for actor in clip.scene.actors for x in (actor.position[0], *(act.to[0] for act in actor.acts if act.to))
        ]
        for view in clip.scene.views:
            assert view.centre_x - 0.5 / view.zoom + 0.03 <= min(xs)
            assert max(xs) <= view.centre_x + 0.5 / view.zoom - 0.03


def _x_at(actor: Actor, frame: int) -> float:
    x = actor.position[0]
    for act in actor.acts:
        if act.to is not None and act.start <= frame:
            x = act.to[0]
    return x


def _distance(actor: Actor) -> float:
    x, total = actor.position[0], 0.0
    for act in actor.acts:
        if act.to is not None:
            total, x = total + abs(act.to[0] - x), act.to[0]
    return total


def _colours(actor: Actor) -> int:
    outfit = actor.outfit
    return len({outfit.top_colour, outfit.bottom_colour, outfit.hat_colour})


def _mates(scene: Scene, actor: Actor) -> int:
    return sum(other.outfit.top_colour == actor.outfit.top_colour for other in scene.actors)


PROPERTIES = {
    "place in the list": lambda scene, actor: scene.actors.index(actor),
    "x at the start": lambda scene, actor: actor.position[0],
    "x in the middle of the clip": lambda scene, actor: _x_at(actor, scene.num_frames // 2),
    "depth, thus size": lambda scene, actor: actor.position[1],
    "height": lambda scene, actor: actor.height,
    "number of acts": lambda scene, actor: len(actor.acts),
    "time spent acting": lambda scene, actor: sum(act.stop - act.start for act in actor.acts),
    "longest act": lambda scene, actor: max(act.stop - act.start for act in actor.acts),
    "distance walked": lambda scene, actor: _distance(actor),
    "number of walks": lambda scene, actor: sum(act.action == "walk" for act in actor.acts),
    "first act": lambda scene, actor: actor.acts[0].start,
    "number of colours": lambda scene, actor: _colours(actor),
    "people in that top colour": _mates,
    "a hat": lambda scene, actor: actor.outfit.hat_colour is not None,
    "gender": lambda scene, actor: actor.outfit.gender == "man",
    "seated at first": lambda scene, actor: actor.seated,
    "kinds of action": lambda scene, actor: len({act.action for act in actor.acts}),
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_nothing_ranks_the_target(name: str) -> None:
    """The target's rank among its clip's people, ties broken by a coin, is uniform over ranks."""
    rng = np.random.default_rng(1)
    for count in (2, 3, 4, 5):
        ranks = []
        for clip in clips():
            actors = clip.scene.actors
            if len(actors) == count:
                values = [(PROPERTIES[name](clip.scene, actor), rng.random()) for actor in actors]
                ranks.append(sorted(values).index(values[clip.target_id]))
        assert chisquare(np.bincount(ranks, minlength=count)).pvalue > 0.001, (count, np.bincount(ranks))


def test_a_probe_finds_no_target() -> None:
    """A linear probe on all properties, relative to the clip's mean, picks the target no better than by chance."""

    def table(part: list[PlannedClip]) -> tuple[np.ndarray, np.ndarray, list[slice]]:
        rows, targets, groups = [], [], []
        for clip in part:
            values = np.array([[float(f(clip.scene, a)) for f in PROPERTIES.values()] for a in clip.scene.actors])
            groups.append(slice(len(targets), len(targets) + len(values)))
            rows.append(values - values.mean(axis=0))
            targets += [actor.actor_id == clip.target_id for actor in clip.scene.actors]
        return np.concatenate(rows), np.array(targets, float), groups

    features, targets, groups = table(clips())
    features = features / (features.std(axis=0) + 1e-9)
    cut = groups[400].start
    ridge = features[:cut].T @ features[:cut] + 10 * np.eye(features.shape[1])
    weights = np.linalg.solve(ridge, features[:cut].T @ (targets[:cut] - targets[:cut].mean()))
    hits = sum(targets[g][np.argmax(features[g] @ weights)] for g in groups[400:])
    chance = mean(1 / (g.stop - g.start) for g in groups[400:])
    assert binomtest(int(hits), len(groups) - 400, chance).pvalue > 0.01


def test_time_does_not_tell_target_from_twin() -> None:
    pairs = [(clip.span, twin.span) for clip in clips() for twin in clip.action_twins]
    before = sum(target.start < twin.start for target, twin in pairs)
    assert binomtest(before, len(pairs)).pvalue > 0.01
    assert ks_2samp([a.start for a, _ in pairs], [b.start for _, b in pairs]).pvalue > 0.01
    assert ks_2samp([a.length for a, _ in pairs], [b.length for _, b in pairs]).pvalue > 0.01


def test_spans_lie_anywhere() -> None:
    """No fifth of the clip holds more than 30 % of the spans' middles, nor less than 10 %."""
    middles = [(clip.span.start + clip.span.stop) / 2 / clip.scene.num_frames for clip in clips()]
    shares = np.histogram(middles, bins=5, range=(0, 1))[0] / len(middles)
    assert shares.max() < 0.3
    assert shares.min() > 0.1
