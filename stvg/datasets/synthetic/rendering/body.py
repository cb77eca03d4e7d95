"""Draw clothed bodies as shaded outlines around their skeletons."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stvg.datasets.synthetic.planning.scene import Outfit
from stvg.datasets.synthetic.rendering.paths import Curve
from stvg.datasets.synthetic.rendering.skeleton import CAMERA_TILT, J, Motion

Rgb = tuple[int, int, int]
SHIFT = 3
"""Fractional bits of polygon corners, as in cv2's drawing functions."""
CLOTH, SKIN = 255, 254
"""Alpha of opaque cloth and skin: both hide all, the difference says where folds are laid."""
LIGHT = np.array([0.0, -0.35])
"""Vertical part of the light's direction on the screen; the scene draws the horizontal part."""
SECTIONS = np.array([-0.1, 0.06, 0.3, 0.6, 0.8, 0.93, 1.01])
"""Heights of the torso's cross-sections: 0 pelvis, 1 base of the neck."""
MAN = np.array(
    [
        [0.088, 0.094, 0.088, 0.106, 0.112, 0.098, 0.042],
        [0.068, 0.074, 0.064, 0.074, 0.068, 0.056, 0.038],
        [-0.012, -0.008, 0.004, 0.010, 0.004, 0.0, 0.0],
    ]
)
WOMAN = np.array(
    [
        [0.092, 0.097, 0.074, 0.092, 0.097, 0.086, 0.036],
        [0.074, 0.078, 0.056, 0.078, 0.064, 0.052, 0.032],
        [-0.014, -0.010, 0.004, 0.016, 0.006, 0.0, 0.0],
    ]
)
"""Half-widths across and front to back, and how far the section's centre lies forward, in body heights."""


@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """A skeleton on the screen.

    `points` (T, 18, 2) pixels, `near` (T, 18) body heights towards the camera, `size` (T,) pixels per body height,
    `yaw` (T,) radians.
    """

    points: Curve
    near: Curve
    size: Curve
    yaw: Curve


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One shaded shape in all frames.

    `outlines` (T, L, K, 2) int32 pixels << SHIFT, from the whole shape to its highlight, and the colour of each of
    the L layers. `convex` allows the faster filling.
    """

    group: str
    outlines: npt.NDArray[np.int32]
    colours: tuple[tuple[int, int, int, int], ...]
    convex: bool = True


def project(motion: Motion, origin: Curve, size: Curve) -> Screen:
    """Place a motion on the screen, its floor point at `origin` (T, 2) pixels, `size` (T,) pixels per body height."""
    joints = motion.joints.astype(np.float64)
    x = origin[:, :1] + joints[..., 0] * size[:, None]
    y = origin[:, 1:] + (CAMERA_TILT * joints[..., 2] - joints[..., 1]) * size[:, None]
    return Screen(np.stack([x, y], axis=-1), joints[..., 2], size, np.radians(motion.yaw.astype(np.float64)))


def shades(colour: Rgb, layers: int, alpha: int = CLOTH) -> tuple[tuple[int, int, int, int], ...]:
    """Return `layers` opaque RGBA colours from the shaded rim of a round shape to its highlight."""
    levels = np.linspace(0.84, 1.05, layers)
    lift = np.linspace(0, 6, layers)
    rows = np.clip(np.asarray(colour, float) * levels[:, None] + lift[:, None], 0, 255).astype(int)
    return tuple((int(r), int(g), int(b), alpha) for r, g, b in rows)


def _fixed(outline: Curve) -> npt.NDArray[np.int32]:
    return np.rint(outline * (1 << SHIFT)).astype(np.int32)


class Tailor:
    """Makes the shaded parts of one person; `lit` in -1..1 is the side from which the light comes."""

    def __init__(self, screen: Screen, lit: float) -> None:
        self.screen = screen
        self.light = LIGHT + np.array([lit, 0.0])
        self.parts: list[Part] = []

    def joint(self, name: str) -> Curve:
        """Return a joint's pixels (T, 2)."""
        return self.screen.points[:, J[name]]

    def between(self, first: str, second: str, share: float) -> Curve:
        """Return the pixels (T, 2) of the point at `share` of the way from one joint to another."""
        return self.joint(first) * (1 - share) + self.joint(second) * share

    def limb(
        self, group: str, spots: list[tuple[Curve, float]], colour: Rgb, layers: int = 3, alpha: int = CLOTH
    ) -> None:
        """Add a tapered limb through `spots`: pixels (T, 2) and a radius in body heights each, lit from the side.

        All its segments get their shaded rim before any gets its highlight, so that no seam shows at a bent joint.
        """
        rings = []
        for share in _shares(layers):
            for (start, first), (end, last) in pairwise(spots):
                rings.append(self._segment(start, end, (first, last), share))
        segments = len(spots) - 1
        colours = tuple(shade for shade in shades(colour, layers, alpha) for _ in range(segments))
        self.parts.append(Part(group, _fixed(np.stack(rings, axis=1)), colours))

    def _segment(self, start: Curve, end: Curve, radii: tuple[float, float], share: float) -> Curve:
        """Return the outline (T, 12, 2) of one straight piece of a limb, `share` of its width, moved to the light."""
        size = self.screen.size[:, None]
        along = end - start
        length = np.linalg.norm(along, axis=1, keepdims=True)
        along = np.where(length > 1e-6, along / np.maximum(length, 1e-6), [0.0, 1.0])
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)
        lean = (across @ self.light)[:, None] * across
        rim = []
        for centre, radius, way in ((end, radii[1] * size, 1.0), (start, radii[0] * size, -1.0)):
            middle = centre + lean * radius * (1 - share) * 0.75
            for angle in np.linspace(-np.pi / 2, np.pi / 2, 6):
                reach = way * np.cos(angle) * radius * (0.4 + 0.6 * share)
                rim.append(middle + along * reach + across * way * np.sin(angle) * radius * share)
        return np.stack(rim, axis=1)

    def torso(self, build: Curve, bulk: float, colour: Rgb, hem: float) -> None:
        """Add the trunk: `build` (3, 7) as MAN, widened by `bulk`, down to section height `hem` (0 is the pelvis)."""
        heights = SECTIONS.copy()
        heights[0] = hem
        fine = np.linspace(heights[0], heights[-1], 13)
        widths, depths, fronts = (np.interp(fine, heights, row) for row in build)
        spine = self._spine(fine)
        tangent = np.gradient(spine, axis=1)
        tangent /= np.maximum(np.linalg.norm(tangent, axis=2, keepdims=True), 1e-6)
        across = np.stack([-tangent[..., 1], tangent[..., 0]], axis=-1)
        size, sine, cosine = self.screen.size[:, None], np.sin(self.screen.yaw), np.cos(self.screen.yaw)
        half = np.hypot(np.outer(cosine, widths), np.outer(sine, depths)) * bulk * size
        forward = np.outer(sine, fronts) * size
        spine = spine + np.stack([forward, 0 * forward], axis=-1)
        lean = (across @ self.light)[..., None] * across
        rings = []
        for share in _shares(4):
            middle = spine + lean * half[..., None] * (1 - share) * 0.7
            side = across * half[..., None] * share
            rings.append(np.concatenate([middle + side, (middle - side)[:, ::-1]], axis=1))
        self.parts.append(Part("torso", _fixed(np.stack(rings, axis=1)), shades(colour, 4), convex=False))

    def _spine(self, heights: Curve) -> Curve:
        """Return the pixels (T, N, 2) of points on the curved spine."""
        pelvis, chest, neck = (self.joint(name)[:, None] for name in ("pelvis", "chest", "neck"))
        t = heights[None, :, None]
        bend = 2 * chest - (pelvis + neck) / 2
        return (1 - t) ** 2 * pelvis + 2 * t * (1 - t) * bend + t**2 * neck

    def skirt(self, group: str, hem: float, flare: float, colour: Rgb) -> None:
        """Add a skirt over both thighs, down to the share `hem` of the thigh (above 1: down the shin)."""
        size = self.screen.size[:, None]
        low = []
        for side in "lr":
            if hem <= 1:
                low.append(self.between(f"{side}_hip", f"{side}_knee", hem))
            else:
                low.append(self.between(f"{side}_knee", f"{side}_ankle", hem - 1))
        waist = self.between("pelvis", "chest", 0.4)
        circles = [
            (waist, 0.075),
            (self.joint("l_hip"), 0.068),
            (self.joint("r_hip"), 0.068),
            (low[0], 0.05 * flare),
            (low[1], 0.05 * flare),
        ]
        if hem > 1:
            circles += [(self.joint("l_knee"), 0.058), (self.joint("r_knee"), 0.058)]
        centres, radii = np.stack([c for c, _ in circles], axis=1), np.array([r for _, r in circles])
        middle = centres.mean(axis=1, keepdims=True)
        rings = []
        for share in _shares(3):
            shrunk = (
                middle
                + (centres - middle) * np.array([0.3 + 0.7 * share, 1.0])
                + self.light * size[:, None] * (0.05 * (1 - share))
            )
            rings.append(_hull(shrunk, radii * (0.25 + 0.75 * share) * size))
        self.parts.append(Part(group, _fixed(np.stack(rings, axis=1)), shades(colour, 3)))


def _shares(layers: int) -> Curve:
    return np.linspace(1.0, 0.3, layers)


def _hull(centres: Curve, radii: Curve, directions: int = 20) -> Curve:
    """Return the outline (T, directions, 2) of the smallest convex shape around circles.

    `centres` (T, C, 2) and `radii` (T, C) in pixels. Each corner is the circle's point that reaches furthest in one
    of the directions.
    """
    angle = np.linspace(0, 2 * np.pi, directions, endpoint=False)
    way = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    reach = centres @ way.T + radii[:, :, None]
    best = reach.argmax(axis=1)
    rows = np.arange(len(centres))[:, None]
    return np.asarray(centres[rows, best] + radii[rows, best][..., None] * way)


def dress(screen: Screen, outfit: Outfit, colours: dict[str, Rgb], lit: float, bare_arms: bool) -> list[Part]:
    """Return all parts of a dressed body but the head, in groups: l_leg, r_leg, hips, torso, neck, l_arm, r_arm.

    `colours` has "top", "bottom", "skin", "shoes", "inner" (what an open jacket shows).
    """
    tailor = Tailor(screen, lit)
    woman = outfit.gender == "woman"
    slim = 0.92 if woman else 1.0
    for side in "lr":
        _leg(tailor, side, outfit, colours, slim)
    if outfit.bottom == "skirt":
        tailor.skirt("hips", 1.05, 1.25, colours["bottom"])
    _trunk(tailor, outfit, colours, WOMAN if woman else MAN)
    for side in "lr":
        _arm(tailor, side, outfit, colours, slim, bare_arms)
    neck = [(tailor.joint("neck"), 0.037 * slim), (tailor.between("neck", "head", 0.8), 0.033 * slim)]
    tailor.limb("neck", neck, _shaded(colours["skin"]), 2, alpha=SKIN)
    return tailor.parts


def _shaded(colour: Rgb) -> Rgb:
    """Return a colour as it looks in the shade of the chin."""
    return int(colour[0] * 0.84), int(colour[1] * 0.8), int(colour[2] * 0.78)


def _trunk(tailor: Tailor, outfit: Outfit, colours: dict[str, Rgb], build: Curve) -> None:
    top = colours["top"]
    if outfit.bottom != "skirt":
        waist, seat = tailor.between("pelvis", "chest", 0.25), tailor.between("l_hip", "r_hip", 0.5)
        tailor.limb("hips", [(waist, 0.07), (seat, 0.075)], colours["bottom"], 2)
    if outfit.top in ("coat", "dress"):
        tailor.skirt("torso", 0.9 if outfit.top == "dress" else 0.78, 1.5 if outfit.top == "dress" else 1.3, top)
    bulk = {"shirt": 1.1, "vest": 1.06, "jacket": 1.2, "coat": 1.22, "dress": 1.06}[outfit.top]
    tailor.torso(build, bulk, top, -0.02 if outfit.top in ("dress", "shirt") else -0.12)
    if outfit.top in ("jacket", "coat"):
        _opening(tailor, colours["inner"], colours["top"])


def _opening(tailor: Tailor, inner: Rgb, top: Rgb) -> None:
    """Add what an open jacket shows: a wedge of the shirt on the breast, where the breast is seen."""
    size, sine = tailor.screen.size[:, None], np.sin(tailor.screen.yaw)[:, None]
    seen = np.clip(np.cos(tailor.screen.yaw) * 2.5 + 0.6, 0, 1)[:, None]
    spine = tailor._spine(np.array([0.28, 0.97]))
    shift = np.concatenate([sine * 0.045 * size, 0 * sine], axis=1)
    low, high = spine[:, 0] + shift, spine[:, 1] + shift * 0.6
    half = np.concatenate([0.024 * size * seen, 0 * size], axis=1)
    wedge = np.stack([low, high + half, high - half], axis=1)[:, None]
    dark = tuple(int(v * 0.5) for v in top)
    rim = np.stack([low, high + half * 1.5, high - half * 1.5], axis=1)[:, None]
    tailor.parts.append(Part("torso", _fixed(rim), ((dark[0], dark[1], dark[2], 255),)))
    tailor.parts.append(Part("torso", _fixed(wedge), ((*inner, 255),)))


def _leg(tailor: Tailor, side: str, outfit: Outfit, colours: dict[str, Rgb], slim: float) -> None:
    group, size = f"{side}_leg", tailor.screen.size[:, None]
    hip, knee, ankle, toe = (tailor.joint(f"{side}_{name}") for name in ("hip", "knee", "ankle", "toe"))
    heel = ankle + (ankle - toe) * np.array([0.22, 0.0]) + np.array([0.0, 0.012]) * size
    tailor.limb(group, [(heel, 0.03), (toe, 0.024)], colours["shoes"], 2, alpha=SKIN)
    calf = tailor.between(f"{side}_knee", f"{side}_ankle", 0.32)
    if outfit.bottom == "trousers":
        tailor.limb(group, [(hip, 0.08), (knee, 0.059 * slim), (ankle, 0.045)], colours["bottom"])
        return
    spots = [(hip, 0.074 * slim), (knee, 0.049 * slim), (calf, 0.052 * slim), (ankle, 0.03)]
    tailor.limb(group, spots, colours["skin"], alpha=SKIN)
    if outfit.bottom == "shorts":
        end = tailor.between(f"{side}_hip", f"{side}_knee", 0.86)
        tailor.limb(group, [(hip, 0.08), (end, 0.071)], colours["bottom"])


def _arm(tailor: Tailor, side: str, outfit: Outfit, colours: dict[str, Rgb], slim: float, bare: bool) -> None:
    group, skin = f"{side}_arm", colours["skin"]
    shoulder, elbow, wrist = (tailor.joint(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist"))
    palm = wrist + (wrist - elbow) * 0.22
    tailor.limb(group, [(wrist, 0.02), (palm, 0.027), (wrist + (wrist - elbow) * 0.42, 0.017)], skin, 2, alpha=SKIN)
    sleeveless, padded = outfit.top == "vest", outfit.top in ("jacket", "coat")
    bulk = slim * (1.12 if padded else 1.0)
    if padded or not (bare or sleeveless):
        spots = [(shoulder, 0.053 * bulk), (elbow, 0.046 * bulk), (wrist, 0.035 * bulk)]
        tailor.limb(group, spots, colours["top"])
        return
    tailor.limb(group, [(shoulder, 0.048 * slim), (elbow, 0.039 * slim), (wrist, 0.028 * slim)], skin, alpha=SKIN)
    if not sleeveless:
        end = tailor.between(f"{side}_shoulder", f"{side}_elbow", 0.6)
        tailor.limb(group, [(shoulder, 0.056 * bulk), (end, 0.056 * bulk)], colours["top"])
