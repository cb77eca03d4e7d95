"""Define a scene's data: people, acts, furniture, camera."""

from dataclasses import dataclass
from typing import Literal

ActionName = Literal[
    "walk",
    "turn_around",
    "sit_down",
    "stand_up",
    "raise_hand",
    "wave",
    "bend_down",
    "pick_up",
    "put_down",
    "point",
    "jump",
    "crouch",
    "clap",
    "kick",
    "stretch",
]
Colour = Literal["red", "blue", "green", "yellow", "white", "black", "brown", "purple", "orange", "gray", "pink"]
PropKind = Literal["stool", "table", "sofa", "cabinet", "plant", "lamp", "door", "window", "picture", "box"]


@dataclass(frozen=True, slots=True)
class Outfit:
    """What a person looks like; the renderer knows how each word is drawn.

    A dress or a long coat covers the thighs in `top_colour`; `bottom_colour` is what shows below it. `skin` and
    `hair_colour` are RGB in 0..255; `hat_colour` None means bareheaded.
    """

    gender: Literal["man", "woman"]
    top: Literal["shirt", "jacket", "coat", "vest", "dress"]
    top_colour: Colour
    bottom: Literal["trousers", "skirt", "shorts"]
    bottom_colour: Colour
    hat_colour: Colour | None
    long_hair: bool
    hair_colour: tuple[int, int, int]
    skin: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Act:
    """One action of a person in frames `start` to `stop` (half-open). Between acts the person idles in its posture.

    `to` is where a walk ends, on the floor: x 0..1 from the room's left to its right wall, z 0..1 from the back wall
    to the camera; None for all other actions. `facing` is the direction the person looks afterwards and, but for
    turn_around, during the act: -1 left, 1 right.
    """

    action: ActionName
    start: int
    stop: int
    facing: Literal[-1, 1]
    to: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """A person of the scene: `height` relative to the average (0.9..1.1), start position on the floor as in Act.to.

    `seated` is the posture at frame 0. sit_down is only acted when standing, stand_up only when seated; wave, clap,
    point, raise_hand, stretch and pick_up/put_down can be acted in either posture, all others standing.
    """

    actor_id: int
    outfit: Outfit
    height: float
    position: tuple[float, float]
    facing: Literal[-1, 1]
    seated: bool
    acts: tuple[Act, ...]


@dataclass(frozen=True, slots=True)
class Prop:
    """A piece of furniture at floor position (x, z).

    Where someone sits and the script puts no stool, the renderer puts one.
    """

    kind: PropKind
    x: float
    z: float
    colour: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class View:
    """The camera from frame `start` on: the part of the room that it sees, moving linearly to the next view.

    `centre_x` 0..1 across the room, `zoom` >= 1. `cut` true: the view begins with a shot cut instead of a pan. At
    zoom 1 the whole room, x 0..1 at every depth, fills the image's width; at zoom 1.5 two thirds of it do, kept inside
    the room, and its lower edge stays at the floor's front. The first view starts at frame 0.
    """

    start: int
    centre_x: float
    zoom: float
    cut: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole clip. `seed` draws what no word describes (wallpaper, lighting, limb timing, textures)."""

    seed: int
    num_frames: int
    fps: float
    width: int
    height: int
    actors: tuple[Actor, ...]
    props: tuple[Prop, ...]
    views: tuple[View, ...]
