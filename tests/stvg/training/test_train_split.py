"""Training items: each footage is read once, memory is bounded, and no video is left out without a word."""

import logging
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import pytest
import torch

from stvg.config import load_config
from stvg.errors import InputError
from stvg.geometry.tubes import shift_tube
from stvg.prepare.memory_cache import Reader, num_bytes
from stvg.prepare.store import PreparedStore
from stvg.recipe.build import clip_sequences
from stvg.recipe.schema import Recipe
from stvg.training.tasks import MomentTask
from stvg.training.train_split import make_train_set, training_splits, usable_split
from temporal.distributed.ranks import Ranks
from temporal.mmn.moment_map import moment_map_mask
from temporal.training.moment_items import make_moment_item


@pytest.fixture
def recipe(road):
    return load_config(Recipe, road.config, [f"data.root={road.world}", f"output.root={road.out}"])


@pytest.fixture
def reads(monkeypatch):
    """Counts how often each prepared video is read from its file."""
    counted, read = Counter(), PreparedStore.read

    def watched(self, video_id):
        counted[video_id] += 1
        return read(self, video_id)

    monkeypatch.setattr(PreparedStore, "read", watched)
    return counted


def test_each_footage_is_read_once(recipe, reads):
    made = make_items(recipe, usable_split(recipe, "train"))
    assert len(made.items) == 1
    assert len(made.items[0].texts) > 1, "the clips of one footage are one item"
    assert sum(reads.values()) == 1


def make_items(recipe, split, **changes):
    make = partial(
        make_moment_item, sequences=clip_sequences(recipe), mask=torch.from_numpy(moment_map_mask(32, (14,)))
    )
    return make_train_set(recipe, replace(recipe.temporal.training, **changes), split, make)


def test_moments_past_the_end_of_the_video_are_cut_or_left_out(recipe, caplog):
    split = usable_split(recipe, "train")
    (first, second), others = split.annotations[:2], split.annotations[2:]
    frames = split.reader.read(first.query.video_id).meta.num_frames
    over = replace(first, tube=shift_tube(first.tube, first.tube.span.stop - 1 - frames))
    past = replace(second, tube=shift_tube(second.tube, second.tube.span.start - frames))
    made = make_items(recipe, replace(split, annotations=(over, past, *others)), crops=3)
    assert max(float(item.moments.max()) for item in [*made.items, *chain(*made.versions)]) <= 1
    assert f"{second.query.query_id}: left out of training: frames {frames + 1} to " in caplog.text
    assert sorted(made.items[0].texts) == sorted(one.query.text for one in (over, *others))
    with pytest.raises(InputError, match=r"train\.json: expected people in its videos where its boxes are"):
        make_items(recipe, replace(split, annotations=(past,)))


def test_the_first_video_with_people_gives_the_width(recipe):
    """However many videos without anybody come first, and whichever features moments are searched in."""
    split = usable_split(recipe, "train")
    width = split.reader.read(split.annotations[0].query.video_id).tube_features[0].shape[1]
    recipe = replace(recipe, temporal=replace(recipe.temporal, search="people"))
    train = replace(split, annotations=split.annotations[:1] * 12, reader=Emptied(split.reader, 10))
    assert MomentTask(recipe, train, split, Ranks()).model.input_size == width
    with pytest.raises(InputError, match=r"expected people in its videos, the detector found none"):
        MomentTask(recipe, replace(train, reader=Emptied(split.reader, 12)), split, Ranks())


@dataclass
class Emptied:
    """A reader whose first `left` videos show nobody."""

    reader: Reader
    left: int

    def read(self, video_id):
        self.left -= 1
        video = self.reader.read(video_id)
        return replace(video, tubes=(), tube_features=()) if self.left >= 0 else video


@pytest.mark.parametrize("gib", [0, 4], ids=["no room", "room"])
def test_val_is_kept_as_far_as_there_is_room(road, reads, gib):
    recipe = load_config(
        Recipe, road.config, [f"data.root={road.world}", f"output.root={road.out}", f"data.memory_gib={gib}"]
    )
    val = usable_split(recipe, "val")
    names = {item.query.video_id for item in val.annotations}
    for _ in range(3):
        for name in names:
            assert num_bytes(val.reader.read(name)) > 0
    assert min(reads[name] for name in names) == (1 if gib else 3)


@pytest.mark.parametrize(("name", "stage"), [("train_temporal", "temporal"), ("train_matcher", "matcher")])
def test_items_from_disk_train_the_same_weights(road, tool, tmp_path, name, stage):
    (tmp_path / "prepared").symlink_to(road.out / "prepared")
    options = [option for option in road.options if not option.startswith("output.root")]
    done = tool(name, *options, f"output.root={tmp_path}", "data.memory_gib=0")
    assert done.code == 0, done.stderr
    best = f"{stage}/best.safetensors"
    assert (tmp_path / best).read_bytes() == (road.out / best).read_bytes()
    assert sorted(path.name for path in (tmp_path / stage).iterdir()) == ["best.safetensors", "events", "last.pt"]


@dataclass(frozen=True, slots=True)
class OtherRank(Ranks):
    """The second of two ranks; the first one sent `heard`."""

    rank: int = 1
    size: int = 2
    heard: float | None = None

    def broadcast(self, value):
        return value if self.heard is None else self.heard


@pytest.fixture
def lacking(recipe, monkeypatch):
    """The recipe, of whose videos one of train and one of val are gone."""
    missing = [usable_split(recipe, split).annotations[0].query.video_id for split in ("train", "val")]
    sources = PreparedStore.sources
    monkeypatch.setattr(
        PreparedStore, "sources", lambda self: {k: v for k, v in sources(self).items() if k not in missing}
    )
    monkeypatch.setattr(PreparedStore, "failures", lambda self: {(key, "source"): f"{key}: cut off" for key in missing})
    return recipe, missing


def test_one_warning_counts_and_names_what_is_left_out(lacking, caplog):
    recipe, missing = lacking
    with caplog.at_level(logging.WARNING):
        train, val = training_splits(recipe, Ranks())
        training_splits(recipe, OtherRank())
    said = "2 video(s) of train and val cannot be had and are left out: " + ", ".join(missing)
    assert [record.getMessage() for record in caplog.records] == [said], "the second rank says nothing"
    assert [one.video_id for one in (*train.missing, *val.missing)] == missing
    assert not {item.query.video_id for item in (*train.annotations, *val.annotations)} & set(missing)


def test_ranks_that_lack_different_videos_stop(lacking):
    recipe, missing = lacking
    with pytest.raises(InputError, match=f"rank 1 lacks others than the first one, 2: {', '.join(missing)}"):
        training_splits(recipe, OtherRank(heard=1.0))
