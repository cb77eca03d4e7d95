"""Clips of the film world as prepared videos: tubes, their measured features, and annotated sentences."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from film.body import RATE, move
from film.camera import Camera, boxes_of, draw_frame, place_camera, see_joints
from film.script import Person, write_scripts
from film.sentences import Told, tell
from film.wardrobe import draw_light, seen_pixels
from spatial.features.descriptors.part_colours import POINTS, colours_of_points
from spatial.features.descriptors.pose_columns import PersonMeasures, describe_people
from stvg.types import Annotation, BoolArray, Float64Array, PreparedVideo, Query, Tube, VideoMeta

STEP = 2
"""Frames from one described frame to the next: 5 a second."""
_PART_JOINTS = ((0, 3, 4), (5, 6), (5, 6, 7, 8), (11, 12, 13, 14), (13, 14, 15, 16), (15, 16))
_SURE = 0.25
Seen = tuple[Float64Array, Float64Array, Float64Array]
"""A person in the picture: joints (T, 20, 3), boxes (T, 4), NaN where unseen, and yaw (T,) in degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A clip of the world: its tubes, what is measured of each, and annotated sentences."""

    meta: VideoMeta
    tubes: tuple[Tube, ...]
    people: tuple[PersonMeasures, ...]
    annotations: tuple[Annotation, ...]

    def prepared(self) -> PreparedVideo:
        """Return the clip as the pipeline's preparation would."""
        size, seconds = (self.meta.width, self.meta.height), self.meta.num_frames / self.meta.fps
        features = describe_people(self.people, size, seconds)
        name = self.meta.video_id
        return PreparedVideo(self.meta, np.zeros((1, 0), np.float32), self.tubes, features, name)


def make_clip(seed: int, name: str, sentences: int = 4) -> Clip | None:
    """Return a clip of the world, None where nobody could be described."""
    rng = np.random.default_rng(seed)
    seconds = float(rng.uniform(14, 20) if rng.random() < 0.4 else np.exp(rng.uniform(np.log(1.8), np.log(20))))
    frames = max(round(seconds * RATE), 8)
    size, share, distance = draw_frame(rng)
    half_width = size[0] / size[1] / share / 2
    people = write_scripts(rng, seconds, half_width, distance)
    camera = place_camera(rng, size, share, distance, frames, RATE)
    seen = [_watch(rng, person, camera, frames) for person in people]
    told = tell(rng, people, seconds, sentences)
    light = draw_light(rng)
    tubes: list[Tube] = []
    measures: list[PersonMeasures] = []
    for index, hidden in enumerate(_hidden(seen)):
        _film(rng, people[index], seen[index], hidden, camera, light, tubes, measures)
    for _ in range(rng.poisson(0.25)):
        _film_nobody(rng, people[0], camera, light, tubes, measures)
    annotations: list[Annotation] = []
    for told_one in told:
        annotation = _annotate(told_one, seen[told_one.who][1], name, len(annotations))
        if annotation is not None:
            annotations.append(annotation)
    if not tubes or not annotations:
        return None
    order = np.argsort([-len(tube.boxes_xyxy) for tube in tubes], kind="stable")
    meta = VideoMeta(name, Path(name), frames, RATE, *size)
    return Clip(meta, tuple(tubes[i] for i in order), tuple(measures[i] for i in order), tuple(annotations))


def _film(
    rng: np.random.Generator,
    person: Person,
    seen: Seen,
    hidden: BoolArray,
    camera: Camera,
    light: dict[str, Float64Array],
    tubes: list[Tube],
    measures: list[PersonMeasures],
) -> None:
    """Add a person's tubes and what is measured of each."""
    points, boxes, yaw = seen
    for start, stop in _runs(rng, boxes):
        part = slice(start, stop)
        tubes.append(_tube(rng, len(tubes), start, boxes[part], hidden[part], person.is_extra))
        joints = see_joints(rng, points[part], boxes[part], hidden[part], camera.size, yaw[part])
        measures.append(_measure(rng, tubes[-1], joints, person, light, camera.pan[part]))


def _film_nobody(
    rng: np.random.Generator,
    person: Person,
    camera: Camera,
    light: dict[str, Float64Array],
    tubes: list[Tube],
    measures: list[PersonMeasures],
) -> None:
    """Add a tube that holds no person, its joints anywhere in the box and its colours like those of `person`."""
    tubes.append(_junk(rng, len(tubes), len(camera.pan), camera.size))
    box = tubes[-1].boxes_xyxy
    joints = rng.random((len(box), 17, 3))
    places = rng.normal(0.5, 0.2, (1, 17, 2)).clip(0, 1)
    joints[..., :2] = box[:, None, :2] + (box[:, None, 2:] - box[:, None, :2]) * places
    joints[..., 2] = rng.uniform(0.05, 0.4, (1, 17))
    mottled = light | {"contrast": np.array([0.8])}
    measures.append(_measure(rng, tubes[-1], joints, person, mottled, camera.pan[: len(box)]))


def _watch(rng: np.random.Generator, person: Person, camera: Camera, frames: int) -> Seen:
    """Let a person act in front of the camera."""
    facing = person.acts[0].face if person.enters is not None and person.acts else None
    if facing is None:
        facing = _first_facing(rng)
    joints, floor, yaw = move(person.acts, person.first_posture, person.first_at, facing, frames, rng)
    if person.look.child:
        tall = float(rng.uniform(0.55, 0.72))
    else:
        tall = float(rng.normal(0.98 if person.look.kind == "man" else 0.92, 0.04))
    points = camera.project(joints, floor, tall)
    boxes = boxes_of(points, camera.size)
    time = np.arange(frames) / RATE
    if person.enters is not None and person.acts:
        boxes[time < person.acts[0].start] = np.nan
    if person.leaves is not None:
        boxes[time > person.leaves] = np.nan
    return points, boxes, yaw


def _first_facing(rng: np.random.Generator) -> float:
    return float(rng.uniform(-80, 80) if rng.random() < 0.7 else rng.uniform(-180, 180))


def _hidden(seen: list[Seen]) -> list[BoolArray]:
    """Return for each person which joints (T, 17) lie inside the box of somebody nearer."""
    found = []
    for index, (points, _, _) in enumerate(seen):
        mask = np.zeros(points.shape[:2], bool)[:, :17]
        for other, (theirs, boxes, _) in enumerate(seen):
            if other == index:
                continue
            nearer = theirs[:, 5:7, 2].mean(axis=1) < points[:, 5:7, 2].mean(axis=1) - 0.05
            x, y = points[:, :17, 0], points[:, :17, 1]
            shrink = 0.15 * (boxes[:, 2] - boxes[:, 0])
            inside = (
                (x > (boxes[:, 0] + shrink)[:, None])
                & (x < (boxes[:, 2] - shrink)[:, None])
                & (y > boxes[:, 1][:, None])
                & (y < boxes[:, 3][:, None])
            )
            mask |= inside & nearer[:, None]
        found.append(mask)
    return found


def _runs(rng: np.random.Generator, boxes: Float64Array) -> list[tuple[int, int]]:
    """Return the stretches of frames that become tubes; a few tubes break."""
    there = np.concatenate([[False], ~np.isnan(boxes[:, 0]), [False]])
    edges = np.flatnonzero(np.diff(there.astype(int)))
    runs = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 4]
    if runs and rng.random() < 0.1:
        start, stop = runs[-1]
        middle = int(rng.integers(start + 1, stop))
        runs = [*runs[:-1], *((a, b) for a, b in ((start, middle), (middle, stop)) if b - a >= 4)]
    return runs


def _tube(
    rng: np.random.Generator, number: int, start: int, boxes: Float64Array, hidden: BoolArray, extra: bool
) -> Tube:
    """Return what a detector makes of the boxes from frame `start` on: they tremble, some scores are low."""
    height = boxes[:, 3:4] - boxes[:, 1:2]
    slow = np.cumsum(rng.normal(0, 0.3, boxes.shape), axis=0)
    slow = (slow - slow.mean(axis=0)).clip(-2, 2)
    jitter = rng.uniform(0.004, 0.02) * height * (rng.normal(0, 0.4, boxes.shape) + slow)
    noisy = boxes + jitter
    noisy[:, 2:] = np.maximum(noisy[:, 2:], noisy[:, :2] + 3)
    base = rng.normal(0.68, 0.07) - (0.12 if extra else 0.0) - 0.25 * max(0.0, 1 - float(np.median(height)) / 110)
    scores = (base - 0.3 * hidden.mean(axis=1) + rng.normal(0, 0.05, len(boxes))).clip(0.05, 0.95)
    return Tube(number, start, noisy.astype(np.float32), scores.astype(np.float32), np.ones(len(boxes), bool))


def _junk(rng: np.random.Generator, number: int, frames: int, size: tuple[int, int]) -> Tube:
    """Return a tube that holds no person."""
    length = int(rng.integers(4, max(frames, 5)))
    start = int(rng.integers(0, max(frames - length, 0) + 1))
    tall = rng.uniform(0.1, 0.7) * size[1]
    x, y, wide = rng.uniform(0, size[0] - 0.4 * tall), rng.uniform(0, size[1] - tall), tall * rng.uniform(0.3, 0.8)
    boxes = np.tile([x, y, x + wide, y + tall], (length, 1)) + rng.normal(0, 2, (length, 4))
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 3)
    scores = rng.normal(0.4, 0.08, length).clip(0.05, 0.7)
    return Tube(number, start, boxes.astype(np.float32), scores.astype(np.float32), np.ones(length, bool))


def _measure(
    rng: np.random.Generator,
    tube: Tube,
    joints: Float64Array,
    person: Person,
    light: dict[str, Float64Array],
    pan: Float64Array,
) -> PersonMeasures:
    """Return what is measured of a tube at every STEP-th frame, given its joints and its background's velocity."""
    rows = np.arange(0, len(tube.boxes_xyxy), STEP)
    at, look = joints[rows], person.look
    sure = np.stack([at[:, list(part), 2].mean(axis=1) for part in _PART_JOINTS], axis=1)
    wrong = (0.05 + abs(rng.normal(0, 0.1, (1, 6))) + 0.9 * (0.5 - sure)).clip(0.02, 0.85)
    colours = colours_of_points(seen_pixels(rng, look, len(rows), POINTS, light, wrong))
    absent = np.stack([at[:, list(part), 2].min(axis=1) < _SURE for part in _PART_JOINTS], axis=1)
    absent[:, :2] = False
    colours[absent] = 0.0
    camera = pan[rows] * rng.uniform(0.8, 1.1) + rng.normal(0, 2, (len(rows), 2))
    seconds = (tube.start_frame + rows) / RATE
    as_float = [
        np.asarray(v, np.float32) for v in (seconds, tube.boxes_xyxy[rows], at, colours, tube.scores[rows], camera)
    ]
    return PersonMeasures(*as_float)


def _annotate(told: Told, boxes: Float64Array, name: str, number: int) -> Annotation | None:
    """Return the annotation of a sentence, None where its person is not seen nearly all the time."""
    start, stop = round(told.start * RATE), min(round(told.stop * RATE), len(boxes))
    part = boxes[start:stop]
    seen = ~np.isnan(part[:, 0])
    if len(part) < 4 or seen.mean() < 0.7:
        return None
    first, last = int(np.flatnonzero(seen)[0]), int(np.flatnonzero(seen)[-1]) + 1
    part, seen = part[first:last], seen[first:last]
    index = np.maximum.accumulate(np.where(seen, np.arange(len(part)), 0))
    length = len(part)
    tube = Tube(0, start + first, part[index].astype(np.float32), np.ones(length, np.float32), np.ones(length, bool))
    return Annotation(Query(f"{name}#{number}.mp4", name, told.text), tube)
