"""What needs no second process; test_equality.py has the rest."""

import pytest
import torch
from torch import nn

from temporal.distributed.batch_norm import SynchronisedBatchNorm2d, synchronise_batch_norm
from temporal.distributed.ranks import Ranks

SECOND = Ranks(1, 2)


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.ModuleList([nn.BatchNorm2d(4, momentum=0.3), nn.BatchNorm2d(4)]))


def test_replaces_all_below_and_keeps_weights_names_and_options():
    model = network()
    model[1][1].eval()
    before, parameters = model.state_dict(), dict(model.named_parameters())
    synchronise_batch_norm(model, SECOND)
    synchronise_batch_norm(model, SECOND)
    assert [type(norm) for norm in model[1]] == [SynchronisedBatchNorm2d] * 2
    assert [(norm.momentum, norm.training) for norm in model[1]] == [(0.3, True), (0.1, False)]
    assert all(parameter is parameters[name] for name, parameter in model.named_parameters())
    assert list(model.state_dict()) == list(before)
    model.load_state_dict(before)
    assert model.double()[1][0].running_mean.dtype == torch.float64


def test_a_process_alone_keeps_its_norms():
    model = network()
    synchronise_batch_norm(model, Ranks())
    assert [type(norm) for norm in model[1]] == [nn.BatchNorm2d] * 2


def test_eval_mode_is_that_of_the_norm_replaced():
    norm, maps = nn.BatchNorm2d(4), torch.randn(2, 4, 3, 3)
    norm(maps)
    assert torch.equal(SynchronisedBatchNorm2d(norm.eval(), SECOND)(maps), norm(maps))


def test_refuses_norms_that_would_see_their_own_share_only():
    with pytest.raises(ValueError, match=r"module: expected no BatchNorm but nn\.BatchNorm2d, got BatchNorm1d"):
        synchronise_batch_norm(nn.Sequential(nn.BatchNorm1d(3)), SECOND)
