from dataclasses import replace

import numpy as np
import pytest
import torch

from speed.implementations import OfficialMMN, ShippedMMN, agreement
from speed.timing import Stopwatch


@pytest.mark.parametrize("learns", [True, False])
def test_both_train_alike(task, learns):
    """Losses of the first steps, of which each depends on the step before."""
    both = [one(replace(task, text_learns=learns)) for one in (ShippedMMN, OfficialMMN)]
    for one in both:
        one.set_mode(training=True, dropout=False)
    for _ in range(3):
        losses = [one.losses() for one in both]
        for name in ("vid", "sent", "iou"):
            torch.testing.assert_close(getattr(losses[0], name), getattr(losses[1], name), rtol=1e-4, atol=0)
        for one in both:
            one.train_step(Stopwatch("cpu"))
    for one in both:
        one.set_mode(training=False)
    for mine, theirs in zip(*(one.scores() for one in both), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)


def test_agreement_is_that_of_weights_alike_and_falls_with_others(task):
    ours, official = ShippedMMN(task), OfficialMMN(task)
    assert max(agreement(ours, official).values()) < 1e-4
    with torch.no_grad():
        ours.model.query_heads.iou.weight.mul_(-1)
    found = agreement(ours, official)
    assert found["vid"] < 1e-4
    assert min(found[name] for name in ("iou", "gradient_norm", "scores")) > 1e-2


def test_the_parts_of_a_step_are_named(task):
    watch = Stopwatch("cpu")
    ShippedMMN(task).train_step(watch)
    assert list(watch.seconds) == ["forward", "backward", "optimiser"]


def test_a_training_holds_gradients_and_two_moments_beside_its_weights(task):
    one = ShippedMMN(task)
    one.set_mode(training=True)
    trained = sum(parameter.nbytes for parameter in one.model.parameters() if parameter.requires_grad)
    weights = one.held_bytes(training=False)
    assert one.held_bytes(training=True) == weights
    one.train_step(Stopwatch("cpu"))
    assert one.held_bytes(training=True) == pytest.approx(weights + 3 * trained, rel=0.02)
    assert one.held_bytes(training=False) == weights
