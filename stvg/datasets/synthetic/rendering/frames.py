"""Draw the frames of a scene, with the true boxes."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from stvg.datasets.synthetic.planning.scene import Actor, Scene
from stvg.datasets.synthetic.rendering.camera import windows
from stvg.datasets.synthetic.rendering.paths import Curve
from stvg.datasets.synthetic.rendering.person import Painted, PersonPainter, over
from stvg.datasets.synthetic.rendering.room import Room, paint_room
from stvg.datasets.synthetic.rendering.skeleton import CAMERA_TILT, J, Motion, floor_row, floor_scale, pose
from stvg.types import FloatArray, Image

OBJECT_COLOURS = ((200, 60, 50), (60, 110, 190), (225, 190, 60), (240, 240, 235), (60, 140, 90))
OBJECT_HALF = 0.034
"""Half the side of the object that people pick up, in body heights."""
COARSE = 4
"""Pixels per cell of the map that says who hides whom."""


@dataclass(frozen=True, slots=True, eq=False)
class RenderedFrame:
    """A picture and the people in it, in the order of `Scene.actors`.

    `boxes_xyxy` (A, 4) float32 pixels: the tight box of each whole silhouette, hidden parts included, clipped to the
    image; NaN where the person is entirely outside. `visible` (A,) float32: the share of the silhouette's pixels that
    neither people, nor furniture, nor the image's border hide. A carried object belongs to nobody's silhouette.
    """

    image: Image
    boxes_xyxy: FloatArray
    visible: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Cast:
    """One actor, ready to be drawn.

    `size` (T,) pixels per body height; `drop` (T, 2) is the pixel where an object that was put down lies, `drop_size`
    (T,) the size of its owner there.
    """

    painter: PersonPainter
    motion: Motion
    size: Curve
    drop: Curve
    drop_size: Curve
    object_colour: tuple[int, int, int]


def render_scene(scene: Scene) -> Iterator[RenderedFrame]:
    """Yield the frames of `scene`, always the same bytes for the same scene."""
    seen = windows(scene)
    room = paint_room(scene, float(seen[:, 2].max()))
    casts = [_cast(actor, scene, seen, room.lit) for actor in scene.actors]
    shadow = _soft_disc(96, 32)
    backdrop = _Backdrop(room, scene, seen)
    for frame in range(scene.num_frames):
        yield _render(scene, casts, backdrop, shadow, frame)


def _cast(actor: Actor, scene: Scene, seen: Curve, lit: float) -> _Cast:
    """Move, place on the screen and dress an actor."""
    rng = np.random.default_rng([scene.seed, actor.actor_id, 2])
    motion = pose(actor, scene)
    origin, size = _place(motion.floor, scene, seen)
    painter = PersonPainter(actor, motion, origin, size * actor.height, lit, rng)
    colour = OBJECT_COLOURS[rng.integers(len(OBJECT_COLOURS))]
    drop, drop_size = _place(motion.drop_floor, scene, seen)
    drop_size = drop_size * actor.height
    drop[:, 0] += motion.drop_spot[:, 0] * drop_size
    drop[:, 1] += (CAMERA_TILT * motion.drop_spot[:, 2] - OBJECT_HALF) * drop_size
    return _Cast(painter, motion, size * actor.height, drop, drop_size, colour)


def _place(floor: FloatArray, scene: Scene, seen: Curve) -> tuple[Curve, Curve]:
    """Return the pixels (T, 2) of floor points (T, 2) in each frame's window and the size (T,) of people there."""
    x, z = floor[:, 0].astype(np.float64), floor[:, 1].astype(np.float64)
    zoom = seen[:, 2]
    row = (floor_row(z, scene.height) - seen[:, 1]) * zoom
    return np.stack([(x * scene.width - seen[:, 0]) * zoom, row], axis=1), floor_scale(z, scene.height) * zoom


class _Backdrop:
    """The room as each frame's window sees it; the last view is kept, since most cameras stand still."""

    def __init__(self, room: Room, scene: Scene, seen: Curve) -> None:
        self.room, self.width, self.height, self.seen = room, scene.width, scene.height, seen
        self._key: tuple[float, ...] = ()
        self._picture, self._depth = room.picture, room.depth

    def view(self, frame: int) -> tuple[Image, npt.NDArray[np.uint8]]:
        """Return the picture (to be copied before drawing) and the furniture's depth in `frame`."""
        left, top, zoom = (float(v) for v in self.seen[frame])
        if self._key != (left, top, zoom):
            self._key = (left, top, zoom)
            step = self.room.scale / zoom
            if abs(step - 1) < 1e-6:
                x, y = round(left * zoom), round(top * zoom)
                x = min(x, self.room.picture.shape[1] - self.width)
                y = min(y, self.room.picture.shape[0] - self.height)
                part = (slice(y, y + self.height), slice(x, x + self.width))
                self._picture, self._depth = self.room.picture[part], self.room.depth[part]
            else:
                matrix = np.array([[step, 0, left * self.room.scale], [0, step, top * self.room.scale]])
                flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
                size, edge = (self.width, self.height), cv2.BORDER_REPLICATE
                self._picture = cv2.warpAffine(self.room.picture, matrix, size, flags=flags, borderMode=edge)
                nearest = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
                self._depth = cv2.warpAffine(self.room.depth, matrix, size, flags=nearest, borderMode=edge)
        return self._picture, self._depth


def _render(
    scene: Scene, casts: list[_Cast], backdrop: _Backdrop, shadow: npt.NDArray[np.uint8], frame: int
) -> RenderedFrame:
    picture, depth = backdrop.view(frame)
    image = picture.copy()
    owners = np.zeros((-(-scene.height // COARSE), -(-scene.width // COARSE)), np.uint8)
    boxes = np.full((len(casts), 4), np.nan, np.float32)
    totals = np.zeros(len(casts))
    order = sorted(range(len(casts)), key=lambda index: float(casts[index].motion.floor[frame, 1]))
    for index in order:
        _cast_shadow(image, casts[index], shadow, frame)
        _lay_dropped(image, casts[index], frame)
    for index in order:
        cast = casts[index]
        painted = cast.painter.paint(frame)
        boxes[index] = _clipped(painted.box_xyxy, scene)
        cells = painted.canvas[-painted.top % COARSE :: COARSE, -painted.left % COARSE :: COARSE, 3]
        totals[index] = np.count_nonzero(cells > 127)
        _carry_object(painted, cast, frame)
        nearness = 1 + round(254 * float(np.clip(cast.motion.floor[frame, 1], 0, 1)))
        _lay(image, owners, depth, painted, nearness, index + 1)
    counts = np.bincount(owners.ravel(), minlength=len(casts) + 1)[1:]
    visible = np.minimum(counts / np.maximum(totals, 1), 1).astype(np.float32)
    return RenderedFrame(image, boxes, visible)


def _clipped(box: tuple[int, int, int, int], scene: Scene) -> FloatArray:
    """Return the box inside the image, NaN if nothing of it is."""
    x1, y1, x2, y2 = max(box[0], 0), max(box[1], 0), min(box[2], scene.width), min(box[3], scene.height)
    inside = x2 > x1 and y2 > y1
    return np.array([x1, y1, x2, y2] if inside else [np.nan] * 4, np.float32)


def _lay(
    image: Image,
    owners: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.uint8],
    painted: Painted,
    nearness: int,
    owner: int,
) -> None:
    """Lay a person over the image except where nearer furniture stands, and note its pixels in `owners`."""
    height, width = painted.canvas.shape[:2]
    x1, y1 = max(painted.left, 0), max(painted.top, 0)
    x2, y2 = min(painted.left + width, image.shape[1]), min(painted.top + height, image.shape[0])
    if x1 >= x2 or y1 >= y2:
        return
    canvas = painted.canvas[y1 - painted.top : y2 - painted.top, x1 - painted.left : x2 - painted.left]
    hidden = cv2.compare(depth[y1:y2, x1:x2], nearness, cv2.CMP_GT)
    if cv2.countNonZero(hidden):
        cv2.copyTo(np.zeros_like(canvas), hidden, canvas)
    over(image[y1:y2, x1:x2], canvas)
    first_y, first_x = -y1 % COARSE, -x1 % COARSE
    mine = canvas[first_y::COARSE, first_x::COARSE, 3] > 127
    cells = owners[(y1 + first_y) // COARSE :, (x1 + first_x) // COARSE :][: mine.shape[0], : mine.shape[1]]
    cells[mine[: cells.shape[0], : cells.shape[1]]] = owner


def _soft_disc(width: int, height: int) -> npt.NDArray[np.uint8]:
    """Return a (height, width) factor for the floor under a person: 255 at the rim, dark in the middle."""
    y, x = np.mgrid[0:height, 0:width]
    radius = np.hypot((x + 0.5) / width * 2 - 1, (y + 0.5) / height * 2 - 1)
    return np.asarray(255 * (1 - 0.5 * np.clip(1 - radius, 0, 1) ** 0.8)).astype(np.uint8)


def _cast_shadow(image: Image, cast: _Cast, shadow: npt.NDArray[np.uint8], frame: int) -> None:
    """Darken the floor around a person's feet."""
    size = float(cast.size[frame])
    feet = cast.painter.screen.points[frame, [J["l_ankle"], J["r_ankle"], J["l_toe"], J["r_toe"]]]
    middle, spread = feet[:, 0].mean(), np.ptp(feet[:, 0])
    lift = float(cast.motion.joints[frame, [J["l_toe"], J["r_toe"]], 1].min())
    width, height = int(0.26 * size + spread), int(0.12 * size)
    left, top = int(middle - width / 2), int(feet[:, 1].max() + lift * size * 0.9 - height * 0.6)
    x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + width, image.shape[1]), min(top + height, image.shape[0])
    if x1 >= x2 or y1 >= y2:
        return
    factor = cv2.resize(shadow, (width, height))[y1 - top : y2 - top, x1 - left : x2 - left]
    region = image[y1:y2, x1:x2]
    region[:] = cv2.multiply(region, cv2.merge([factor] * 3), scale=1 / 255)


def _carry_object(painted: Painted, cast: _Cast, frame: int) -> None:
    """Draw the object in the hand onto the person's canvas."""
    hand = int(cast.motion.held[frame])
    if hand < 0:
        return
    points = cast.painter.screen.points[frame]
    wrist, elbow = points[J["lr"[hand] + "_wrist"]], points[J["lr"[hand] + "_elbow"]]
    at = wrist + (wrist - elbow) * 0.35 - (painted.left, painted.top)
    _draw_object(painted.canvas, at, float(cast.size[frame]), (*cast.object_colour, 255))


def _lay_dropped(image: Image, cast: _Cast, frame: int) -> None:
    """Draw the object that the person has put down."""
    if cast.motion.dropped[frame]:
        _draw_object(image, cast.drop[frame], float(cast.drop_size[frame]), cast.object_colour)


def _draw_object(canvas: npt.NDArray[np.uint8], at: Curve, size: float, colour: tuple[int, ...]) -> None:
    """Draw a small box around the pixel `at`; `size` is a body height in pixels."""
    half = max(OBJECT_HALF * size, 1.0)
    x1, y1, x2, y2 = (round(float(v)) for v in (*(at - half), *(at + half)))
    dark = (*(int(c * 0.7) for c in colour[:3]), *colour[3:])
    cv2.rectangle(canvas, (x1, y1), (x2, y2), dark, -1)
    cv2.rectangle(canvas, (x1, y1), (x2 - 1, (y1 + y2) // 2), colour, -1)
