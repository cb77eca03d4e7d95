"""What people of the film world wear, how it is said, and what a camera makes of its colours."""

from dataclasses import dataclass

import numpy as np

from stvg.types import Float64Array, Image

RGB: dict[str, tuple[tuple[int, int, int], ...]] = {
    "black": ((22, 22, 25), (35, 33, 36), (45, 42, 44)),
    "white": ((235, 235, 232), (220, 222, 226), (240, 236, 225)),
    "gray": ((128, 129, 133), (95, 97, 102), (160, 160, 163)),
    "red": ((190, 30, 38), (150, 25, 35), (205, 55, 50)),
    "blue": ((38, 74, 170), (30, 45, 95), (80, 120, 190), (120, 150, 200)),
    "green": ((38, 122, 62), (70, 90, 55), (40, 75, 50), (130, 160, 80)),
    "yellow": ((225, 195, 60), (235, 215, 110), (200, 165, 40)),
    "brown": ((105, 70, 45), (80, 55, 40), (140, 100, 70), (165, 135, 100)),
    "purple": ((105, 55, 140), (80, 45, 95), (150, 110, 170)),
    "pink": ((232, 150, 175), (220, 110, 140), (235, 185, 190)),
    "orange": ((230, 120, 35), (205, 95, 30)),
}
"""Shades that people call by each of the eleven basic colour terms."""
TOP_COLOURS = (
    ("black", 22),
    ("white", 19),
    ("blue", 11),
    ("red", 10),
    ("gray", 8),
    ("yellow", 5),
    ("green", 6),
    ("brown", 6),
    ("purple", 3),
    ("pink", 3),
    ("orange", 2),
)
BOTTOM_COLOURS = (("black", 35), ("blue", 20), ("gray", 15), ("brown", 10), ("white", 10), ("red", 3), ("green", 4))
HAIR = {
    "dark": ((25, 20, 18), (45, 32, 24)),
    "brown": ((80, 55, 38), (105, 75, 50)),
    "blond": ((190, 155, 100), (165, 130, 80), (210, 180, 130)),
    "white": ((205, 203, 200), (170, 168, 165)),
    "red": ((120, 55, 35),),
    "bald": ((225, 180, 150),),
}
HAIR_WORDS = {
    "dark": ("black-haired", "dark-haired"),
    "brown": ("brown-haired", "brown haired"),
    "blond": ("blond", "blonde", "yellow-haired", "blond-haired", "golden-haired"),
    "white": ("white-haired", "gray-haired", "old"),
    "red": ("red-haired",),
}
SKIN = ((240, 205, 180), (225, 180, 150), (200, 150, 115), (150, 105, 75), (95, 65, 50))
TOPS = {
    "man": (
        "clothes",
        "clothes",
        "clothes",
        "suit",
        "shirt",
        "jacket",
        "coat",
        "vest",
        "T-shirt",
        "sweater",
        "uniform",
        "short sleeves",
        "hoodie",
        "jersey",
        "robe",
        "windbreaker",
        "top",
        "sportswear",
        "trench coat",
        "leather jacket",
        "military uniform",
        "overcoat",
        "pajamas",
        "cloak",
    ),
    "woman": (
        "clothes",
        "clothes",
        "clothes",
        "dress",
        "dress",
        "shirt",
        "coat",
        "jacket",
        "sweater",
        "T-shirt",
        "top",
        "skirt",
        "blouse",
        "hoodie",
        "vest",
        "cape",
        "robe",
        "sportswear",
        "scarf",
        "trench coat",
        "gown",
        "shawl",
        "apron",
        "leather jacket",
        "pajamas",
        "evening dress",
    ),
}
LONG = ("coat", "dress", "robe", "windbreaker", "cape", "trench coat", "overcoat", "cloak", "gown", "evening dress")
SHORT_SLEEVES = ("T-shirt", "vest", "short sleeves", "jersey", "top", "dress", "sportswear", "evening dress")
ALL_OVER = (*LONG[-2:], "clothes", "suit", "uniform", "dress", "robe", "sportswear", "military uniform", "pajamas")
PATTERNS = ("striped", "plaid", "patterned", "flowered", "floral", "spotted", "checkered")


@dataclass(frozen=True, slots=True)
class Look:
    """A person's looks: words, and RGB of each part (hair, torso, arms, thighs, shins, feet), with a second colour."""

    kind: str
    child: bool
    top: str
    top_colour: str
    bottom: str
    bottom_colour: str
    hair: str
    hat: str | None
    shirtless: bool
    pattern: str | None
    parts: Float64Array
    second: Float64Array
    mix: Float64Array
    """(6,) share of pixels that show the second colour."""


def _draw(rng: np.random.Generator, table: tuple[tuple[str, int], ...]) -> str:
    names, weights = zip(*table, strict=True)
    return str(rng.choice(names, p=np.array(weights) / sum(weights)))


def _shade(rng: np.random.Generator, colour: str) -> Float64Array:
    shades = RGB[colour]
    return np.clip(np.array(shades[rng.integers(len(shades))]) * rng.uniform(0.85, 1.15) + rng.normal(0, 6, 3), 4, 250)


def dress(rng: np.random.Generator) -> Look:
    """Draw one person's looks."""
    kind = "woman" if rng.random() < 0.38 else "man"
    child = rng.random() < 0.07
    top_colour, top = _draw(rng, TOP_COLOURS), str(rng.choice(TOPS[kind]))
    all_over = top in ALL_OVER and rng.random() < (1.0 if top in LONG else 0.8)
    bottom = (
        ("skirt" if rng.random() < 0.4 else "pants")
        if kind == "woman"
        else ("shorts" if rng.random() < 0.1 else "pants")
    )
    bottom_colour = top_colour if all_over and bottom != "shorts" else _draw(rng, BOTTOM_COLOURS)
    shirtless = kind == "man" and rng.random() < 0.03
    hair = str(rng.choice(list(HAIR), p=[0.48, 0.22, 0.12, 0.11, 0.04, 0.03]))
    hat = _draw(rng, TOP_COLOURS) if rng.random() < 0.2 else None
    skin = np.array(SKIN[rng.choice(5, p=[0.3, 0.3, 0.2, 0.1, 0.1])], float)
    shade, below = _shade(rng, top_colour), _shade(rng, bottom_colour)
    if bottom_colour == top_colour and all_over:
        below = shade * rng.uniform(0.85, 1.15)
    hairs = HAIR[hair] if hair != "bald" else (tuple(int(value) for value in skin),)
    head = np.array(hairs[rng.integers(len(hairs))], float) if hat is None else _shade(rng, hat)
    torso = skin if shirtless else shade
    sleeves = skin if shirtless or (top in SHORT_SLEEVES and rng.random() < 0.75) else shade
    thighs = shade if top in LONG and rng.random() < 0.8 else below
    bare = bottom in ("skirt", "shorts") or (top == "dress" and rng.random() < 0.7)
    shins = skin if bare and rng.random() < 0.7 else (below if top != "dress" else shade)
    shoes = _shade(rng, str(rng.choice(["black", "brown", "white", "gray"])))
    parts = np.stack([head, torso, sleeves, thighs, shins, shoes]).clip(3, 252)
    pattern = str(rng.choice(PATTERNS)) if rng.random() < 0.1 else None
    second, mix = parts.copy(), np.zeros(6)
    other = _shade(rng, _draw(rng, TOP_COLOURS))
    if pattern:
        second[1], mix[1] = other, rng.uniform(0.25, 0.5)
        if np.allclose(sleeves, shade):
            second[2], mix[2] = other, mix[1]
    elif rng.random() < 0.4:  # an open jacket, a tie, a print, straps
        second[1], mix[1] = other, rng.uniform(0.05, 0.3)
    second[0], mix[0] = skin, rng.uniform(0.0, 0.35)
    return Look(kind, child, top, top_colour, bottom, bottom_colour, hair, hat, shirtless, pattern, parts, second, mix)


def seen_pixels(
    rng: np.random.Generator, look: Look, frames: int, points: int, world: dict[str, Float64Array], wrong: Float64Array
) -> Image:
    """Return what a camera shows on the parts: (frames, 6, points, 3) uint8 RGB.

    `world` holds the light and the background as draw_light returns them; `wrong` (frames, 6) is the share of points
    that miss the part.
    """
    shape = (frames, 6, points)
    second = rng.random(shape) < look.mix[:, None]
    colour = np.where(second[..., None], look.second[:, None], look.parts[:, None])
    around = world["background"][rng.integers(len(world["background"]), size=(frames, 6))]
    neighbour = look.parts[rng.integers(0, 6, size=(frames, 6))]
    stray = np.where(rng.random((frames, 6, 1)) < 0.6, around, neighbour)
    misses = rng.random(shape) < wrong[..., None]
    colour = np.where(misses[..., None], stray[:, :, None], colour)
    shading = rng.normal(1.0, world["contrast"][0], shape) * rng.normal(1.0, 0.08, (frames, 6, 1))
    part_light = rng.normal(1.0, 0.12, (1, 6, 1))
    lit: Float64Array = colour * (shading * part_light).clip(0.15, 1.7)[..., None] * world["gain"]
    gray = lit.mean(axis=-1, keepdims=True)
    lit = gray + (lit - gray) * world["saturation"][0]
    lit = lit * (1 - world["lift"][0] / 255) + world["lift"][0] + rng.normal(0, world["noise"][0], (*shape, 3))
    return lit.clip(0, 255).astype(np.uint8)


def draw_light(rng: np.random.Generator) -> dict[str, Float64Array]:
    """Draw the light and the camera of a clip."""
    exposure = np.exp(rng.normal(-0.25, 0.35))
    balance = np.exp(rng.normal(0, 0.09, 3))
    balance[0] *= np.exp(rng.normal(0.04, 0.07))
    background = rng.uniform(20, 220, (4, 1)) + rng.normal(0, 18, (4, 3))
    return {
        "gain": exposure * balance,
        "lift": np.array([abs(rng.normal(0, 14))]),
        "noise": np.array([rng.uniform(1, 9)]),
        "saturation": np.array([rng.uniform(0.45, 1.15)]),
        "contrast": np.array([rng.uniform(0.05, 0.22)]),
        "background": background.clip(5, 250),
    }
