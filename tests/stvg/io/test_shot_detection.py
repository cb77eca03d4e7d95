import cv2
import numpy as np
import pytest

from stvg.io.shot_detection import find_cuts
from stvg.types import Image

HEIGHT, WIDTH = 72, 128


def room(seed: int, width: int = 3 * WIDTH) -> Image:
    """A wide still picture of soft blobs in the colours of one room."""
    rng = np.random.default_rng(seed)
    tint = rng.integers(40, 200, 3)
    noise = rng.normal(0, 1, (9, 3 * 9 * width // WIDTH // 2, 3)) * 40 + tint
    return cv2.resize(noise.clip(0, 255).astype(np.uint8), (width, HEIGHT), interpolation=cv2.INTER_CUBIC)


def still(seed: int, count: int, left: int = 0) -> Image:
    """One view of a room, with the sensor's noise."""
    rng = np.random.default_rng(seed + 1000)
    view = room(seed)[:, left : left + WIDTH].astype(np.float64)
    return (view + rng.normal(0, 3, (count, HEIGHT, WIDTH, 3))).clip(0, 255).astype(np.uint8)


def pan(seed: int, count: int, pixels: int) -> Image:
    picture = room(seed)
    lefts = np.abs((np.arange(count) * pixels + WIDTH) % (4 * WIDTH) - 2 * WIDTH)
    return np.stack([picture[:, left : left + WIDTH] for left in lefts])


def crossing(seed: int, count: int, pixels: int, width: int = 40) -> Image:
    """A person of a fifth to a third of the picture's width who crosses the view again and again."""
    images = still(seed, count)
    for index, image in enumerate(images):
        left = (index * pixels) % (WIDTH + 2 * width) - width
        image[6:, max(0, left) : max(0, left + width)] = (200, 30, 40)
    return images


def test_every_planted_cut_is_found_at_its_frame() -> None:
    for seed in range(8):
        lengths = np.random.default_rng(seed).integers(8, 25, 4)
        images = np.concatenate([still(10 * seed + shot, int(n)) for shot, n in enumerate(lengths)])
        assert find_cuts(images) == tuple(np.cumsum(lengths)[:-1].tolist())


def test_cut_between_moving_shots_is_found() -> None:
    images = np.concatenate([pan(1, 20, 2), crossing(2, 20, 5), pan(3, 15, 3)])
    assert find_cuts(images) == (20, 40)


def test_cut_to_another_view_of_the_same_room_is_found() -> None:
    assert find_cuts(np.concatenate([still(4, 15), still(4, 15, left=90)])) == (15,)


def flash(seed: int) -> Image:
    images = still(seed, 30)
    images[14] = 255
    return images


def wrong_frame(seed: int) -> Image:
    images = still(seed, 30)
    images[9] = still(seed + 1, 1)[0]
    return images


def dimming(seed: int) -> Image:
    light = np.linspace(1, 0.3, 40)[:, None, None, None]
    return (still(seed, 40) * light).astype(np.uint8)


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (still(5, 30), "noise only"),
        (pan(6, 60, 1), "slow pan"),
        (pan(7, 60, 5), "fast pan: 4 % of the width per frame"),
        (crossing(8, 60, 3), "a person walks through"),
        (crossing(9, 60, 12), "a person runs through close to the camera"),
        (flash(10), "one white frame"),
        (wrong_frame(11), "one frame of another place"),
        (dimming(12), "the light goes down slowly"),
        (np.full((20, HEIGHT, WIDTH, 3), 77, np.uint8), "no picture at all"),
        (still(13, 1), "one frame"),
        (still(14, 2), "two frames"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_cut(images: Image, reason: str) -> None:
    assert find_cuts(images) == (), reason


def test_size_of_pictures_hardly_matters() -> None:
    images = np.concatenate([still(15, 12), still(16, 12)])
    large = np.stack([cv2.resize(image, (640, 360)) for image in images])
    assert find_cuts(large) == find_cuts(images) == (12,)
