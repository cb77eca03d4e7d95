"""Draw heads with face, hair and hat for each direction."""

from functools import cache

import numpy as np
import numpy.typing as npt

from stvg.datasets.synthetic.planning.scene import Outfit
from stvg.datasets.synthetic.rendering.paths import Curve, ease

Sprite = npt.NDArray[np.uint8]
SPAN = 1.55
"""Half of a sprite's side, in half-heights of a head."""
HALF_HEIGHT, HALF_WIDTH = 0.072, 0.78
"""Half-height of a head in body heights; its half-width as a share of that."""


def _blend(image: Curve, mask: Curve, colour: npt.ArrayLike) -> None:
    image += (np.asarray(colour, float) - image) * np.clip(mask, 0, 1)[..., None]


def _spot(x: Curve, y: Curve, centre: tuple[float, float], radius: tuple[float, float]) -> Curve:
    """Return a soft-edged ellipse, 0..1."""
    distance = np.hypot((x - centre[0]) / radius[0], (y - centre[1]) / radius[1])
    return np.clip((1.25 - distance) * 2.5, 0, 1)


@cache
def _ball(pixels: int) -> tuple[Curve, Curve, Curve]:
    """Return the sprite's coordinates u (right), v (up) in half-heights, and the radius in the ellipsoid's metric."""
    axis = (np.arange(pixels) + 0.5) / pixels * 2 * SPAN - SPAN
    u, v = np.meshgrid(axis, -axis)
    return u, v, np.hypot(u / (HALF_WIDTH + 0.05 * np.clip(v, -1, 1)), v)


def paint_head(outfit: Outfit, hat: tuple[int, int, int] | None, yaw_deg: float, pixels: int, lit: float) -> Sprite:
    """Return a head as a (pixels, pixels, 4) premultiplied RGBA picture, looking `yaw_deg` to the image's right."""
    u, v, radius = _ball(pixels)
    soft = 2 * SPAN / pixels
    depth = np.sqrt(np.clip(1 - radius**2, 0, 1))
    yaw = np.radians(yaw_deg)
    flat = u / HALF_WIDTH
    side, front = flat * np.cos(yaw) - depth * np.sin(yaw), flat * np.sin(yaw) + depth * np.cos(yaw)
    image = np.empty((*u.shape, 3))
    image[:] = outfit.skin
    _face(image, side, front, v, outfit)
    alpha = np.clip((1 - radius) / soft + 0.5, 0, 1)
    _profile(image, alpha, u, v, np.sin(yaw), outfit)
    hairy = _hair(side, front, v, outfit)
    streak = 1 + 0.18 * np.sin(side * 23 + v * 7) * np.cos(front * 17)
    image += (np.asarray(outfit.hair_colour, float) * streak[..., None] - image) * hairy[..., None]
    hair_rim = np.clip((1.09 - np.hypot(u / (HALF_WIDTH + 0.06), v - 0.03)) / soft + 0.5, 0, 1)
    grown = hair_rim * (alpha < 1) * ((v > 0.25) | (front < -0.1) & (v > -0.55))
    _blend(image, grown * (1 - alpha), outfit.hair_colour)
    alpha = np.maximum(alpha, grown)
    light = 0.72 + 0.42 * np.clip(depth * 0.62 + flat * lit * 0.5 + v * 0.32, -0.35, 1)
    image *= light[..., None]
    if hat is not None:
        alpha = _hat(image, alpha, u, v, yaw, hat, light)
    rgb = np.clip(image, 0, 255) * alpha[..., None]
    return np.concatenate([rgb, alpha[..., None] * 255], axis=2).astype(np.uint8)


def _face(image: Curve, side: Curve, front: Curve, v: Curve, outfit: Outfit) -> None:
    """Draw eyes, brows, nose, mouth, cheeks and ears on the surface where it looks forward."""
    skin = np.asarray(outfit.skin, float)
    facing = (front > 0.05).astype(float)
    for sign in (-1, 1):
        _blend(image, 0.45 * facing * _spot(side, v, (sign * 0.36, 0.1), (0.24, 0.15)), skin * 0.62)
        _blend(image, facing * _spot(side, v, (sign * 0.36, 0.08), (0.15, 0.065)), (225, 220, 215))
        _blend(image, facing * _spot(side, v, (sign * 0.36, 0.08), (0.075, 0.075)), (35, 25, 20))
        _blend(
            image,
            0.8 * facing * _spot(side, v, (sign * 0.37, 0.27), (0.22, 0.04)),
            np.asarray(outfit.hair_colour) * 0.7,
        )
        _blend(image, 0.25 * facing * _spot(side, v, (sign * 0.5, -0.3), (0.25, 0.2)), skin * (1.0, 0.82, 0.8))
        ear = _spot(front, v, (-0.05, 0.0), (0.14, 0.2)) * (np.sign(side) == sign)
        _blend(image, 0.6 * ear, skin * 0.8)
    _blend(image, 0.35 * facing * _spot(side, v, (0.09, -0.12), (0.07, 0.22)), skin * 0.68)
    _blend(image, 0.5 * facing * _spot(side, v, (0.0, -0.28), (0.15, 0.05)), skin * 0.6)
    _blend(image, 0.8 * facing * _spot(side, v, (0.0, -0.52), (0.24, 0.055)), skin * (0.8, 0.5, 0.5))
    _blend(image, 0.35 * facing * _spot(side, v, (0.0, -0.68), (0.2, 0.05)), skin * 0.75)
    if outfit.gender == "man" and sum(outfit.hair_colour) % 3 == 0:
        beard = facing * ((v < -0.38) & (front > 0.0)) * (1 - _spot(side, v, (0.0, -0.52), (0.2, 0.05)))
        _blend(image, 0.55 * beard, np.asarray(outfit.hair_colour) * 0.9)


def _profile(image: Curve, alpha: Curve, u: Curve, v: Curve, turned: float, outfit: Outfit) -> None:
    """Let nose, brow and chin stand out of the outline of a face that looks to the side."""
    skin = np.asarray(outfit.skin, float)
    for height, reach, size in ((-0.14, 0.98, (0.13, 0.12)), (-0.78, 0.5, (0.24, 0.16))):
        bump = _spot(u, v, (turned * HALF_WIDTH * reach, height), size) * min(1.0, abs(turned) * 1.4)
        _blend(image, bump * (alpha < 1), skin * 0.95)
        np.maximum(alpha, bump, out=alpha)


def _hair(side: Curve, front: Curve, v: Curve, outfit: Outfit) -> Curve:
    """Return where hair grows, 0..1: the crown and the back, with long hair the temples too."""
    line = 0.5 + 0.12 * np.cos(side * 4)
    crown = ease((v - line + 0.08) / 0.14)
    reach = -0.9 if outfit.long_hair else -0.42
    back = ease((-front + (0.28 if outfit.long_hair else 0.12) + 0.25 * v) / 0.2) * ease((v - reach) / 0.15)
    return np.maximum(crown, back)


def _hat(image: Curve, alpha: Curve, u: Curve, v: Curve, yaw: float, hat: tuple[int, int, int], light: Curve) -> Curve:
    """Draw a brimmed cap over the crown and return the new alpha."""
    soft = 2 * SPAN / len(u)
    dome = np.clip((1.0 - np.hypot(u / (HALF_WIDTH + 0.14), (v - 0.34) / 0.86)) / soft + 0.5, 0, 1) * (v > 0.34)
    shade = np.clip(0.75 + 0.35 * v, 0.6, 1.15) * np.clip(light, 0.8, 1.15)
    image += (np.asarray(hat, float) * shade[..., None] - image) * dome[..., None]
    band = dome * ((v > 0.34) & (v < 0.44))
    image *= 1 - 0.3 * band[..., None]
    centre, reach = np.sin(yaw) * 0.55, 0.72 + 0.18 * abs(np.sin(yaw))
    tip = 0.36 - 0.12 * max(0.0, np.cos(yaw))
    brim = _spot(u, v, (centre, tip), (reach, 0.13))
    image += (np.asarray(hat, float) * 0.78 - image) * brim[..., None]
    return np.maximum(alpha, np.maximum(dome, brim))
