"""Paint the room once per scene: wall, floor, light, furniture."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from stvg.datasets.synthetic.planning.scene import Prop, Scene
from stvg.datasets.synthetic.rendering.furniture import HANGING, draw_prop
from stvg.datasets.synthetic.rendering.skeleton import BACK_FLOOR
from stvg.types import FloatArray

WALLS = ((196, 188, 172), (172, 182, 186), (186, 178, 160), (160, 172, 158), (190, 170, 160), (205, 205, 200))
FLOORS = ((128, 96, 68), (110, 104, 98), (150, 122, 92), (96, 84, 74), (142, 134, 124))
STOOL = (128, 92, 60)
WALL_FOOT = BACK_FLOOR - 0.035
"""Where the wall meets the floor, as a share of the image's height."""


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """The painted room at `scale` pixels per zoom-1 pixel.

    `picture` (h, w, 3) uint8 RGB; `depth` (h, w) uint8: 0 where no furniture is, else 1 + 254 z of the nearest piece.
    `lit` in -1..1 is the side from which the light comes.
    """

    picture: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.uint8]
    scale: float
    lit: float


def paint_room(scene: Scene, scale: float) -> Room:
    """Return the furnished room of `scene`."""
    rng = np.random.default_rng([scene.seed, 1])
    width, height = round(scene.width * scale), round(scene.height * scale)
    lit = float(rng.choice([-1, 1]) * rng.uniform(0.45, 0.9))
    picture = np.empty((height, width, 3), np.float32)
    foot = round(height * WALL_FOOT)
    picture[:foot] = _wall(foot, width, scale, rng)
    picture[foot:] = _floor(height - foot, width, scale, rng)
    _skirting(picture, foot, scale, rng)
    picture *= _lighting(height, width, foot, lit, rng)
    image = np.clip(picture, 0, 255).astype(np.uint8)
    depth = np.zeros((height, width), np.uint8)
    props = (*scene.props, *missing_stools(scene))
    for prop in sorted(props, key=lambda prop: (prop.kind not in HANGING, prop.z)):
        draw_prop(image, depth, prop, scene, scale, lit, rng)
    image = cv2.GaussianBlur(image, (0, 0), 0.7 * scale)
    grain = rng.normal(0, 3.2, (height, width, 1)) + rng.normal(0, 1.2, (height, width, 3))
    return Room(np.clip(image + grain, 0, 255).astype(np.uint8), depth, scale, lit)


def missing_stools(scene: Scene) -> list[Prop]:
    """Return a stool for each place where someone sits although the script puts none there."""
    stools = [prop for prop in scene.props if prop.kind == "stool"]
    given = len(stools)
    for actor in scene.actors:
        place = actor.position
        seats = [place] if actor.seated else []
        for act in actor.acts:
            place = act.to or place
            seats += [place] if act.action == "sit_down" else []
        for x, z in seats:
            if all(max(abs(stool.x - x), abs(stool.z - z)) > 0.02 for stool in stools):
                stools.append(Prop("stool", x, z, STOOL))
    return stools[given:]


def _noise(height: int, width: int, cell: float, rng: np.random.Generator) -> FloatArray:
    """Return smooth noise (height, width) around 0 with blobs of about `cell` pixels."""
    coarse = rng.normal(0, 1, (int(height / cell) + 3, int(width / cell) + 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def _wall(height: int, width: int, scale: float, rng: np.random.Generator) -> FloatArray:
    """Return a papered or plastered wall (height, width, 3)."""
    base = np.asarray(WALLS[rng.integers(len(WALLS))], np.float32) * rng.uniform(0.72, 1.0)
    shade = 1 + 0.02 * _noise(height, width, 40 * scale, rng) + 0.012 * _noise(height, width, 3 * scale, rng)
    pattern = rng.integers(3)
    x, y = np.meshgrid(np.arange(width) / scale, np.arange(height) / scale)
    pitch = rng.uniform(14, 30)
    if pattern == 0:
        shade += 0.025 * np.tanh(4 * np.sin(2 * np.pi * x / pitch))
    elif pattern == 1:
        shade += 0.03 * (np.sin(2 * np.pi * x / pitch) * np.sin(2 * np.pi * y / pitch) > 0.55)
    return np.asarray(base * shade[..., None], np.float32)


def _floor(height: int, width: int, scale: float, rng: np.random.Generator) -> FloatArray:
    """Return a floor of boards or tiles that run to a vanishing point (height, width, 3)."""
    base = np.asarray(FLOORS[rng.integers(len(FLOORS))], np.float32) * rng.uniform(0.85, 1.15)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / scale
    far = 150.0 / (rows + 60.0)
    across = (columns - width / scale / 2) * far
    board = np.floor(across / rng.uniform(16, 40))
    tone = np.modf(np.abs(np.sin(board * 12.9898) * 437.585))[0]
    seam = np.abs(np.modf(across / 28.0)[0])
    shade = 0.92 + 0.13 * tone + 0.05 * _noise(height, width, 5 * scale, rng) - 0.10 * (seam < 0.04)
    if rng.random() < 0.4:
        shade -= 0.08 * (np.modf(far * 9)[0] < 0.06)
    return np.asarray(base * shade[..., None], np.float32)


def _skirting(picture: FloatArray, foot: int, scale: float, rng: np.random.Generator) -> None:
    """Draw the skirting board and the dark line where wall and floor meet."""
    tone = rng.uniform(0.6, 1.15)
    tall = round(9 * scale)
    picture[foot - tall : foot] = np.clip(picture[foot - tall : foot].mean((0, 1)) * tone, 0, 235)
    fade = np.linspace(0.72, 1, round(14 * scale))[:, None, None]
    picture[foot : foot + len(fade)] *= fade


def _lighting(height: int, width: int, foot: int, lit: float, rng: np.random.Generator) -> FloatArray:
    """Return the light (height, width, 3): brighter on one side and around a spot, warm or cold, darker corners."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width - 0.5, y / height
    spot = np.exp(-((x - 0.35 * lit) ** 2 / 0.12 + (y - rng.uniform(0.1, 0.4)) ** 2 / 0.25))
    level = rng.uniform(0.78, 0.95) + 0.22 * spot + 0.12 * lit * x - 0.5 * x**2 * rng.uniform(0.5, 1.2)
    level[:foot] *= np.linspace(0.95, 1.02, foot)[:, None]
    warmth = rng.uniform(-0.05, 0.07)
    return np.asarray(level[..., None] * np.array([1 + warmth, 1.0, 1 - warmth], np.float32))
