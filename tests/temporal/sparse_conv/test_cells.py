from itertools import pairwise

import pytest
import torch

from temporal.mmn.moment_map import moment_map_mask
from temporal.sparse_conv.cells import needed_cells, numbers, reachable_cells, valid_counts

SHAPES = [(8, (2, 2), 3, 4), (8, (7,), 5, 2), (6, (3,), 2, 2)]


def cells_of(num_clips, counts, kernel, layers):
    mask = torch.from_numpy(moment_map_mask(num_clips, counts))
    counted = valid_counts(mask, kernel, layers)
    return reachable_cells(mask, counted, kernel), needed_cells(mask, counted, kernel)


def true_cells(canvas):
    return {tuple(cell) for cell in canvas.nonzero().tolist()}


@pytest.mark.parametrize("shape", SHAPES)
def test_reachable_and_needed_are_those_of_walks_over_cells(shape):
    kernel = shape[2]
    reachable, needed = cells_of(*shape)
    taps = [(a, b) for a in range(kernel) for b in range(kernel)]
    for before, after in pairwise(reachable):
        known = true_cells(before)
        assert true_cells(after) == {
            (y, x)
            for y in range(len(after))
            for x in range(len(after))
            if any((y + a, x + b) in known for a, b in taps)
        }
    wanted = true_cells(torch.from_numpy(moment_map_mask(*shape[:2])))
    assert true_cells(needed[-1]) == wanted
    for before, reached in zip(needed[-2:0:-1], reachable[-2:0:-1], strict=True):
        wanted = {(y + a, x + b) for y, x in wanted for a, b in taps} & true_cells(reached)
        assert true_cells(before) == wanted


def test_a_wide_map_needs_less_than_it_reaches():
    reachable, needed = cells_of(16, (3,), 3, 4)
    assert sum(int(canvas.sum()) for canvas in needed) < 0.8 * sum(int(canvas.sum()) for canvas in reachable)


def test_numbers_count_row_by_row():
    cells = torch.rand(5, 7, generator=torch.Generator().manual_seed(0)) > 0.5
    found = numbers(cells)
    assert found[cells].tolist() == list(range(int(cells.sum())))
    assert set(found[~cells].tolist()) == {int(cells.sum())}
