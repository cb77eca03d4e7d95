"""Draw furniture into the room's picture and depth map."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from stvg.datasets.synthetic.planning.scene import Prop, PropKind, Scene
from stvg.datasets.synthetic.rendering.skeleton import floor_row, floor_scale

Rgb = tuple[int, int, int]
Points = list[tuple[float, float]]
HANGING: frozenset[PropKind] = frozenset({"door", "window", "picture"})
"""What belongs to the back wall and hides nobody."""


class _Bench:
    """Draws one prop: coordinates are in body heights from its floor point, x right and y up.

    `value` is what its pixels get in the depth map; 0 for what hangs on the wall.
    """

    def __init__(
        self,
        image: npt.NDArray[np.uint8],
        depth: npt.NDArray[np.uint8],
        origin: tuple[float, float],
        size: float,
        value: int,
        lit: float,
        rng: np.random.Generator,
    ) -> None:
        self.image, self.depth, self.origin, self.size = image, depth, origin, size
        self.value, self.lit, self.rng = value, lit, rng

    def pixels(self, points: Points) -> npt.NDArray[np.int32]:
        """Return the corners in the picture, with 4 fractional bits."""
        at = np.asarray(points) * (self.size, -self.size) + self.origin
        return np.rint(at * 16).astype(np.int32)

    def shape(self, points: Points, colour: Rgb, tone: float = 1.0) -> None:
        """Fill a polygon in `colour` times `tone`."""
        corners = self.pixels(points)
        paint = tuple(float(np.clip(c * tone, 0, 255)) for c in colour)
        cv2.fillPoly(self.image, [corners], paint, cv2.LINE_AA, 4)
        if self.value:
            cv2.fillPoly(self.depth, [corners], self.value, cv2.LINE_8, 4)

    def slab(self, x0: float, y0: float, x1: float, y1: float, colour: Rgb, tone: float = 1.0) -> None:
        """Fill an upright rectangle with a gradient from the light's side."""
        strips = 8
        edges = np.linspace(x0, x1, strips + 1)
        for left, right, t in zip(edges[:-1], edges[1:], np.linspace(-1, 1, strips), strict=True):
            level = tone * (1 + 0.1 * t * self.lit)
            self.shape([(left, y0), (right + 0.004, y0), (right + 0.004, y1), (left, y1)], colour, level)

    def shadow(self, x0: float, x1: float) -> None:
        """Darken the floor around the foot."""
        middle, half = (x0 + x1) / 2 * self.size + self.origin[0], (x1 - x0) / 2 * self.size * 1.2
        row, tall = self.origin[1], max(4.0, 0.07 * self.size)
        top, left = max(int(row - 2.4 * tall), 0), max(int(middle - 2.4 * half), 0)
        part = self.image[top : int(row + 2.4 * tall), left : int(middle + 2.4 * half)]
        y, x = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        outside = np.maximum(0, np.hypot((x - middle) / half, (y - row) / tall) - 0.35)
        part[:] = part * (1 - 0.45 * np.exp(-5 * outside[..., None] ** 2))


def draw_prop(
    image: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.uint8],
    prop: Prop,
    scene: Scene,
    scale: float,
    lit: float,
    rng: np.random.Generator,
) -> None:
    """Draw `prop` into the room's `image` (h, w, 3) and, if it stands on the floor, its z into `depth` (h, w)."""
    hangs = prop.kind in HANGING
    z = 0.0 if hangs else prop.z
    size = float(floor_scale(np.asarray(z), scene.height)) * scale
    row = float(floor_row(np.asarray(z), scene.height)) * scale - (0.03 * scene.height * scale if hangs else 0)
    value = 0 if hangs else 1 + round(254 * float(np.clip(z - 0.004, 0, 1)))
    bench = _Bench(image, depth, (prop.x * scene.width * scale, row), size, value, lit, rng)
    KINDS[prop.kind](bench, prop.colour)


def _stool(b: _Bench, colour: Rgb) -> None:
    b.shadow(-0.13, 0.13)
    for x, y in ((-0.09, 0.02), (0.08, 0.02), (-0.11, -0.015), (0.1, -0.015)):
        b.slab(x, y, x + 0.02, 0.21, colour, 0.55)
    b.shape([(-0.13, 0.2), (0.13, 0.2), (0.13, 0.235), (-0.13, 0.235)], colour, 0.7)
    b.shape([(-0.13, 0.235), (0.13, 0.235), (0.11, 0.275), (-0.11, 0.275)], colour, 1.1)


def _table(b: _Bench, colour: Rgb) -> None:
    b.shadow(-0.42, 0.42)
    for x in (-0.38, 0.34):
        b.slab(x, 0.0, x + 0.04, 0.4, colour, 0.6)
        b.slab(x * 0.92, 0.04, x * 0.92 + 0.03, 0.4, colour, 0.45)
    b.slab(-0.42, 0.38, 0.42, 0.43, colour, 0.8)
    b.shape([(-0.42, 0.43), (0.42, 0.43), (0.38, 0.49), (-0.38, 0.49)], colour, 1.12)


def _sofa(b: _Bench, colour: Rgb) -> None:
    b.shadow(-0.5, 0.5)
    b.slab(-0.45, 0.2, 0.45, 0.48, colour, 0.82)
    b.shape([(-0.42, 0.2), (0.42, 0.2), (0.4, 0.27), (-0.4, 0.27)], colour, 1.12)
    b.slab(-0.42, 0.03, 0.42, 0.21, colour, 0.92)
    for x in (-0.5, 0.4):
        b.slab(x, 0.02, x + 0.1, 0.34, colour, 1.0)
    b.slab(-0.005, 0.22, 0.005, 0.47, colour, 0.6)


def _cabinet(b: _Bench, colour: Rgb) -> None:
    b.shadow(-0.3, 0.3)
    b.slab(-0.3, 0.0, 0.3, 0.62, colour, 0.85)
    b.shape([(-0.31, 0.62), (0.31, 0.62), (0.28, 0.66), (-0.28, 0.66)], colour, 1.15)
    for row in (0.06, 0.25, 0.44):
        b.slab(-0.27, row, 0.27, row + 0.155, colour, 0.97)
        b.slab(-0.04, row + 0.1, 0.04, row + 0.115, (60, 56, 50), 1.0)


def _plant(b: _Bench, colour: Rgb) -> None:
    b.shadow(-0.1, 0.1)
    for _ in range(46):
        angle, reach = b.rng.normal(0, 0.75), b.rng.uniform(0.12, 0.3)
        x, y = np.sin(angle) * reach, 0.2 + np.cos(angle) * reach
        wide, tone = b.rng.uniform(0.012, 0.024), b.rng.uniform(0.5, 1.15)
        b.shape(
            [(0, 0.18), (x * 0.6 - wide, y * 0.62 + 0.08), (x, y), (x * 0.6 + wide, y * 0.62 + 0.06)],
            (62, 104, 52),
            tone,
        )
    b.shape([(-0.08, 0.0), (0.08, 0.0), (0.1, 0.19), (-0.1, 0.19)], colour, 0.8)
    b.shape([(-0.1, 0.17), (0.1, 0.17), (0.1, 0.2), (-0.1, 0.2)], colour, 1.05)


def _lamp(b: _Bench, colour: Rgb) -> None:
    b.shadow(-0.08, 0.08)
    b.slab(-0.07, 0.0, 0.07, 0.02, (70, 66, 62), 0.8)
    b.slab(-0.008, 0.02, 0.008, 0.82, (80, 76, 70), 0.9)
    b.shape([(-0.13, 0.8), (0.13, 0.8), (0.08, 0.98), (-0.08, 0.98)], colour, 1.2)


def _box(b: _Bench, colour: Rgb) -> None:
    b.shadow(-0.13, 0.13)
    b.slab(-0.13, 0.0, 0.13, 0.16, colour, 0.85)
    b.shape([(-0.13, 0.16), (0.13, 0.16), (0.11, 0.21), (-0.11, 0.21)], colour, 1.1)
    b.slab(-0.02, 0.0, 0.02, 0.16, colour, 1.05)


def _door(b: _Bench, colour: Rgb) -> None:
    b.slab(-0.24, 0.0, 0.24, 1.18, colour, 0.7)
    b.slab(-0.21, 0.0, 0.21, 1.15, colour, 1.0)
    for y0, y1 in ((0.1, 0.5), (0.6, 1.05)):
        b.slab(-0.15, y0, 0.15, y1, colour, 0.86)
        b.slab(-0.14, y0 + 0.012, 0.14, y1 - 0.012, colour, 1.03)
    b.slab(0.16, 0.53, 0.19, 0.56, (150, 130, 80), 1.0)


def _window(b: _Bench, colour: Rgb) -> None:
    b.slab(-0.36, 0.62, 0.36, 1.3, colour, 0.85)
    for x0, x1 in ((-0.32, -0.02), (0.02, 0.32)):
        for step in range(10):
            y = 0.67 + 0.058 * step
            b.slab(x0, y, x1, y + 0.06, (150 + 7 * step, 175 + 6 * step, 195 + 5 * step), 1.0)
    b.slab(-0.4, 0.58, 0.4, 0.62, colour, 1.05)


def _picture(b: _Bench, colour: Rgb) -> None:
    b.slab(-0.22, 0.82, 0.22, 1.12, (70, 54, 40), 0.9)
    b.slab(-0.19, 0.85, 0.19, 1.09, colour, 1.0)
    b.shape([(-0.19, 0.85), (0.19, 0.85), (0.19, 0.92), (0.02, 0.99), (-0.19, 0.93)], colour, 0.7)


KINDS: dict[PropKind, Callable[[_Bench, Rgb], None]] = {
    "stool": _stool,
    "table": _table,
    "sofa": _sofa,
    "cabinet": _cabinet,
    "plant": _plant,
    "lamp": _lamp,
    "door": _door,
    "window": _window,
    "picture": _picture,
    "box": _box,
}
