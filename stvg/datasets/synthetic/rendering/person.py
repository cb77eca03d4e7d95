"""Draw one person: colours, order of body parts, shading."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from stvg.datasets.synthetic.planning.scene import Actor, Colour
from stvg.datasets.synthetic.rendering.body import SHIFT, SKIN, Part, Rgb, Screen, Tailor, dress, project
from stvg.datasets.synthetic.rendering.head import HALF_HEIGHT, SPAN, Sprite, paint_head
from stvg.datasets.synthetic.rendering.paths import Curve
from stvg.datasets.synthetic.rendering.skeleton import J, Motion
from stvg.types import FloatArray

PALETTE: dict[Colour, Rgb] = {
    "red": (196, 32, 38),
    "blue": (38, 74, 182),
    "green": (38, 132, 62),
    "yellow": (232, 200, 48),
    "white": (238, 238, 234),
    "black": (30, 30, 34),
    "brown": (112, 70, 42),
    "purple": (112, 50, 150),
    "orange": (236, 118, 28),
    "gray": (128, 129, 133),
    "pink": (238, 148, 178),
}
SHOES: tuple[Rgb, ...] = ((28, 26, 26), (70, 46, 32), (205, 204, 200), (90, 92, 98))
MARGIN = 3
"""Pixels kept free around a person's canvas."""


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """One person in one frame.

    `canvas` (h, w, 4) uint8 premultiplied RGBA, whose corner lies at pixel `left`, `top` (perhaps outside the image),
    and the tight box of its opaque pixels in the image's coordinates, unclipped.
    """

    canvas: npt.NDArray[np.uint8]
    left: int
    top: int
    box_xyxy: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Stroke:
    """One polygon of one colour: its corners are rows `start` to `stop` of all corners of a frame."""

    start: int
    stop: int
    colour: tuple[int, int, int, int]
    convex: bool

    def fill(self, canvas: npt.NDArray[np.uint8], corners: npt.NDArray[np.int32]) -> None:
        """Fill the polygon on `canvas`."""
        if self.convex:
            cv2.fillConvexPoly(canvas, corners[self.start : self.stop], self.colour, cv2.LINE_AA, SHIFT)
        else:
            cv2.fillPoly(canvas, [corners[self.start : self.stop]], self.colour, cv2.LINE_AA, SHIFT)


def _strokes(parts: list[Part]) -> tuple[npt.NDArray[np.int32], dict[str, list[_Stroke]]]:
    """Return the corners (T, N, 2) of all polygons of all parts, and the polygons of each group in drawing order."""
    strokes: dict[str, list[_Stroke]] = {}
    start = 0
    for part in parts:
        count = part.outlines.shape[2]
        for colour in part.colours:
            strokes.setdefault(part.group, []).append(_Stroke(start, start + count, colour, part.convex))
            start += count
    return np.concatenate([p.outlines.reshape(len(p.outlines), -1, 2) for p in parts], axis=1), strokes


def exact_colour(name: Colour, rng: np.random.Generator) -> Rgb:
    """Return an RGB colour that everybody calls `name`, a little different each time."""
    base = np.asarray(PALETTE[name], float) * rng.uniform(0.9, 1.08) + rng.uniform(-7, 7, 3)
    if name in ("white", "black", "gray"):
        base = np.full(3, base.mean()) + rng.uniform(-3, 3, 3)
    red, green, blue = np.clip(base, 8, 245).astype(int)
    return int(red), int(green), int(blue)


class PersonPainter:
    """Paints one actor in every frame of a scene.

    Args:
        actor: whom to paint.
        motion: its skeleton in all T frames.
        origin: the floor point on the screen, (T, 2) pixels.
        size: pixels per body height, (T,).
        lit: the light's side, -1 left .. 1 right.
        rng: draws shades, shoes, sleeves and the cloth's folds.
    """

    def __init__(
        self, actor: Actor, motion: Motion, origin: Curve, size: Curve, lit: float, rng: np.random.Generator
    ) -> None:
        outfit = actor.outfit
        colours = {
            "top": exact_colour(outfit.top_colour, rng),
            "bottom": exact_colour(outfit.bottom_colour, rng),
            "skin": outfit.skin,
            "shoes": SHOES[rng.integers(len(SHOES))],
            "inner": ((222, 222, 218), (60, 62, 68))[sum(PALETTE[outfit.top_colour]) > 380],
        }
        self.outfit, self.motion, self.lit = outfit, motion, lit
        self.hat = None if outfit.hat_colour is None else exact_colour(outfit.hat_colour, rng)
        self.screen = project(motion, origin, size)
        parts = dress(self.screen, outfit, colours, lit, bool(rng.random() < 0.4))
        if outfit.long_hair:
            parts += _long_hair(self.screen, motion.head_yaw, outfit.hair_colour)
        self.corners, self.strokes = _strokes(parts)
        self.folds = _folds(int(size.max() * 1.7) + 40, rng)
        self.orders = _orders(self.screen, motion)
        self.head_pixels = int(np.clip(np.median(size) * HALF_HEIGHT * 2 * SPAN * 1.1, 24, 90))
        self.heads: dict[int, Sprite] = {}
        self.low, self.high = self._extent()

    def _extent(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the canvases' corners (T, 2) in pixels: first pixel, and one past the last."""
        low, high = self.corners.min(axis=1) / (1 << SHIFT), self.corners.max(axis=1) / (1 << SHIFT)
        head, reach = self.screen.points[:, J["head"]], (self.screen.size * HALF_HEIGHT * SPAN)[:, None]
        low, high = np.minimum(low, head - reach), np.maximum(high, head + reach)
        return np.floor(low).astype(int) - MARGIN, np.ceil(high).astype(int) + MARGIN + 1

    def paint(self, frame: int) -> Painted:
        """Return the person as it looks in `frame`, nothing hidden."""
        left, top = (int(v) for v in self.low[frame])
        width, height = (int(v) for v in self.high[frame] - self.low[frame])
        canvas = np.zeros((height, width, 4), np.uint8)
        corner = np.array([left << SHIFT, top << SHIFT], np.int32)
        corners = self.corners[frame] - corner
        for group in self.orders[frame]:
            if group == "head":
                self._stamp_head(canvas, frame, left, top)
            for stroke in self.strokes.get(group, ()):
                stroke.fill(canvas, corners)
        alpha = cv2.extractChannel(canvas, 3)
        x, y, w, h = cv2.boundingRect(cv2.threshold(alpha, 127, 255, cv2.THRESH_BINARY)[1])
        self._fold(canvas, frame, left, top)
        canvas = cv2.GaussianBlur(canvas, (3, 3), 0.6)
        return Painted(canvas, left, top, (left + x, top + y, left + x + w, top + y + h))

    def _stamp_head(self, canvas: npt.NDArray[np.uint8], frame: int, left: int, top: int) -> None:
        """Lay the head over the canvas, tilted as neck and head demand."""
        yaw = float(self.motion.head_yaw[frame])
        step = round(yaw / 15) % 24
        sprite = self.heads.get(step)
        if sprite is None:
            sprite = paint_head(self.outfit, self.hat, step * 15.0, self.head_pixels, self.lit)
            np.minimum(sprite[..., 3], SKIN, out=sprite[..., 3])
            self.heads[step] = sprite
        neck, head = self.screen.points[frame, J["neck"]], self.screen.points[frame, J["head"]]
        lean = head - neck
        angle = float(np.arctan2(lean[0], -lean[1])) if float(np.hypot(*lean)) > 0.03 * self.screen.size[frame] else 0.0
        side = self.screen.size[frame] * HALF_HEIGHT * SPAN * 2
        scale = side / len(sprite)
        reach = int(side * 0.72) + 1
        x0, y0 = int(head[0]) - left - reach, int(head[1]) - top - reach
        x0, y0 = max(x0, 0), max(y0, 0)
        region = canvas[y0 : y0 + 2 * reach + 1, x0 : x0 + 2 * reach + 1]
        c, s, middle = np.cos(angle) * scale, np.sin(angle) * scale, len(sprite) / 2
        to = head - (left + x0, top + y0)
        matrix = np.array([[c, -s, to[0] - c * middle + s * middle], [s, c, to[1] - s * middle - c * middle]])
        turned = cv2.warpAffine(sprite, matrix, (region.shape[1], region.shape[0]), flags=cv2.INTER_LINEAR)
        over(region, turned)

    def _fold(self, canvas: npt.NDArray[np.uint8], frame: int, left: int, top: int) -> None:
        """Shade the canvas with the cloth's folds, which move along with the pelvis."""
        pelvis = self.screen.points[frame, J["pelvis"]]
        middle = self.folds.shape[0] // 2
        x = int(np.clip(middle - (pelvis[0] - left), 0, max(self.folds.shape[1] - canvas.shape[1], 0)))
        y = int(np.clip(middle - (pelvis[1] - top), 0, max(self.folds.shape[0] - canvas.shape[0], 0)))
        shade = self.folds[y : y + canvas.shape[0], x : x + canvas.shape[1]]
        region = canvas[: shade.shape[0], : shade.shape[1]]
        cloth = cv2.compare(cv2.extractChannel(region, 3), 255, cv2.CMP_EQ)
        cv2.copyTo(cv2.multiply(region, shade, scale=1 / 200), cloth, region)


def over(region: npt.NDArray[np.uint8], layer: npt.NDArray[np.uint8]) -> None:
    """Lay a premultiplied RGBA `layer` (h, w, 4) over `region` (h, w, 3 or 4), in place."""
    rest = cv2.bitwise_not(cv2.extractChannel(layer, 3))
    channels = region.shape[2]
    kept = cv2.multiply(region, cv2.merge([rest] * channels), scale=1 / 255)
    front = layer if channels == 4 else cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB)
    cv2.add(kept, front, dst=kept)
    region[:] = kept


def _folds(side: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return a (side, side, 4) uint8 factor (200 is 1; alpha stays) of folds, weave and the body's darker low half."""

    def noise(tall: int, wide: int) -> npt.NDArray[np.float32]:
        coarse = rng.normal(0, 1, (side // tall + 2, side // wide + 2)).astype(np.float32)
        return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)

    rows = np.arange(side)[:, None]
    slant = (np.arange(side)[None] + rng.choice([-1, 1]) * rows // 3) % side
    folds = noise(15, 5)[rows, slant] * 0.07
    weave = noise(3, 3) * 0.03
    fall = np.linspace(1.05, 0.92, side, dtype=np.float32)[:, None]
    factor = np.clip((1 + folds + weave) * fall * 200, 0, 255).astype(np.uint8)
    whole = np.full_like(factor, 200)
    return np.asarray(cv2.merge([factor, factor, factor, whole]))


def _long_hair(screen: Screen, head_yaw: FloatArray, colour: Rgb) -> list[Part]:
    """Return hair that falls behind the head onto the shoulders."""
    tailor = Tailor(screen, 0.2)
    yaw = np.radians(np.asarray(head_yaw, float))
    back = np.stack([-np.sin(yaw), 0 * yaw], axis=1) * screen.size[:, None]
    top = tailor.joint("head") + back * 0.02
    low = tailor.joint("neck") + back * 0.045 + np.array([0.0, 0.03]) * screen.size[:, None]
    tailor.limb("hair", [(top, 0.058), (low, 0.046)], colour)
    return tailor.parts


def _orders(screen: Screen, motion: Motion) -> list[tuple[str, ...]]:
    """Return, for every frame, the groups of parts from the farthest to the nearest."""
    near = {name: screen.near[:, index] for name, index in J.items()}
    trunk = (near["chest"] + near["pelvis"]) / 2
    look = np.cos(np.radians(motion.head_yaw))
    orders = []
    for t in range(len(trunk)):
        arms = {f"{s}_arm": (near[f"{s}_elbow"][t] + near[f"{s}_wrist"][t]) / 2 - trunk[t] for s in "lr"}
        legs = sorted("lr", key=lambda s: near[f"{s}_knee"][t] + near[f"{s}_ankle"][t])
        in_front = {s for s in "lr" if near[f"{s}_knee"][t] > near["chest"][t] + 0.17}
        behind = [name for name, depth in arms.items() if depth < -0.02]
        before = sorted((name for name in arms if name not in behind), key=lambda name: arms[name])
        order = sorted(behind, key=lambda name: arms[name])
        order += [f"{s}_leg" for s in legs if s not in in_front]
        hair_first = bool(look[t] > 0.5)
        order += ["hair"] * hair_first + ["neck"]
        knees_first = len(in_front) == 0
        order += ["hips", "torso"] if knees_first else ["torso"]
        order += [f"{s}_leg" for s in legs if s in in_front] + ([] if knees_first else ["hips"])
        order += ["hair"] * (not hair_first) + ["head"]
        orders.append(tuple(order + before))
    return orders
