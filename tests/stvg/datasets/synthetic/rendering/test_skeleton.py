"""Skeletons: what each action does to the body."""

from typing import get_args

import numpy as np
import pytest

from stvg.datasets.synthetic.planning.scene import Act, ActionName, Actor, Outfit, Scene, View
from stvg.datasets.synthetic.rendering.skeleton import DEPTH, J, Motion, pose
from stvg.types import FloatArray

OUTFIT = Outfit("man", "shirt", "red", "trousers", "blue", None, False, (40, 30, 20), (220, 180, 150))
START, STOP = 20, 50


def act_out(action: ActionName, seed: int = 3, seated: bool = False, facing: int = 1) -> Motion:
    """Return the movement of one person who does one thing in frames 20 to 50 of 80."""
    to = (0.75, 0.4) if action == "walk" else None
    after = -1 if action == "turn_around" else 1
    act = Act(action, START, STOP, after if facing == 1 else -after, to)
    actor = Actor(0, OUTFIT, 1.0, (0.4, 0.5), facing, seated or action == "stand_up", (act,))
    return pose(actor, Scene(seed, 80, 10.0, 640, 360, (actor,), (), (View(0, 0.5, 1.0, False),)))


def travel(motion: Motion, joint: str, axis: int) -> float:
    """Return how far a joint's coordinate ranges during the act, in body heights."""
    return float(np.ptp(motion.joints[START:STOP, J[joint], axis]))


@pytest.mark.parametrize("action", get_args(ActionName))
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_joints_stay_within_a_bodys_reach_and_above_the_floor(action: ActionName, seed: int) -> None:
    motion = act_out(action, seed)
    assert motion.joints.shape == (80, 18, 3)
    assert np.isfinite(motion.joints).all()
    assert np.abs(motion.joints[..., [0, 2]]).max() < 0.75
    assert motion.joints[..., 1].min() > 0.0
    assert motion.joints[..., 1].max() < 1.45
    assert ((motion.floor >= 0) & (motion.floor <= 1)).all()


@pytest.mark.parametrize("action", get_args(ActionName))
def test_bones_keep_their_length(action: ActionName) -> None:
    joints = act_out(action).joints.astype(np.float64)
    for first, last in (("l_hip", "l_knee"), ("r_elbow", "r_wrist"), ("l_knee", "l_ankle"), ("neck", "head")):
        length = np.linalg.norm(joints[:, J[first]] - joints[:, J[last]], axis=1)
        assert np.ptp(length) < 0.02, (first, last)


@pytest.mark.parametrize("action", get_args(ActionName))
def test_nothing_jumps_from_one_frame_to_the_next(action: ActionName) -> None:
    # At 10 frames/s the toe of a kick and the hands of a jump are the fastest.
    assert np.abs(np.diff(act_out(action).joints, axis=0)).max() < (0.5 if action in ("kick", "jump") else 0.3)


@pytest.mark.parametrize(
    ("action", "joint", "axis", "least"),
    [
        ("walk", "l_ankle", 0, 0.2),  # steps
        ("turn_around", "r_shoulder", 2, 0.15),  # the shoulders change sides
        ("sit_down", "pelvis", 1, 0.15),
        ("stand_up", "pelvis", 1, 0.15),
        ("raise_hand", "r_wrist", 1, 0.5),
        ("wave", "r_wrist", 0, 0.15),  # to and fro
        ("bend_down", "head", 1, 0.28),
        ("pick_up", "r_wrist", 1, 0.3),
        ("put_down", "r_wrist", 1, 0.3),
        ("point", "r_wrist", 0, 0.2),
        ("jump", "r_toe", 1, 0.15),  # both feet leave the floor
        ("jump", "l_toe", 1, 0.15),
        ("crouch", "pelvis", 1, 0.2),
        ("clap", "l_wrist", 0, 0.15),
        ("kick", "r_ankle", 0, 0.3),
        ("stretch", "l_wrist", 1, 0.5),
        ("stretch", "r_wrist", 1, 0.5),
    ],
)
def test_each_action_moves_what_it_should(action: ActionName, joint: str, axis: int, least: float) -> None:
    motion = act_out(action)
    assert travel(motion, joint, axis) > least
    assert np.ptp(motion.joints[: START - 3, J[joint], axis]) < least / 3, "the body idles before"


def test_only_the_right_hand_is_raised() -> None:
    motion = act_out("raise_hand")
    assert travel(motion, "l_wrist", 1) < 0.1


def test_clapping_hands_meet_again_and_again() -> None:
    motion = act_out("clap")
    gap = np.linalg.norm(motion.joints[:, J["l_wrist"]] - motion.joints[:, J["r_wrist"]], axis=1)[START + 5 : STOP - 5]
    assert gap.min() < 0.13
    turns = np.diff(np.sign(np.diff(gap)))
    assert np.count_nonzero(turns) >= 4


@pytest.mark.parametrize(("facing", "side"), [(1, "r"), (-1, "l")])
def test_the_acting_hand_is_the_one_near_the_camera(facing: int, side: str) -> None:
    motion = act_out("raise_hand", facing=facing)
    assert travel(motion, f"{side}_wrist", 1) > 0.5


@pytest.mark.parametrize("action", ["wave", "clap", "point", "raise_hand", "stretch", "pick_up", "put_down"])
def test_a_seated_person_stays_seated(action: ActionName) -> None:
    motion = act_out(action, seated=True)
    assert travel(motion, "pelvis", 1) < 0.05
    assert (motion.seated == 1).all()


def test_looks_follow_facing() -> None:
    motion = act_out("turn_around")
    sines = np.sin(np.radians(motion.yaw))
    assert (sines[:START] > 0.5).all()
    assert (sines[STOP:] < -0.5).all()


def test_a_walk_ends_at_its_goal() -> None:
    motion = act_out("walk")
    assert motion.floor[START].tolist() == pytest.approx([0.4, 0.5])
    assert motion.floor[STOP:] == pytest.approx(np.tile([0.75, 0.4], (80 - STOP, 1)), abs=1e-6)
    assert (np.diff(motion.floor[START:STOP, 0]) > 0).all()


def test_objects_are_taken_and_left() -> None:
    taken, left = act_out("pick_up"), act_out("put_down")
    assert (taken.held[:START] == -1).all()
    assert (taken.held[STOP:] == 1).all()
    assert not taken.dropped.any()
    assert (left.held[:START] == 1).all()
    assert (left.held[STOP:] == -1).all()
    assert left.dropped[STOP:].all()
    middle = (START + STOP) // 2
    assert taken.joints[middle, J["r_wrist"], 1] < 0.22, "the hand is at the floor when it takes the object"


def test_a_jump_brings_the_whole_body_up() -> None:
    motion = act_out("jump")
    lowest: FloatArray = motion.joints[START:STOP, [J["l_toe"], J["r_toe"]], 1].min(axis=1)
    assert lowest.max() > 0.12


def test_same_seed_same_movement_other_seed_another() -> None:
    first, again, other = act_out("wave", 5), act_out("wave", 5), act_out("wave", 6)
    assert np.array_equal(first.joints, again.joints)
    assert not np.array_equal(first.joints, other.joints)
    assert DEPTH > 0
