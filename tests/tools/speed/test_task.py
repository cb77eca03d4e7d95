from dataclasses import replace

import pytest
import torch

from speed import task as speed_task
from speed.task import BatchSizes, count_operations, make_task
from stvg.errors import InputError

ONE = BatchSizes(videos=1, sentences=1, tokens=4, width=5)


def test_an_encoder_that_is_not_here_is_said_to_be_replaced(monkeypatch, stage):
    def missing(name):
        raise InputError(f"text encoder {name}: not here")

    monkeypatch.setattr(speed_task, "load_text_backbone", missing)
    task = make_task(stage("distilbert-base-uncased"), "cpu", ONE)
    assert "randomly initialised; distilbert-base-uncased is not on this machine" in task.text
    for name in ("package:nowhere/model", "/nowhere", "another/encoder"):
        with pytest.raises(InputError, match=r"nowhere|another"):
            make_task(stage(name), "cpu", ONE)


@pytest.mark.parametrize("sizes", [{"conv_kernel": 2, "conv_layers": 1}, {"pooling_counts": (8,)}])
def test_sizes_that_do_not_fit_are_named(stage, sizes):
    with pytest.raises(InputError, match=r"config: temporal\.network"):
        make_task(stage(**sizes), "cpu", ONE).make_network("dense")


def test_networks_of_one_task_have_the_same_weights(task):
    networks = [task.make_network(kernel)[0] for kernel in ("active", "dense")]
    for one, other in zip(*(network.parameters() for network in networks), strict=True):
        assert torch.equal(one, other)
        assert one is not other


def test_sentences_have_always_the_same_tokens(task):
    first, again = (task.tokenizer.tokenize(task.items[1].texts) for _ in range(2))
    assert torch.equal(first.ids, again.ids)
    lengths = torch.cat([task.tokenizer.tokenize(item.texts).mask.sum(dim=1) for item in task.items])
    assert lengths.min() >= 3
    assert lengths.max() <= 8


def test_the_operations_of_one_layer_are_counted_by_hand(stage):
    small = stage(conv_kernel=3, conv_layers=1, num_pre_clips=2, num_clips=2, pooling_counts=(1,))
    task = replace(make_task(small, "cpu", ONE), text_learns=False)
    clips, heads, queries = 2 * 5 * 6, 2 * 3 * 6 * 4, 2 * 8 * 4
    # Of the 2 x 2 cells three are moments; all four see all three.
    assert count_operations(task, training=True) == 2 * 3 * (clips + 4 * 3 * 36 + heads + queries)
    assert count_operations(task, training=False) == 2 * (clips + 3 * 3 * 36 + heads + queries)
    weights = [value.numel() for name, value in task.backbone.named_parameters() if "embeddings" not in name]
    text = sum(weights) * int(task.tokenizer.tokenize(task.items[0].texts).mask.sum())
    learning = count_operations(replace(task, text_learns=True), training=False)
    assert learning == count_operations(task, training=False) + 2 * text
