"""A val split out of train: whole films, the same for the same seed."""

import pytest

from stvg.datasets.hcstvg.val_split import cut_val
from stvg.io.hcstvg_annotations import film_of

TRAIN = {f"{clip}_film{film}.mp4": f"{film} {clip}" for film in range(20) for clip in range(1 + film % 4)}


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_films_are_never_in_both(share, seed):
    train, val = cut_val(TRAIN, share, seed)
    assert train | val == TRAIN
    assert not {film_of(key) for key in train} & {film_of(key) for key in val}
    assert share * len(TRAIN) <= len(val) < share * len(TRAIN) + 4, "at most one film too many"
    assert (train, val) == cut_val(TRAIN, share, seed)
    assert [key for key in TRAIN if key in train] == list(train), "the file's order"


def test_the_seed_draws():
    assert len({tuple(cut_val(TRAIN, 0.2, seed)[1]) for seed in range(5)}) > 1


def test_something_is_always_left():
    train, _ = cut_val(TRAIN, 0.99, 0)
    assert train


@pytest.mark.parametrize(("items", "share"), [(TRAIN, 0), (TRAIN, 1), ({"1_x.mp4": 1, "2_x.mp4": 2}, 0.5)])
def test_shares_that_are_none(items, share):
    with pytest.raises(ValueError, match="expected a share between 0 and 1 and clips of several films"):
        cut_val(items, share, 0)
