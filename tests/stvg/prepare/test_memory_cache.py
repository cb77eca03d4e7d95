"""Which prepared videos stay in memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stvg.prepare.memory_cache import CachedReader, num_bytes, without_features
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


class Counting:
    """A reader that remembers which ids it has read."""

    def __init__(self):
        self.read_ids = []

    def read(self, video_id):
        self.read_ids.append(video_id)
        return video(video_id, frames=100 if video_id == "large" else 10)


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
    names, stores = [f"{k}.mp4" for k in range(5)], Counting()
    cached = CachedReader(stores, room)
    for _ in range(3):
        assert [cached.read(name).meta.video_id for name in names] == names
    assert stores.read_ids == names + 2 * names[kept:], "the first ones stay"
    held = [num_bytes(one) for one in cached._cache._videos.values()]
    assert sum(held) == 610 * min(kept + 1, 5)
    assert sum(held[:kept]) <= room, "beside the last one that was read"


def test_a_large_video_leaves_room_for_the_small_ones():
    stores = Counting()
    cached = CachedReader(stores, 1220)
    for name in 2 * ["large", "a", "b"]:
        cached.read(name)
    assert stores.read_ids == ["large", "a", "b", "large"]


def test_the_last_video_stays_whatever_the_budget():
    for evict in (False, True):
        stores = Counting()
        cached = CachedReader(stores, 0, evict=evict)
        for name in ("a", "a", "b", "b", "a"):
            cached.read(name)
        assert stores.read_ids == ["a", "b", "a"]


def test_the_least_recently_used_video_makes_room():
    stores = Counting()
    cached = CachedReader(stores, 1220, evict=True)
    for name in ("a", "b", "a", "c", "a", "b"):
        cached.read(name)
    assert stores.read_ids == ["a", "b", "c", "b"]
    assert sum(num_bytes(one) for one in cached._cache._videos.values()) <= 1220


def test_without_features_the_tubes_are_left():
    made = video("a.mp4")
    bare = without_features(made)
    assert bare.tubes == made.tubes
    assert len(bare.tube_features) == 1
    assert num_bytes(bare) == 210
