"""Frames: boxes, visibility, colours, camera."""

from dataclasses import replace
from itertools import pairwise
from typing import get_args

import cv2
import numpy as np
import pytest

from stvg.datasets.synthetic.planning.scene import Act, ActionName, Actor, Colour, Outfit, Prop, Scene, View
from stvg.datasets.synthetic.rendering import frames as render
from stvg.datasets.synthetic.rendering.camera import windows
from stvg.datasets.synthetic.rendering.frames import RenderedFrame, render_scene
from stvg.datasets.synthetic.rendering.person import PALETTE
from stvg.datasets.synthetic.rendering.room import missing_stools
from stvg.types import FloatArray, Image

OUTFIT = Outfit("man", "shirt", "red", "trousers", "blue", None, False, (40, 30, 20), (220, 180, 150))
OUTFITS = [
    ("man", "shirt", "trousers"),
    ("man", "vest", "shorts"),
    ("woman", "coat", "trousers"),
    ("woman", "shirt", "skirt"),
]
STILL = View(0, 0.5, 1.0, False)


def person(number: int, x: float, z: float, acts: tuple[Act, ...] = (), **changes: object) -> Actor:
    """Return a standing person in red and blue."""
    outfit = replace(OUTFIT, **changes)  # type: ignore[arg-type]
    return Actor(number, outfit, 1.0, (x, z), 1, False, acts)


def scene(*actors: Actor, props: tuple[Prop, ...] = (), views: tuple[View, ...] = (STILL,), frames: int = 12) -> Scene:
    """Return a short clip."""
    return Scene(11, frames, 10.0, 640, 360, actors, props, views)


def film(script: Scene) -> list[RenderedFrame]:
    """Return all its frames."""
    return list(render_scene(script))


def difference_box(first: Image, second: Image) -> FloatArray:
    """Return the box of all pixels that clearly differ, as xyxy."""
    changed = np.abs(first.astype(int) - second.astype(int)).max(axis=2) > 24
    y, x = np.nonzero(changed)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], np.float32)


@pytest.mark.parametrize("action", get_args(ActionName))
def test_boxes_fit_the_pixels_that_the_person_changes(action: ActionName, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "_cast_shadow", lambda *_: None)
    monkeypatch.setattr(render, "_carry_object", lambda *_: None)
    monkeypatch.setattr(render, "_lay_dropped", lambda *_: None)
    act = Act(action, 0, 24, 1, (0.6, 0.6) if action == "walk" else None)
    # White on a dark floor and a middle wall: what is drawn differs from what is behind.
    actor = person(0, 0.5, 0.5, (act,), top_colour="pink", bottom_colour="white", hair_colour=(15, 10, 10))
    actor = replace(actor, seated=action == "stand_up")
    script = scene(actor, frames=24)
    empty = next(render_scene(replace(script, actors=(), props=tuple(missing_stools(script)))))
    for frame in film(script)[5::6]:
        found = difference_box(frame.image, empty.image)
        assert np.abs(found - frame.boxes_xyxy[0]).max() <= 4, (found, frame.boxes_xyxy[0])
        assert frame.visible[0] == 1


def test_the_same_scene_gives_the_same_bytes() -> None:
    script = scene(person(0, 0.3, 0.3), person(1, 0.6, 0.7), props=(Prop("plant", 0.5, 0.5, (90, 60, 40)),))
    for first, again in zip(film(script), film(script), strict=True):
        assert np.array_equal(first.image, again.image)
        assert np.array_equal(first.boxes_xyxy, again.boxes_xyxy)
        assert np.array_equal(first.visible, again.visible)
    assert not np.array_equal(film(replace(script, seed=12))[0].image, film(script)[0].image)


def test_frames_have_the_promised_form() -> None:
    frames = film(scene(person(0, 0.3, 0.3), person(1, 0.6, 0.7)))
    assert len(frames) == 12
    for frame in frames:
        assert frame.image.shape == (360, 640, 3)
        assert frame.image.dtype == np.uint8
        assert frame.boxes_xyxy.dtype == np.float32
        assert frame.boxes_xyxy.shape == (2, 4)
        assert frame.visible.dtype == np.float32


def _named(pixels: Image) -> str:
    """Return the colour name that most of the pixels (N, 3) are nearest to, in CIELAB with little weight on light."""
    names = list(PALETTE)
    both = np.concatenate([pixels.reshape(-1, 3), np.array([PALETTE[name] for name in names], np.uint8)])
    lab = cv2.cvtColor((both[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0] * (0.5, 1, 1)
    nearest = np.linalg.norm(lab[: -len(names), None] - lab[None, -len(names) :], axis=2).argmin(axis=1)
    return names[int(np.bincount(nearest).argmax())]


def _band(frame: RenderedFrame, low: float, high: float) -> Image:
    """Return the middle of the first person's box between two shares of its height."""
    x1, y1, x2, y2 = frame.boxes_xyxy[0]
    middle, half, tall = (x1 + x2) / 2, (x2 - x1) * 0.13, y2 - y1
    return frame.image[int(y1 + low * tall) : int(y1 + high * tall), int(middle - half) : int(middle + half)]


@pytest.mark.parametrize("colour", get_args(Colour))
@pytest.mark.parametrize(("gender", "top", "bottom"), OUTFITS)
def test_clothes_have_the_colour_of_their_name(colour: Colour, gender: str, top: str, bottom: str) -> None:
    other: Colour = "green" if colour != "green" else "red"
    upper = film(
        scene(
            person(0, 0.5, 0.6, gender=gender, top=top, bottom=bottom, top_colour=colour, bottom_colour=other), frames=1
        )
    )[0]
    lower = film(
        scene(
            person(0, 0.5, 0.6, gender=gender, top="shirt", bottom=bottom, top_colour=other, bottom_colour=colour),
            frames=1,
        )
    )[0]
    assert _named(_band(upper, 0.34, 0.46)) == colour
    assert _named(_band(lower, 0.54, 0.66)) == colour


@pytest.mark.parametrize("colour", get_args(Colour))
def test_hats_have_the_colour_of_their_name(colour: Colour) -> None:
    frame = film(scene(person(0, 0.5, 0.9, hat_colour=colour), frames=1, views=(View(0, 0.5, 1.3, False),)))[0]
    assert _named(_band(frame, 0.01, 0.05)) == colour


def test_a_nearer_person_hides_a_farther_one() -> None:
    alone = film(scene(person(0, 0.5, 0.2), frames=1))[0]
    behind = film(scene(person(0, 0.5, 0.2), person(1, 0.51, 0.7), frames=1))[0]
    assert alone.visible[0] == pytest.approx(1, abs=0.02)
    assert behind.visible[0] < 0.7
    assert behind.visible[1] == pytest.approx(1, abs=0.02)
    assert np.array_equal(alone.boxes_xyxy[0], behind.boxes_xyxy[0]), "a box covers the hidden part too"


@pytest.mark.parametrize(("z", "hidden"), [(0.8, True), (0.1, False)])
def test_furniture_hides_only_who_stands_behind_it(z: float, hidden: bool) -> None:
    frame = film(scene(person(0, 0.5, 0.4), props=(Prop("cabinet", 0.5, z, (120, 90, 60)),), frames=1))[0]
    assert bool(frame.visible[0] < 0.8) is hidden


def test_a_person_out_of_view_has_no_box() -> None:
    frame = film(scene(person(0, 0.1, 0.4), views=(View(0, 0.9, 2.0, False),), frames=1))[0]
    assert np.isnan(frame.boxes_xyxy[0]).all()
    assert frame.visible[0] == 0


def test_boxes_are_clipped_to_the_image() -> None:
    frame = film(scene(person(0, 0.0, 0.5), frames=1))[0]
    assert frame.boxes_xyxy[0, 0] == 0
    assert 0.2 < frame.visible[0] < 0.8


def test_a_cut_changes_the_picture_and_a_still_camera_does_not() -> None:
    script = scene(person(0, 0.5, 0.4), views=(STILL, View(6, 0.3, 1.4, True)))
    images = [frame.image.astype(int) for frame in film(script)]
    change = [float(np.abs(a - b).mean()) for a, b in pairwise(images)]
    assert change[5] > 8
    assert max(change[:5] + change[6:]) < 1.5


def test_pans_move_evenly_and_stay_inside_the_room() -> None:
    script = scene(views=(View(0, 0.0, 1.25, False), View(11, 1.0, 1.25, False)))
    seen = windows(script)
    assert (np.diff(seen[:, 0]) >= 0).all()
    assert seen[:, 0].min() >= 0
    assert seen[:, 0].max() <= 640 * (1 - 1 / 1.25) + 1e-6
    images = [frame.image for frame in film(script)]
    assert not np.array_equal(images[3], images[7])


def test_seats_get_stools() -> None:
    sitting = Act("sit_down", 6, 10, 1)
    walking = Act("walk", 0, 6, 1, (0.7, 0.5))
    script = scene(person(0, 0.4, 0.5, (walking, sitting)), replace(person(1, 0.2, 0.3), seated=True))
    assert {(stool.x, stool.z) for stool in missing_stools(script)} == {(0.7, 0.5), (0.2, 0.3)}
    given = replace(script, props=(Prop("stool", 0.7, 0.5, (90, 70, 50)),))
    assert [(stool.x, stool.z) for stool in missing_stools(given)] == [(0.2, 0.3)]
