"""Clips of training items in memory and, beyond what it may hold, on disk."""

import gc
import resource
import weakref

import pytest
import torch

from stvg.errors import InputError
from temporal.training.clip_store import ClipStore, keep_in_memory


def test_kept_in_memory_is_the_very_tensor():
    clips = torch.zeros(2, 3)
    assert keep_in_memory(clips)() is clips


@pytest.mark.parametrize(("room", "held"), [(0, 0), (383, 0), (384, 1), (1000, 2), (10**6, 6)])
def test_memory_held_is_bounded(tmp_path, room, held):
    """Six items of 384 bytes: those beyond the room are let go, and come back from disk as they were, in any order."""
    made = [torch.randn(1 + number % 2, 4, 24 // (1 + number % 2)) for number in range(6)]
    expected = [clips.clone() for clips in made]
    memory, alive = ClipStore(tmp_path / "new", room), []
    gives = []
    for clips in made:
        gives.append(memory.keep(clips))
        alive.append(weakref.ref(clips))
    made.clear()
    del clips
    gc.collect()
    assert [ref() is not None for ref in alive] == [number < held for number in range(6)]
    for number in (5, 0, 3, 3, 1, 4, 2):
        assert torch.equal(gives[number](), expected[number])
    assert not list(tmp_path.rglob("*.*")), "the file has no name: nothing is left by a killed run"


def test_what_it_gives_outlives_it(tmp_path):
    gives = [ClipStore(tmp_path, 0).keep(torch.full((2, 2), float(number))) for number in range(2)]
    gc.collect()
    assert [give().sum().item() for give in gives] == [0.0, 4.0]


def test_changing_what_is_given_changes_nothing(tmp_path):
    give = ClipStore(tmp_path, 0).keep(torch.ones(3))
    give().zero_()
    assert give().sum().item() == 3.0


def test_a_full_disk_is_one_line(tmp_path):
    memory = ClipStore(tmp_path, 0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, before[1]))
    try:
        with pytest.raises(InputError, match=r"expected room on the disk for training items beyond data\.memory_gib"):
            memory.keep(torch.zeros(1 << 16))
        del memory
        gc.collect()  # its file closes without a word
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected a folder that can be written to for training items"):
        ClipStore(tmp_path / "file" / "temporal", 0).keep(torch.zeros(1))
