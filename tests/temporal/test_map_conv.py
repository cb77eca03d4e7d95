import pytest
import torch

from temporal.map_conv import MapConv, valid_counts
from temporal.moment_map import moment_map_mask


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
                [sum((at + y + a, at + x + b) in valid for a in range(kernel) for b in range(kernel))
                 for x in range(size)]
                for y in range(size)
            ]
        )  # fmt: skip
        assert torch.equal(count, expected), layer
        valid = {(y, x) for y, x in (expected > 0).nonzero().tolist()}
    assert size == 8


def test_one_layer_is_the_mean_over_valid_neighbours():
    torch.manual_seed(0)
    mask = mask_of(8, (3,))
    stack = MapConv(2, 3, 3, 1, mask).eval()
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
    assert MapConv(2, 2, kernel, layers, mask_of(16, (15,)))(torch.zeros(1, 2, 16, 16)).shape == (1, 2, 16, 16)


def test_weights_stay_exact_when_the_precision_is_raised_later():
    stack = MapConv(1, 1, 5, 2, mask_of(8, (7,))).float().double()
    weights = stack._cell_weights(0, torch.float64)
    counts = valid_counts(mask_of(8, (7,)), 5, 2)[0]
    assert torch.equal(weights[counts > 0], 1 / counts[counts > 0].double())
    assert not weights[counts == 0].any()


def test_the_untrained_biases_have_no_gradient_in_the_official_sense_either():
    torch.manual_seed(0)
    stack = MapConv(2, 3, 3, 2, mask_of(8, (7,))).double().train()
    for parameter in stack.parameters():
        assert parameter.requires_grad == (
            parameter is not stack.convs[0].bias and parameter is not stack.convs[1].bias
        )
    stack.requires_grad_(True)
    stack(torch.randn(2, 2, 8, 8, dtype=torch.float64)).square().sum().backward()
    assert stack.convs[0].bias.grad.abs().max() < 1e-12
    assert stack.convs[0].weight.grad.abs().max() > 1e-3


def test_constants_are_not_saved():
    assert all("count" not in name for name in MapConv(1, 1, 3, 2, mask_of(8, (7,))).state_dict())


@pytest.mark.parametrize(("kernel", "layers"), [(2, 1), (4, 3), (3, 0)])
def test_refuses_sizes_that_cannot_keep_the_map(kernel, layers):
    with pytest.raises(ValueError, match="conv_kernel, conv_layers: expected"):
        MapConv(1, 1, kernel, layers, mask_of(8, (7,)))
