"""Products by oneDNN against torch's own, whatever lies how in memory."""

import pytest
import torch
from torch import nn

from stvg.compute.matmul import OnednnLinear, correlate_each, multiply_each, product, use_onednn_linear

DTYPES = [(torch.float32, 1e-5), (torch.float64, 1e-13)]


def drawn(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def apart(found, expected):
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())


@pytest.mark.parametrize(("dtype", "bound"), DTYPES)
@pytest.mark.parametrize("left_turned", [False, True])
@pytest.mark.parametrize("right_turned", [False, True])
def test_a_product_of_matrices_as_they_are_or_turned(dtype, bound, left_turned, right_turned):
    left = drawn(5, 7, dtype=dtype).T if left_turned else drawn(7, 5, dtype=dtype)
    right = drawn(300, 5, dtype=dtype).T if right_turned else drawn(5, 300, dtype=dtype)
    expected = torch.einsum("mk,kn->mn", left.double(), right.double())
    found = product(left, right)
    assert found.dtype == dtype
    assert apart(found.double(), expected) < bound


@pytest.mark.parametrize(("dtype", "bound"), DTYPES)
def test_many_products(dtype, bound):
    rows, weights, outer = (drawn(3, *shape, dtype=dtype, seed=i) for i, shape in enumerate([(9, 4), (6, 4), (9, 6)]))
    assert apart(multiply_each(rows, weights), torch.einsum("frc,foc->fro", rows, weights)) < bound
    assert apart(correlate_each(rows, outer), torch.einsum("frc,fro->fco", rows, outer)) < bound


def test_nothing_to_multiply():
    assert multiply_each(torch.zeros(2, 0, 3), torch.ones(2, 4, 3)).shape == (2, 0, 4)
    assert correlate_each(torch.zeros(2, 0, 3), torch.zeros(2, 0, 4)).tolist() == torch.zeros(2, 3, 4).tolist()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("dtype", "bound"), DTYPES)
def test_linear_layers_and_their_gradients_are_the_same(bias, dtype, bound):
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Linear(6, 4, bias=bias)).to(dtype)
    inputs, outer = drawn(2, 3, 6, dtype=dtype).transpose(0, 1).requires_grad_(), drawn(3, 2, 4, dtype=dtype, seed=1)

    def computed():
        result = layer(inputs)
        return [result, *torch.autograd.grad(result, [inputs, *layer.parameters()], outer)]

    expected = computed()
    use_onednn_linear(layer)
    found = computed()
    assert type(layer[0]) is OnednnLinear
    assert all(apart(one, other) < bound for one, other in zip(found, expected, strict=True))


def test_frozen_layers_pass_gradients_on_and_get_none():
    layer, inputs = nn.Sequential(nn.Linear(3, 2)).requires_grad_(False), drawn(4, 3).requires_grad_()
    use_onednn_linear(layer)
    layer(inputs).sum().backward()
    assert apart(inputs.grad, layer[0].weight.sum(0).expand(4, 3)) < 1e-6
    assert layer[0].weight.grad is None


def test_autocast_is_torchs():
    layer, inputs = nn.Sequential(nn.Linear(3, 2)), drawn(4, 3)
    use_onednn_linear(layer)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(inputs).dtype == torch.bfloat16


def test_replaced_layers_keep_names_parameters_and_mode_and_draw_nothing():
    model = nn.ModuleDict(
        {"a": nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2)), "b": nn.Linear(2, 2, bias=False)}
    ).eval()
    before, random = dict(model.named_parameters()), torch.get_rng_state()
    use_onednn_linear(model)
    assert [type(module) for module in (model["a"][0], model["a"][1], model["b"])] == [
        OnednnLinear,
        nn.LayerNorm,
        OnednnLinear,
    ]
    after = dict(model.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is parameter for name, parameter in before.items())
    assert not any(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random)
