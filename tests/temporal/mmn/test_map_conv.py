import copy

import pytest
import torch

from temporal.mmn.map_conv import MapConv
from temporal.mmn.moment_map import moment_map_mask
from temporal.sparse_conv.cells import valid_counts
from temporal.sparse_conv.layer import ActiveLayer


def mask_of(num_clips, counts):
    return torch.from_numpy(moment_map_mask(num_clips, counts))


def test_counts_are_those_of_a_loop_over_cells():
    mask, kernel, layers = mask_of(8, (2, 2)), 3, 4
    valid = {(i, j) for i, j in mask.nonzero().tolist()}
    shift = (kernel - 1) * layers // 2  # of layer 1's padding, so that places below start at -shift
    for layer, count in enumerate(valid_counts(mask, kernel, layers)):
        size, at = count.shape[0], -shift if layer == 0 else 0
        expected = torch.tensor(
            [
                [
                    sum((at + y + a, at + x + b) in valid for a in range(kernel) for b in range(kernel))
                    for x in range(size)
                ]
                for y in range(size)
            ]
        )
        assert torch.equal(count, expected), layer
        valid = {(y, x) for y, x in (expected > 0).nonzero().tolist()}
    assert size == 8


def test_one_layer_is_the_mean_over_valid_neighbours():
    torch.manual_seed(0)
    mask = mask_of(8, (3,))
    stack = MapConv(2, 3, 3, 1, mask, "active").eval()
    maps = torch.randn(1, 2, 8, 8) * mask
    found, conv, norm = stack(maps), stack.convs[0], stack.norms[0]
    for i, j in mask.nonzero().tolist():
        total, number = conv.bias.clone(), 0
        for y in range(max(i - 1, 0), min(i + 2, 8)):
            for x in range(max(j - 1, 0), min(j + 2, 8)):
                total += conv.weight[:, :, y - i + 1, x - j + 1] @ maps[0, :, y, x]
                number += int(mask[y, x])
        expected = norm(total[None, :, None, None])[0, :, 0, 0].relu() / number
        torch.testing.assert_close(found[0, :, i, j], expected)


@pytest.mark.parametrize(("kernel", "layers"), [(5, 8), (9, 4), (7, 4), (2, 2), (1, 1)])
def test_the_map_keeps_its_size(kernel, layers):
    assert MapConv(2, 2, kernel, layers, mask_of(16, (15,)), "active")(torch.zeros(1, 2, 16, 16)).shape == (
        1,
        2,
        16,
        16,
    )


def test_weights_stay_exact_when_the_precision_is_raised_later():
    stack = MapConv(1, 1, 5, 2, mask_of(8, (7,)), "active").float().double()
    weights = stack._cell_weights(0, torch.float64)
    counts = valid_counts(mask_of(8, (7,)), 5, 2)[0]
    assert torch.equal(weights[counts > 0], 1 / counts[counts > 0].double())
    assert not weights[counts == 0].any()


def test_the_untrained_biases_have_no_gradient_in_the_official_sense_either():
    torch.manual_seed(0)
    stack = MapConv(2, 3, 3, 2, mask_of(8, (7,)), "active").double().train()
    for parameter in stack.parameters():
        assert parameter.requires_grad == (
            parameter is not stack.convs[0].bias and parameter is not stack.convs[1].bias
        )
    stack.requires_grad_(True)
    stack(torch.randn(2, 2, 8, 8, dtype=torch.float64)).square().sum().backward()
    assert stack.convs[0].bias.grad.abs().max() < 1e-12
    assert stack.convs[0].weight.grad.abs().max() > 1e-3


def test_constants_are_not_saved():
    assert all("count" not in name for name in MapConv(1, 1, 3, 2, mask_of(8, (7,)), "active").state_dict())


@pytest.mark.parametrize(("kernel", "layers"), [(2, 1), (4, 3), (3, 0)])
def test_refuses_sizes_that_cannot_keep_the_map(kernel, layers):
    with pytest.raises(ValueError, match="conv_kernel, conv_layers: expected"):
        MapConv(1, 1, kernel, layers, mask_of(8, (7,)), "active")


def both(mask, *, kernel=5, layers=2, width=6, seed=0, **changes):
    """Return the dense reference and the same weights over active cells, in float64."""
    torch.manual_seed(seed)
    dense = MapConv(4, width, kernel, layers, mask, "dense").double()
    active = MapConv(4, width, kernel, layers, mask, "active").double()
    for norm in dense.norms:
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias)
        torch.nn.init.normal_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 1.5)
        for name, value in changes.items():
            setattr(norm, name, value)
    active.load_state_dict(dense.state_dict())
    for own, other in zip(active.norms, dense.norms, strict=True):
        own.momentum, own.eps = other.momentum, other.eps
    return dense, active


def always(plan):
    """Return a choice of how to convolve that is always the same."""
    return lambda layer, batch, conv: getattr(layer, plan)


def assert_alike(found, expected, bound=1e-12):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= bound * expected.abs().max().clamp(min=1)


MASKS = [pytest.param(16, (15,), id="full"), pytest.param(16, (5, 3), id="holes"), pytest.param(12, (2,), id="band")]


@pytest.mark.parametrize("plan", ["blocks", "tiles"])
@pytest.mark.parametrize(("num_clips", "counts"), MASKS)
@pytest.mark.parametrize("momentum", [0.1, 0.37, None])
def test_active_cells_give_what_the_whole_canvas_gives(monkeypatch, plan, num_clips, counts, momentum):
    monkeypatch.setattr(ActiveLayer, "plan", always(plan))
    mask = mask_of(num_clips, counts)
    dense, active = both(mask, layers=3, momentum=momentum, eps=1e-3)
    for step in range(2):
        maps = torch.randn(3, 4, num_clips, num_clips, dtype=torch.float64) * mask
        outer = torch.randn(3, 6, num_clips, num_clips, dtype=torch.float64)
        grown = []
        for stack in (dense, active):
            leaf = maps.clone().requires_grad_()
            stack.zero_grad()
            result = stack.train()(leaf)
            (result * mask * outer).sum().backward()
            grown.append((result.detach() * mask, leaf.grad * mask))
        for expected, found in zip(*grown, strict=True):
            assert_alike(found, expected)
        for name, parameter in dense.named_parameters():
            if parameter.requires_grad:
                assert_alike(active.get_parameter(name).grad, parameter.grad)
        for name, value in dense.state_dict().items():
            assert_alike(active.state_dict()[name], value)
        assert int(active.norms[0].num_batches_tracked) == step + 1
        assert_alike(active.eval()(maps) * mask, dense.eval()(maps) * mask)
        assert_alike(active.moments(maps), dense.moments(maps))


def test_one_layer_in_eval_mode_while_the_others_train():
    mask = mask_of(16, (5, 3))
    dense, active = both(mask, layers=3)
    maps = torch.randn(2, 4, 16, 16, dtype=torch.float64) * mask
    for stack in (dense, active):
        stack.train()
        stack.norms[1].eval()
    assert_alike(active.moments(maps), dense.moments(maps))
    assert_alike(active.norms[1].running_mean, dense.norms[1].running_mean, 0)


def test_gradients_in_eval_mode():
    mask = mask_of(8, (3,))
    dense, active = both(mask)
    grown = []
    for stack in (dense, active):
        leaf = (torch.ones(1, 4, 8, 8, dtype=torch.float64) * mask).requires_grad_()
        stack.eval().moments(leaf).square().sum().backward()
        grown.append((leaf.grad * mask, stack.convs[0].weight.grad, stack.norms[1].weight.grad))
    for expected, found in zip(*grown, strict=True):
        assert_alike(found, expected)


def test_active_biases_have_no_gradient_and_do_not_matter_in_training():
    mask = mask_of(8, (7,))
    _, active = both(mask)
    active.requires_grad_(True).train()
    maps = torch.randn(2, 4, 8, 8, dtype=torch.float64) * mask
    before = active.moments(maps)
    before.square().sum().backward()
    assert not active.convs[0].bias.grad.any()
    with torch.no_grad():
        active.convs[0].bias.add_(3.0)
    assert_alike(active.moments(maps), before)


def test_statistics_keep_their_digits_where_the_mean_is_large():
    mask = mask_of(16, (15,))
    dense, active = both(mask, layers=1)
    maps = (1 + 1e-3 * torch.randn(4, 4, 16, 16, dtype=torch.float64)) * 300 * mask
    dense.train()(maps)
    narrow = copy.deepcopy(active).float().train()
    narrow(maps.float())
    torch.testing.assert_close(narrow.norms[0].running_var.double(), dense.norms[0].running_var, rtol=1e-5, atol=0)


def test_a_single_value_per_channel_is_refused():
    stack = MapConv(1, 1, 1, 1, torch.ones(1, 1, dtype=torch.bool), "active")
    with pytest.raises(ValueError, match="expected more than one value per channel"):
        stack.train()(torch.zeros(1, 1, 1, 1))


def test_autocast_has_the_error_of_its_precision_only():
    mask = mask_of(16, (15,))
    dense, active = (stack.float().train() for stack in both(mask, width=16))
    maps = torch.randn(4, 4, 16, 16) * mask
    exact = copy.deepcopy(dense).moments(maps)
    with torch.autocast("cpu", torch.bfloat16):
        found, plain = active.moments(maps), dense.moments(maps)
    found.sum().backward()
    assert found.dtype == torch.float32
    assert (found - exact).norm() < 1.2 * (plain.float() - exact).norm()
    assert active.convs[1].weight.grad.dtype == torch.float32


def test_the_kernel_is_no_part_of_the_weights():
    dense, active = both(mask_of(8, (7,)))
    assert list(dense.state_dict()) == list(active.state_dict())
