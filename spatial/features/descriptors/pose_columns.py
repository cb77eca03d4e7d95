"""Describe people by joints, colours of body parts, place and nearness to others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatial.features.descriptors.part_colours import COLOURS_DIM, LIGHTNESS, NUM_PARTS
from spatial.features.descriptors.slopes import slopes
from stvg.types import BoolArray, Float64Array, FloatArray, IntArray

NUM_JOINTS = 17
"""COCO's joints: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; left before right."""
NOSE, L_EAR, R_EAR = 0, 3, 4
SHOULDERS, ELBOWS, WRISTS, HIPS, KNEES, ANKLES = (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)
POSE_DIM = 2 * 2 * NUM_JOINTS + NUM_JOINTS + 8 + 26 + NUM_PARTS * (COLOURS_DIM + 1) + 18 + 9
"""Columns of describe_people."""
_TORSO_SHARE = 0.29
"""Length from the middle of the shoulders to that of the hips, in body heights."""
SURE = 0.25
"""Confidence of a joint below which its place counts for nothing."""
_FAR = 3.0
"""Body heights beyond which others are far."""


@dataclass(frozen=True, slots=True, eq=False)
class PersonMeasures:
    """What is measured of one tube at R sampled frames, in image pixels.

    `seconds` (R,) from the start of the video; `boxes_xyxy` (R, 4); `joints` (R, 17, 3): x, y and the confidence;
    `colours` (R, 6, 23) of body parts (see part_colours); `scores` (R,) of the detections; `camera` (R, 2): velocity of
    the background behind the person, pixels per second. All float32.
    """

    seconds: FloatArray
    boxes_xyxy: FloatArray
    joints: FloatArray
    colours: FloatArray
    scores: FloatArray
    camera: FloatArray


def describe_people(people: Sequence[PersonMeasures], size: tuple[int, int], clip_s: float) -> tuple[FloatArray, ...]:
    """Return the columns of each person, (R, POSE_DIM) float32, about in [-1, 1].

    `size` is width and height of the images in pixels, `clip_s` the seconds of the whole video. Groups of columns:
    place of the joints relative to the shoulders, in body heights, 34; their confidence 17; their velocities 34;
    velocity of the box without the camera's 8; angles and distances of limbs 26; colours of parts 138 and how light
    each part is beside those of the others 6; place, size and presence 18; nearness to others 9.
    """
    bodies = [_Body.of(person) for person in people]
    lightness = [person.colours[:, :, LIGHTNESS].mean(axis=0) for person in people]
    mean_lightness = np.mean(lightness, axis=0) if lightness else np.zeros(NUM_PARTS)
    described = []
    for index, (person, body) in enumerate(zip(people, bodies, strict=True)):
        columns = [
            1.5 * body.relative.reshape(len(body.gate), -1),
            person.joints[:, :, 2],
            np.tanh(0.6 * body.joint_velocity).reshape(len(body.gate), -1),
            _box_motion(person, body),
            _limbs(body, person),
            (2.0 * np.sqrt(np.maximum(person.colours[:, :, :LIGHTNESS], 0))).reshape(len(body.gate), -1),
            person.colours[:, :, LIGHTNESS:].reshape(len(body.gate), -1),
            2.0 * (person.colours[:, :, LIGHTNESS] - mean_lightness),
            _place(person, people, size, clip_s),
            _nearness(index, people, bodies),
        ]
        described.append(np.nan_to_num(np.concatenate(columns, axis=1)).clip(-3, 3).astype(np.float32))
    return tuple(described)


@dataclass(frozen=True, slots=True, eq=False)
class _Body:
    """A person's joints relative to the body.

    `height` (R,) pixels of the whole body, seen or not; `gate` (R, 17) 1 where a joint counts; `relative` (R, 17, 2)
    from the middle of the shoulders in body heights, 0 where it does not count; `joint_velocity` (R, 17, 2) of that,
    per second. All float32.
    """

    height: FloatArray
    gate: FloatArray
    relative: FloatArray
    joint_velocity: FloatArray

    @classmethod
    def of(cls, person: PersonMeasures) -> "_Body":
        """Measure the body of `person`."""
        xy, confidence = person.joints[:, :, :2], person.joints[:, :, 2]
        gate = (confidence > SURE).astype(np.float32)
        shoulders, hips = xy[:, SHOULDERS].mean(axis=1), xy[:, HIPS].mean(axis=1)
        box = person.boxes_xyxy[:, 3] - person.boxes_xyxy[:, 1]
        torso = np.linalg.norm(shoulders - hips, axis=1)
        sure = gate[:, SHOULDERS + HIPS].min(axis=1) > 0
        share = torso / _TORSO_SHARE / np.maximum(box, 1)
        typical = np.median(share[sure]) if sure.any() else 1.0
        height = box * np.clip(typical, 0.9, 4.0)
        height = np.full_like(height, np.percentile(height, 70)) * 0.5 + 0.5 * np.maximum(height, 1)
        relative = (xy - shoulders[:, None]) / height[:, None, None] * gate[..., None]
        velocity = slopes(person.seconds, relative, gate[..., None])
        return cls(height, gate, relative.astype(np.float32), velocity)


def _box_motion(person: PersonMeasures, body: _Body) -> Float64Array:
    """Return the velocity of the box in body heights per second and of its size, without the camera's: (R, 8)."""
    x1, y1, x2, y2 = person.boxes_xyxy.T
    edges = np.stack([(x1 + x2) / 2, y1, y2], axis=1)
    velocity = slopes(person.seconds, edges, np.ones((len(edges), 1)))
    velocity = (velocity - person.camera[:, [0, 1, 1]]) / body.height[:, None]
    sizes = np.log(np.stack([np.maximum(x2 - x1, 2), np.maximum(y2 - y1, 2)], axis=1))
    growth = slopes(person.seconds, sizes, np.ones((len(edges), 1)))
    speed = np.abs(velocity[:, 0])
    apart = np.abs(person.seconds[:, None] - person.seconds)
    near = (apart < 0.8).astype(np.float64)
    steady = near @ velocity[:, :1] / near.sum(axis=1, keepdims=True)
    limbs = np.linalg.norm(body.joint_velocity, axis=2).mean(axis=1, keepdims=True)
    columns = [np.tanh(1.5 * velocity), np.tanh(2.0 * growth), np.tanh(2 * speed)[:, None], np.tanh(2 * steady)]
    return np.concatenate([*columns, np.tanh(limbs)], axis=1)


def _limbs(body: _Body, person: PersonMeasures) -> FloatArray:
    """Return angles and distances of limbs, both sides sorted by which arm is higher: (R, 26)."""
    at, gate = body.relative, body.gate
    left, right = _side(at, gate, 0), _side(at, gate, 1)
    higher = left[:, :1] >= right[:, :1]
    first, second = np.where(higher, left, right), np.where(higher, right, left)
    hips = at[:, HIPS].mean(axis=1)
    sure = gate[:, HIPS].min(axis=1, keepdims=True)
    wrists = gate[:, WRISTS].min(axis=1, keepdims=True)
    ears = (at[:, L_EAR] + at[:, R_EAR]) / 2
    head = (gate[:, NOSE] * np.maximum(gate[:, L_EAR], gate[:, R_EAR]))[:, None]
    width, height = (person.boxes_xyxy[:, i + 2] - person.boxes_xyxy[:, i] for i in (0, 1))
    middle = np.concatenate(
        [
            sure * 3 * hips,
            4 * (at[:, SHOULDERS[0], :1] - at[:, SHOULDERS[1], :1]),
            head * 8 * (at[:, NOSE] - ears),
            wrists * 3 * np.linalg.norm(at[:, WRISTS[0]] - at[:, WRISTS[1]], axis=1, keepdims=True),
            np.log(np.maximum(width, 2) / np.maximum(height, 2))[:, None],
            (np.log(np.maximum(height, 2) / body.height))[:, None],
            4 * (at[:, ANKLES[0], 1:] + at[:, ANKLES[1], 1:] - 2 * hips[:, 1:]) * gate[:, ANKLES].min(1, keepdims=True),
            4 * np.abs(at[:, ANKLES[0], :1] - at[:, ANKLES[1], :1]) * gate[:, ANKLES].min(axis=1, keepdims=True),
        ],
        axis=1,
    )
    return np.concatenate([first, second, middle], axis=1)


def _side(at: FloatArray, gate: FloatArray, side: int) -> FloatArray:
    """Return angles and distances of the left (0) or right (1) limbs: (R, 8)."""
    shoulder, elbow, wrist = (at[:, pair[side]] for pair in (SHOULDERS, ELBOWS, WRISTS))
    hip, knee, ankle = (at[:, pair[side]] for pair in (HIPS, KNEES, ANKLES))
    arm = (gate[:, SHOULDERS[side]] * gate[:, ELBOWS[side]] * gate[:, WRISTS[side]])[:, None]
    leg = (gate[:, HIPS[side]] * gate[:, KNEES[side]])[:, None]
    shin = leg * gate[:, ANKLES[side]][:, None]
    columns = [
        arm * 4 * (shoulder[:, 1:] - wrist[:, 1:]),
        arm * 4 * np.abs(wrist[:, :1] - shoulder[:, :1]),
        arm * _cosine(shoulder - elbow, wrist - elbow),
        arm * 3 * np.linalg.norm(wrist - at[:, NOSE], axis=1, keepdims=True),
        leg * 4 * (knee[:, 1:] - hip[:, 1:]),
        leg * 4 * np.abs(knee[:, :1] - hip[:, :1]),
        shin * _cosine(hip - knee, ankle - knee),
        leg * _cosine(shoulder - hip, knee - hip),
    ]
    return np.concatenate(columns, axis=1)


def _cosine(one: FloatArray, two: FloatArray) -> FloatArray:
    """Return the cosine of the angle between vectors (R, 2): (R, 1)."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return np.asarray(((one * two).sum(axis=1) / np.maximum(lengths, 1e-4))[:, None], dtype=np.float32)


def _place(
    person: PersonMeasures, people: Sequence[PersonMeasures], size: tuple[int, int], clip_s: float
) -> Float64Array:
    """Return place and size in the picture, beside those of others, and presence in time: (R, 18)."""
    width, height = size
    x1, y1, x2, y2 = person.boxes_xyxy.T
    count = len(x1)
    rows = [_row_at(other, person.seconds) for other in people]
    present = np.stack([there for there, _ in rows])
    heights = np.stack(
        [other.boxes_xyxy[at, 3] - other.boxes_xyxy[at, 1] for other, (_, at) in zip(people, rows, strict=True)]
    )
    middles = np.stack([other.boxes_xyxy[at, ::2].mean(axis=1) for other, (_, at) in zip(people, rows, strict=True)])
    own_height, own_middle = y2 - y1, (x1 + x2) / 2
    number = np.maximum(present.sum(axis=0), 1)
    largest = np.where(present, heights, 0).max(axis=0).clip(min=1)
    left_of = (present & (middles < own_middle - 1)).sum(axis=0) / np.maximum(number - 1, 1)
    best = max(float(other.scores.mean()) for other in people)
    longest = max(float(np.ptp(other.seconds)) for other in people) + 0.2
    lasts = float(np.ptp(person.seconds)) + 0.2
    same = np.ones(count)
    columns = [
        (x1 + x2) / width - 1,
        (y1 + y2) / height - 1,
        own_height / height,
        (x2 - x1) / width,
        2 * y2 / height - 1,
        x1 < 0.01 * width,
        x2 > 0.99 * width,
        y2 > 0.98 * height,
        own_height / largest,
        left_of * (number > 1),
        np.minimum(number, 6) / 3 - 1,
        2 * person.scores - 1,
        same * (2 * person.scores.mean() - 1),
        same * 3 * (person.scores.mean() - best),
        same * (2 * min(lasts / clip_s, 1) - 1),
        same * (2 * min(lasts / longest, 1) - 1),
        same * (np.log(clip_s) - 2),
        same * float(len(people) == 1),
    ]
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


def _row_at(person: PersonMeasures, seconds: FloatArray) -> tuple[BoolArray, IntArray]:
    """Return whether `person` is there at each of `seconds`, and the row nearest to it."""
    after = np.searchsorted(person.seconds, seconds).clip(0, len(person.seconds) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(person.seconds[before] - seconds) < np.abs(person.seconds[after] - seconds)
    row = np.where(nearer, before, after)
    return np.abs(person.seconds[row] - seconds) < 0.3, row


def _nearness(index: int, people: Sequence[PersonMeasures], bodies: Sequence[_Body]) -> Float64Array:
    """Return how near others and their hands are, in body heights: (R, 9)."""
    person, body = people[index], bodies[index]
    count = len(person.seconds)
    nearest = np.full(count, _FAR)
    columns = np.zeros((count, 9))
    columns[:, :5] = 1.0
    x1, y1, x2, y2 = person.boxes_xyxy.T
    for other_index, other in enumerate(people):
        if other_index == index:
            continue
        there, row = _row_at(other, person.seconds)
        boxes = other.boxes_xyxy[row]
        dx = (boxes[:, ::2].mean(axis=1) - (x1 + x2) / 2) / body.height
        dy = (boxes[:, 1] - y1) / body.height
        gap = np.maximum(np.maximum(boxes[:, 0] - x2, x1 - boxes[:, 2]), 0) / body.height
        distance = np.hypot(gap, dy)
        hands = _hands_to_box(person, body, boxes)
        theirs = _hands_to_hands(person, body, other, row)
        closer = there & (distance < nearest)
        nearest = np.where(closer, distance, nearest)
        values = np.stack(
            [
                np.tanh(distance),
                np.tanh(np.abs(dx)),
                np.tanh(2 * np.minimum(hands, _FAR)),
                np.tanh(2 * np.minimum(theirs, _FAR)),
                np.tanh(gap),
                np.tanh(dx),
                np.tanh(dy),
                np.log(np.maximum(boxes[:, 3] - boxes[:, 1], 2) / np.maximum(y2 - y1, 2)),
                (gap <= 0).astype(np.float64),
            ],
            axis=1,
        )
        columns[closer] = values[closer]
    return columns


def _hands_to_box(person: PersonMeasures, body: _Body, boxes: FloatArray) -> Float64Array:
    """Return the smaller distance of the hands from another's box, in body heights, 3 where no hand is seen: (R,)."""
    distances = np.full((len(boxes), 2), _FAR)
    for side, joint in enumerate(WRISTS):
        x, y = person.joints[:, joint, 0], person.joints[:, joint, 1]
        out_x = np.maximum(np.maximum(boxes[:, 0] - x, x - boxes[:, 2]), 0)
        out_y = np.maximum(np.maximum(boxes[:, 1] - y, y - boxes[:, 3]), 0)
        seen = body.gate[:, joint] > 0
        distances[seen, side] = (np.hypot(out_x, out_y) / body.height)[seen]
    return np.asarray(distances.min(axis=1))


def _hands_to_hands(person: PersonMeasures, body: _Body, other: PersonMeasures, row: IntArray) -> Float64Array:
    """Return the smallest distance of a hand from another's hand, in body heights: (R,)."""
    best = np.full(len(row), _FAR)
    for mine in WRISTS:
        for theirs in WRISTS:
            seen = (body.gate[:, mine] > 0) & (other.joints[row, theirs, 2] > SURE)
            apart = np.linalg.norm(person.joints[:, mine, :2] - other.joints[row, theirs, :2], axis=1) / body.height
            best = np.where(seen, np.minimum(best, apart), best)
    return best
