from pathlib import Path

import numpy as np
import pytest

from spatial.detectors.hog import HogConfig, HogDetector
from stvg.geometry.boxes import elementwise_iou
from stvg.io.video import read_footage
from stvg.types import Image, VideoFrames, VideoMeta

CLIPS = Path(__file__).resolve().parents[4] / "shared" / "data" / "clips"


def as_footage(image: Image, scale: float = 1.0) -> VideoFrames:
    height, width = (round(side / scale) for side in image.shape[:2])
    return VideoFrames(VideoMeta("v.mp4", Path("v.mp4"), 1, 10.0, width, height), np.arange(1), image[None], scale, ())


def test_empty_and_tiny_pictures_have_no_people() -> None:
    for shape in ((240, 320, 3), (40, 30, 3)):
        (item,) = HogDetector(HogConfig()).detect(as_footage(np.full(shape, 90, np.uint8)))
        assert len(item) == 0


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not there")
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_finds_a_standing_man_in_pixels_of_the_video(scale: float) -> None:
    image = read_footage(CLIPS / "two_men.mp4", "v", 1000, 640).images[0]
    found = HogDetector(HogConfig(threshold=0.5)).detect(as_footage(image, scale))[0]
    truth = np.array([[208, 91, 293, 305], [297, 83, 381, 291]]) / scale
    assert len(found) > 0
    assert max(elementwise_iou(found.boxes_xyxy, man).max() for man in truth) > 0.5
    assert ((found.scores >= 0.5) & (found.scores <= 1)).all()
