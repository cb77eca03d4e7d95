import numpy as np
import pytest
import torch

from temporal.mmn.moment_map import (
    cell_spans_frames,
    cell_spans_s,
    make_moment_map,
    moment_cells,
    moment_map_mask,
    span_iou,
)

GRIDS = [
    pytest.param(16, (15,), 136, id="Charades: every moment"),
    pytest.param(64, (15, 8, 8), 1104, id="ActivityNet"),
    pytest.param(128, (15, 8, 8, 8), 2548, id="TACoS"),
    pytest.param(8, (2,), 21, id="short moments only"),
    pytest.param(9, (2, 2), 29, id="an odd number of clips"),
]


@pytest.mark.parametrize(("num_clips", "counts", "num_cells"), GRIDS)
def test_mask_has_the_published_cells_and_none_below_the_diagonal(num_clips, counts, num_cells):
    mask = moment_map_mask(num_clips, counts)
    assert mask.sum() == num_cells
    assert not np.tril(mask, -1).any()
    assert mask.diagonal().all()


@pytest.mark.parametrize(("num_clips", "counts", "_"), GRIDS)
def test_pooled_cells_are_the_maximum_over_their_clips(num_clips, counts, _):
    clips = torch.randn(2, 3, num_clips, generator=torch.Generator().manual_seed(0))
    builder = make_moment_map("pool", num_clips, counts, 3)
    maps = builder(clips)
    for i in range(num_clips):
        for j in range(num_clips):
            expected = clips[:, :, i : j + 1].amax(dim=2) if builder.mask[i, j] else torch.zeros(2, 3)
            assert torch.equal(maps[:, :, i, j], expected), (i, j)


def test_conv_cells_come_from_the_shorter_moments_by_their_own_layer():
    torch.manual_seed(0)
    builder = make_moment_map("conv", 9, (2, 2), 3)
    clips = torch.randn(1, 3, 9)
    maps = builder(clips)
    longer = clips
    for conv, (offset, stride) in zip(builder.convs, [(1, 1), (2, 1), (4, 2), (6, 2)], strict=True):
        longer = conv(longer)
        for place, i in enumerate(range(0, 9 - offset, stride)):
            torch.testing.assert_close(maps[:, :, i, i + offset], longer[:, :, place])
    assert not maps[:, :, ~builder.mask].any()


@pytest.mark.parametrize(
    ("num_clips", "counts"),
    [
        pytest.param(16, (16,), id="one diagonal too many"),
        pytest.param(16, (15, 1), id="a second group where no clip is left"),
    ],
)
def test_refuses_counts_that_do_not_fit(num_clips, counts):
    with pytest.raises(ValueError, match="pooling_counts: expected diagonals inside a map"):
        moment_map_mask(num_clips, counts)


def test_cells_are_in_the_order_of_masked_scores():
    mask = moment_map_mask(9, (2, 2))
    scores = np.arange(81.0).reshape(9, 9)
    cells = moment_cells(mask)
    np.testing.assert_array_equal(scores[mask], scores[cells[:, 0], cells[:, 1]])


@pytest.mark.parametrize("num_frames", [1, 7, 16, 145, 600])
def test_frame_spans_tile_the_video_and_follow_the_seconds(num_frames):
    cells = np.array([[i, i] for i in range(16)])
    spans = cell_spans_frames(cells, 16, num_frames)
    assert spans[0, 0] == 0
    assert spans[-1, 1] == num_frames
    np.testing.assert_array_equal(spans[1:, 0], spans[:-1, 1])
    assert np.abs(spans - cell_spans_s(cells, 16, num_frames)).max() <= 0.5


@pytest.mark.parametrize(
    ("span", "truth", "expected"),
    [
        pytest.param([0, 4], [0, 4], 1.0, id="equal"),
        pytest.param([0, 4], [2, 6], 1 / 3, id="overlap"),
        pytest.param([0, 4], [4, 6], 0.0, id="touching"),
        pytest.param([0, 1], [5, 6], 0.0, id="apart"),
        pytest.param([0, 10], [2, 4], 0.2, id="inside"),
    ],
)
def test_span_iou(span, truth, expected):
    assert span_iou(span, truth) == pytest.approx(expected)
