"""Blocks of rows and tiles in the frequency domain against torch's convolution of the whole canvas."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from temporal.mmn.moment_map import moment_map_mask
from temporal.sparse_conv.cells import needed_cells, reachable_cells, valid_counts
from temporal.sparse_conv.fft import tiles as fourier_conv
from temporal.sparse_conv.fft.tiles import TilePlan
from temporal.sparse_conv.row_blocks import Block, BlockPlan, cover_with_blocks

PLANS = [BlockPlan, TilePlan]
SHAPES = [
    pytest.param(16, (15,), 5, 8, id="Charades"),
    pytest.param(16, (7, 4), 9, 2, id="kernel 9, holes"),
    pytest.param(8, (3, 2), 3, 2, id="kernel 3"),
    pytest.param(8, (3,), 2, 2, id="even kernel"),
    pytest.param(4, (1,), 1, 1, id="kernel 1"),
]


def rows_of(maps, cells):
    return maps.flatten(2)[:, :, cells.flatten()].transpose(1, 2).contiguous()


def compared(plan, reads, writes, kernel, dtype, batch=3):
    """Return the largest error of output, gradient of the rows and of the weight, relative to the largest value."""
    generator = torch.Generator().manual_seed(kernel)
    weight = torch.randn(6, 5, kernel, kernel, dtype=dtype, generator=generator, requires_grad=True)
    maps = (torch.randn(batch, 5, *reads.shape, dtype=dtype, generator=generator) * reads).requires_grad_()
    expected = rows_of(F.conv2d(maps, weight), writes)
    outer = torch.randn(expected.shape, dtype=dtype, generator=generator)
    gradients = torch.autograd.grad(expected, (maps, weight), outer)
    rows = rows_of(maps.detach(), reads).requires_grad_()
    found = plan(rows, weight)
    pairs = zip(
        (found, *torch.autograd.grad(found, (rows, weight), outer)),
        (expected, rows_of(gradients[0], reads), gradients[1]),
        strict=True,
    )
    return max(float((a - b).detach().abs().max() / b.detach().abs().max()) for a, b in pairs)


@pytest.mark.parametrize("make", PLANS)
@pytest.mark.parametrize(("num_clips", "counts", "kernel", "layers"), SHAPES)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])
def test_output_and_gradients_are_those_of_the_whole_canvas(make, num_clips, counts, kernel, layers, dtype, bound):
    mask = torch.from_numpy(moment_map_mask(num_clips, counts))
    counted = valid_counts(mask, kernel, layers)
    for canvases in (reachable_cells(mask, counted, kernel), needed_cells(mask, counted, kernel)):
        for reads, writes in list(pairwise(canvases))[:: max(1, layers - 1)]:
            plan = make(reads, writes, kernel)
            assert compared(plan, reads, writes, kernel, dtype) < bound


@pytest.mark.parametrize("make", PLANS)
def test_scattered_cells(make):
    generator = torch.Generator().manual_seed(0)
    reads, writes = (torch.rand(size, size, generator=generator) > 0.8 for size in (12, 10))
    writes[4:7] = False  # rows with nothing to compute
    assert compared(make(reads, writes, 3), reads, writes, 3, torch.float64) < 1e-13


def test_a_batch_in_parts_is_the_whole(monkeypatch):
    mask = torch.from_numpy(moment_map_mask(8, (7,)))
    reads, writes = reachable_cells(mask, valid_counts(mask, 5, 1), 5)
    plan = TilePlan(reads, writes, 5)
    monkeypatch.setattr(fourier_conv, "CHUNK_NUMBERS", 2 * plan.tile**2 * plan.num_tiles * 5)
    assert compared(plan, reads, writes, 5, torch.float64, batch=5) < 1e-13


def test_no_maps_give_no_rows():
    mask = torch.from_numpy(moment_map_mask(8, (7,)))
    reads, writes = reachable_cells(mask, valid_counts(mask, 3, 2), 3)[:2]
    weight, rows = torch.ones(2, 2, 3, 3, requires_grad=True), torch.zeros(0, int(reads.sum()), 2, requires_grad=True)
    found = BlockPlan(reads, writes, 3)(rows, weight)
    assert found.shape == (0, int(writes.sum()), 2)
    found.sum().backward()
    assert not weight.grad.any()
    assert rows.grad.shape == rows.shape


def test_only_what_is_asked_for_gets_a_gradient():
    mask = torch.from_numpy(moment_map_mask(8, (7,)))
    reads, writes = reachable_cells(mask, valid_counts(mask, 3, 2), 3)[:2]
    for plan in (make(reads, writes, 3) for make in PLANS):
        weight, rows = torch.ones(2, 2, 3, 3, requires_grad=True), torch.ones(1, int(reads.sum()), 2)
        plan(rows, weight).sum().backward()
        assert weight.grad.any()
        plan(rows.requires_grad_(), weight.detach()).sum().backward()
        assert rows.grad.any()


def test_tiles_pay_with_many_channels_and_maps_only():
    mask = torch.from_numpy(moment_map_mask(16, (15,)))
    reads, writes = reachable_cells(mask, valid_counts(mask, 5, 8), 5)[3:5]
    tiles, blocks = TilePlan(reads, writes, 5), BlockPlan(reads, writes, 5)
    assert tiles.cost(48, 512, "cpu") < blocks.cost(48)
    assert tiles.cost(1, 512, "cpu") > blocks.cost(1)
    assert tiles.cost(48, 16, "cpu") > blocks.cost(48)
    assert tiles.cost(48, 512, "cuda") > blocks.cost(48)
    assert tiles.cost(0, 512, "cpu") > blocks.cost(0)  # tiles cannot take a batch of nothing


def test_blocks_are_the_cheapest_of_all_covers():
    cells = torch.rand(7, 9, generator=torch.Generator().manual_seed(2)) > 0.75
    cells[3] = False

    def cheapest(top, cost):
        """Return the least cost of covering the rows from `top` on, by trying all."""
        if top == len(cells):
            return 0
        options = [cheapest(top + 1, cost)] if not cells[top].any() else []
        for bottom in range(top + 1, len(cells) + 1):
            columns = cells[top:bottom].any(0).nonzero()[:, 0].tolist()
            if columns:
                area = (bottom - top) * (columns[-1] + 1 - columns[0])
                options.append(area + cost + cheapest(bottom, cost))
        return min(options)

    for cost in (0.5, 4.0, 100.0):
        blocks = cover_with_blocks(cells, cost)
        covered = torch.zeros_like(cells)
        for block in blocks:
            covered[block.top : block.bottom, block.left : block.right] = True
        assert covered[cells].all()
        area = sum((b.bottom - b.top) * (b.right - b.left) for b in blocks)
        assert area + cost * len(blocks) == cheapest(0, cost)
    assert cover_with_blocks(torch.zeros(2, 2, dtype=torch.bool)) == []
    assert cover_with_blocks(torch.ones(2, 2, dtype=torch.bool)) == [Block(0, 2, 0, 2)]


def test_on_gpus_tiles_pay_with_large_kernels():
    mask = torch.from_numpy(moment_map_mask(64, (15, 8, 8)))
    reads, writes = reachable_cells(mask, valid_counts(mask, 9, 4), 9)[2:4]
    assert TilePlan(reads, writes, 9).cost(48, 512, "cuda") < BlockPlan(reads, writes, 9).cost(48)
