"""What of prepared videos stays in memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stvg.prepare.cache import KeepingReader, num_bytes, without_features
from stvg.types import PreparedVideo, Tube, VideoMeta


def video(name, frames=10):
    """A video of one tube; 21 bytes a frame for it, and 40 a frame of features."""
    tube = Tube(
        0,
        0,
        np.tile([0.0, 0.0, 4.0, 4.0], (frames, 1)).astype(np.float32),
        np.ones(frames, np.float32),
        np.ones(frames, bool),
    )
    meta = VideoMeta(name, Path(name), frames, 10.0, 64, 48)
    return PreparedVideo(meta, np.zeros((frames, 3), np.float32), (tube,), (np.zeros((frames, 7), np.float32),))


def test_bytes_are_those_of_all_arrays():
    made = video("a.mp4", frames=10)
    assert num_bytes(made) == 10 * (4 * 4 + 4 + 1) + 10 * 3 * 4 + 10 * 7 * 4
    assert num_bytes(replace(made, tubes=(), tube_features=())) == 10 * 3 * 4


@pytest.mark.parametrize(
    ("room", "kept"),
    [(0, 0), (609, 0), (610, 1), (1829, 2), (1830, 3), (10**9, 5)],
    ids=["no room", "a byte short", "one", "a byte short of three", "three", "room for all"],
)
def test_memory_held_is_bounded(room, kept):
    """Five videos of 610 bytes each, read from one end to the other three times."""
    names, read = [f"{k}.mp4" for k in range(5)], []

    def counted(name):
        read.append(name)
        return video(name)

    keep = KeepingReader(counted, room)
    for _ in range(3):
        assert [keep(name).meta.video_id for name in names] == names
    assert read == names + 2 * names[kept:], "the first ones stay"
    assert sum(num_bytes(one) for one in keep._kept.values()) == 610 * kept <= room


def test_a_large_video_leaves_room_for_the_small_ones():
    read = []

    def counted(name):
        read.append(name)
        return video(name, frames=100 if name == "large" else 10)

    keep = KeepingReader(counted, 1220)
    for name in 2 * ["large", "a", "b"]:
        keep(name)
    assert read == ["large", "a", "b", "large"]


def test_without_features_the_tubes_are_left():
    made = video("a.mp4")
    bare = without_features(made)
    assert bare.tubes == made.tubes
    assert len(bare.tube_features) == 1
    assert num_bytes(bare) == 210
