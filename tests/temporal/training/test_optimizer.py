import pytest
import torch
from torch import nn

from temporal.training.config import TrainingConfig
from temporal.training.optimizer import clip_and_step, make_optimizer

CONFIG = TrainingConfig(lr=0.01, text_lr_scale=0.1, betas=(0.9, 0.99), weight_decay=0.1)


def two_parts():
    torch.manual_seed(0)
    model = nn.ModuleDict({"text": nn.Linear(3, 3), "rest": nn.Linear(3, 3)})
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    return model


def test_first_step_is_adamws_with_the_text_slower():
    model = two_parts()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    clip_and_step(make_optimizer(model, model["text"].parameters(), CONFIG), model.parameters(), 1e9)
    for name, parameter in model.named_parameters():
        lr = 0.001 if name.startswith("text") else 0.01
        # Adam's first step is the sign of the gradient, with weight decay apart from it.
        expected = before[name] * (1 - lr * 0.1) - lr * parameter.grad.sign()
        torch.testing.assert_close(parameter.detach(), expected, rtol=0, atol=1e-6)


def test_clips_the_joint_norm_and_returns_the_one_before():
    model = two_parts()
    norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    found = clip_and_step(make_optimizer(model, [], CONFIG), model.parameters(), 0.5)
    assert found.item() == pytest.approx(norm.item())
    assert torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item() == pytest.approx(0.5, rel=1e-4)


def test_frozen_text_neither_moves_nor_decays():
    model = two_parts()
    before = model["text"].weight.detach().clone()
    for parameter in model["text"].parameters():
        parameter.grad = None
    clip_and_step(make_optimizer(model, model["text"].parameters(), CONFIG), model.parameters(), 5)
    assert torch.equal(model["text"].weight, before)


def test_every_weight_is_in_one_group():
    model = two_parts()
    groups = make_optimizer(model, model["text"].parameters(), CONFIG).param_groups
    assert [len(group["params"]) for group in groups] == [2, 2]
    assert len(make_optimizer(model, [], CONFIG).param_groups) == 1
