"""One rule says which frames are looked at, by the video's own frame rate where a rate is given."""

from pathlib import Path

import numpy as np
import pytest

from stvg.datasets.synthetic.make import write_video
from stvg.io.frame_sampling import VideoConfig


@pytest.mark.parametrize(
    ("config", "fps", "expected"),
    [
        (VideoConfig(), 25.0, 1),
        (VideoConfig(stride=4), 25.0, 4),
        (VideoConfig(rate=5), 60.0, 12),
        (VideoConfig(rate=5), 29.97, 6),
        (VideoConfig(rate=5), 12.0, 2),
        (VideoConfig(rate=5), 3.0, 1),
        (VideoConfig(rate=0.5), 10.0, 20),
    ],
    ids=str,
)
def test_stride_at_a_frame_rate(config: VideoConfig, fps: float, expected: int) -> None:
    assert config.stride_at(fps) == expected


@pytest.mark.parametrize(("fps", "expected"), [(10, [0, 2, 4, 6, 8]), (30, [0, 6])])
def test_a_rate_looks_at_the_same_moments_whatever_the_frame_rate(
    tmp_path: Path, fps: int, expected: list[int]
) -> None:
    write_video(tmp_path / "a.mp4", np.zeros((9, 48, 64, 3), np.uint8), fps, 64, 48)
    footage = VideoConfig(rate=5, max_side=32).read(tmp_path / "a.mp4", "key.mp4")
    assert footage.frames.tolist() == expected
    assert footage.meta.video_id == "key.mp4"
    assert footage.sampled_fps == 5
    assert footage.images is not None
    assert footage.images.shape[1:] == (24, 32, 3)
    with_stride = VideoConfig(stride=expected[1], max_side=32).read(tmp_path / "a.mp4", "key.mp4")
    assert with_stride.frames.tolist() == expected


def test_either_stride_or_rate() -> None:
    with pytest.raises(ValueError, match="stride or rate"):
        VideoConfig(stride=1, rate=5)
