from dataclasses import replace

import numpy as np
import pytest

from spatial.features.descriptors.part_colours import COLOURS_DIM, NUM_PARTS
from spatial.features.descriptors.pose_columns import POSE_DIM, PersonMeasures, describe_people
from spatial.features.descriptors.slopes import slopes

SIZE = (640, 360)
# A person of 200 pixels who stands upright and faces the camera; the left hand is at the picture's right.
UPRIGHT = {
    0: (0, 18),
    1: (4, 14),
    2: (-4, 14),
    3: (9, 17),
    4: (-9, 17),
    5: (22, 40),
    6: (-22, 40),
    7: (26, 75),
    8: (-26, 75),
    9: (28, 105),
    10: (-28, 105),
    11: (12, 98),
    12: (-12, 98),
    13: (13, 145),
    14: (-13, 145),
    15: (13, 190),
    16: (-13, 190),
}


def person(x=300.0, rows=10, rate=5.0, speed=0.0, raised=False):
    """Somebody whose box begins at row 100, moving by `speed` pixels a second."""
    seconds = np.arange(rows) / rate
    middle = x + speed * seconds
    joints = np.ones((rows, 17, 3)) * 0.8
    for joint, (dx, dy) in UPRIGHT.items():
        joints[:, joint, 0], joints[:, joint, 1] = middle + dx, 100 + dy
    if raised:
        joints[:, 9, :2] = np.stack([middle + 25, np.full(rows, 100.0)], axis=1)
    boxes = np.stack([middle - 35, np.full(rows, 100.0), middle + 35, np.full(rows, 300.0)], axis=1)
    colours = np.full((rows, NUM_PARTS, COLOURS_DIM), 0.05)
    arrays = (seconds, boxes, joints, colours, np.full(rows, 0.7), np.zeros((rows, 2)))
    return PersonMeasures(*(np.asarray(one, np.float32) for one in arrays))


def columns(*people, clip_s=4.0):
    return describe_people(people, SIZE, clip_s)


def test_every_person_gets_finite_columns_of_the_promised_width():
    described = columns(person(), person(x=450, rows=3))
    assert [one.shape for one in described] == [(10, POSE_DIM), (3, POSE_DIM)]
    assert all(np.isfinite(one).all() and one.dtype == np.float32 and abs(one).max() <= 3 for one in described)


def test_nobody_and_one_row_are_described():
    assert columns() == ()
    assert np.isfinite(columns(person(rows=1))[0]).all()


def test_place_and_size_of_the_picture_do_not_change_the_pose():
    near, far = person(), person()
    halved = replace(far, boxes_xyxy=far.boxes_xyxy / 2, joints=far.joints * np.float32([0.5, 0.5, 1]))
    pose = slice(0, 34)
    assert np.allclose(columns(near)[0][:, pose], columns(halved)[0][:, pose], atol=1e-5)


def test_a_raised_hand_changes_the_limbs_and_not_the_colours():
    calm, raised = columns(person())[0], columns(person(raised=True))[0]
    limbs, colours = slice(93, 119), slice(119, 263)
    assert np.abs(calm - raised)[:, limbs].max() > 0.5
    assert np.array_equal(calm[:, colours], raised[:, colours])


def test_joints_that_are_unsure_count_for_nothing():
    unsure = person()
    joints = unsure.joints.copy()
    joints[:, 9] = [5000, -5000, 0.1]
    lost = columns(replace(unsure, joints=joints))[0]
    assert np.all(lost[:, 2 * 9 : 2 * 9 + 2] == 0)
    assert np.abs(lost).max() <= 3


def test_a_walk_to_the_right_shows_and_a_pan_that_explains_it_does_not():
    still, walks = columns(person())[0], columns(person(speed=100))[0]
    panned = person(speed=100)
    explained = columns(replace(panned, camera=np.tile(np.float32([100, 0]), (10, 1))))[0]
    velocity = 85
    assert np.allclose(still[:, velocity], 0, atol=1e-4)
    assert (walks[2:-2, velocity] > 0.4).all()
    assert np.allclose(explained[2:-2, velocity], 0, atol=0.06)  # slopes shrink a little


def test_hands_near_another_person_show():
    alone, near, far = columns(person())[0], columns(person(), person(x=340))[0], columns(person(), person(x=560))[0]
    hands = POSE_DIM - 9 + 2
    assert alone[0, hands] == 1.0
    assert near[0, hands] < far[0, hands] < 1.0


def test_slopes_of_a_line_are_its_slope_and_shrink_without_neighbours():
    seconds = np.arange(20) / 5
    line = (3.0 * seconds)[:, None]
    assert slopes(seconds, line, np.ones((20, 1)))[5:15] == pytest.approx(3.0, abs=0.25)
    assert slopes(seconds[:1], line[:1], np.ones((1, 1))) == pytest.approx(0.0)
