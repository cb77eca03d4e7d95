from dataclasses import replace

import pytest
import torch

from speed import implementations as speed_ways
from speed.device import Stopwatch, fastest, peak_flops, peak_memory
from speed.implementations import OfficialWay, OurWay, make_task
from speed.roofline import work_of
from stvg.errors import InputError
from stvg.recipe.schema import RankerConfig
from temporal.mmn.network import MMNConfig
from temporal.training.loop import TrainingConfig

NETWORK = MMNConfig(
    num_pre_clips=8,
    num_clips=8,
    pool_kernel=1,
    hidden_size=6,
    joint_size=4,
    pooling_counts=(7,),
    conv_kernel=3,
    conv_layers=2,
)


def stage(text, **network):
    return RankerConfig(text=text, network=replace(NETWORK, **network), training=TrainingConfig(lr=1e-3))


@pytest.fixture(scope="module")
def tiny_text(tmp_path_factory):
    """The folder of a tiny text encoder."""
    from transformers import DistilBertConfig, DistilBertModel

    folder = tmp_path_factory.mktemp("text")
    size = DistilBertConfig(vocab_size=11, dim=8, n_layers=1, n_heads=2, hidden_dim=8, max_position_embeddings=12)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        DistilBertModel(size).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def task(tiny_text):
    torch.manual_seed(0)
    return make_task(stage(tiny_text), "cpu", videos=3, sentences=2, tokens=4, width=5)


@pytest.mark.parametrize("learns", [True, False])
def test_both_ways_train_alike(task, learns):
    """Losses of the first steps, of which each depends on the step before."""
    ways = [way(replace(task, text_learns=learns)) for way in (OurWay, OfficialWay)]
    for way in ways:
        way.without_dropout()
    for _ in range(3):
        losses = [way.losses() for way in ways]
        for name in ("vid", "sent", "iou"):
            torch.testing.assert_close(getattr(losses[0], name), getattr(losses[1], name), rtol=1e-4, atol=0)
        for way in ways:
            way.train_step(Stopwatch("cpu"))
    for mine, theirs in zip(*(way.scores() for way in ways), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


def test_parts_of_a_step_are_named(task):
    watch = Stopwatch("cpu")
    OurWay(task).train_step(watch)
    assert list(watch.seconds) == ["clips", "map", "convolution", "heads", "text", "loss", "backward", "optimiser"]
    assert watch.total == pytest.approx(sum(watch.seconds.values()))


def test_an_encoder_that_is_not_here_is_said_to_be_replaced(monkeypatch):
    def missing(name):
        raise InputError(f"text encoder {name}: not here")

    monkeypatch.setattr(speed_ways, "load_text_backbone", missing)
    task = make_task(stage("distilbert-base-uncased"), "cpu", videos=1, sentences=1, tokens=4, width=5)
    assert "randomly initialised; distilbert-base-uncased is not on this machine" in task.text
    for name in ("package:nowhere/model", "/nowhere", "another/encoder"):
        with pytest.raises(InputError, match=r"nowhere|another"):
            make_task(stage(name), "cpu", videos=1, sentences=1, tokens=4, width=5)


def test_sizes_that_do_not_fit_are_named(tiny_text):
    with pytest.raises(InputError, match=r"config: temporal\.network"):
        make_task(stage(tiny_text, conv_kernel=2, conv_layers=1), "cpu", videos=1, sentences=1, tokens=4, width=5)


def test_the_work_of_one_layer_is_counted_by_hand(tiny_text):
    small = stage(tiny_text, conv_kernel=3, conv_layers=1, num_pre_clips=2, num_clips=2, pooling_counts=(1,))
    task = replace(make_task(small, "cpu", videos=1, sentences=1, tokens=4, width=5), text_learns=False)
    clips, heads, queries = 2 * 5 * 6, 2 * 3 * 6 * 4, 2 * 8 * 4
    # Of the 2 x 2 cells three are moments; all four see all three.
    assert work_of(task, training=True).operations == 2 * 3 * (clips + 4 * 3 * 36 + heads + queries)
    assert work_of(task, training=False).operations == 2 * (clips + 3 * 3 * 36 + heads + queries)
    assert work_of(task, training=True).bytes > work_of(task, training=False).bytes


def test_memory_is_that_of_what_was_computed():
    found = peak_memory("cpu", lambda: torch.ones(64 * 2**20))
    assert found is None or 200 * 2**20 < found < 400 * 2**20


def test_figures_of_a_device():
    calls = []
    assert fastest("cpu", lambda: calls.append(1), 3) >= 0
    assert len(calls) == 4
    assert peak_flops("cpu", repeats=1) > 1e6
