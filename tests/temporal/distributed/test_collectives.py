"""What needs no second process; test_equality.py has the rest."""

import pytest
import torch
from torch import nn

from temporal.distributed.collectives import gather_rows, sum_gradients
from temporal.distributed.ranks import Ranks, connected

ALONE = Ranks()


def test_a_process_alone_sends_and_initialises_nothing():
    rows, weight = torch.randn(3, 2), nn.Parameter(torch.ones(2))
    weight.grad = gradient = torch.ones(2)
    with connected(ALONE):
        assert gather_rows(rows, [3], ALONE) is rows
        assert ALONE.broadcast(0.1) == 0.1
        ALONE.barrier()
        sum_gradients([weight], ALONE)
        assert weight.grad is gradient
        assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("counts", [pytest.param([3], id="too few"), pytest.param([3, 2], id="another own count")])
def test_gather_refuses_counts_that_do_not_fit(counts):
    with pytest.raises(ValueError, match=r"counts: expected 2 counts with 3 at place 1, got \["):
        gather_rows(torch.zeros(3, 2), counts, Ranks(1, 2))


def test_gradients_are_sent_in_pieces_of_bounded_size(monkeypatch):
    sent = []
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda flat: sent.append(flat.numel()))
    parameters = [nn.Parameter(torch.zeros(size)) for size in (3, 2, 1, 9, 1)]
    sum_gradients(parameters, Ranks(0, 2), bucket_elements=5)
    assert sent == [3 + 2 + 2, 1 + 1, 9 + 1, 1 + 1], "of every parameter also whether it has a gradient"
