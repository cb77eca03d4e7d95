import numpy as np
import pytest

from temporal.benchmarks.recall import recall_table

NAN = [np.nan, np.nan]


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        pytest.param([[0, 10], NAN], {(1, 0.5): 1, (1, 0.7): 1, (2, 0.5): 1, (2, 0.7): 1}, id="the truth itself"),
        pytest.param([[0, 5], NAN], {(1, 0.5): 1, (1, 0.7): 0, (2, 0.5): 1, (2, 0.7): 0}, id="IoU = m counts"),
        pytest.param([[20, 30], [0, 8]], {(1, 0.5): 0, (1, 0.7): 0, (2, 0.5): 1, (2, 0.7): 1}, id="only the second"),
        pytest.param([NAN, NAN], {(1, 0.5): 0, (1, 0.7): 0, (2, 0.5): 0, (2, 0.7): 0}, id="no moment survived"),
    ],
)
def test_recall_of_one_query(moments, expected):
    table = recall_table(np.array([moments], dtype=float), np.array([[0.0, 10.0]]), (1, 2), (0.5, 0.7))
    assert table.recall == expected


def test_means_over_queries_and_thresholds():
    moments = np.array([[[0.0, 10.0]], [[0.0, 6.0]], [NAN]])
    table = recall_table(moments, np.tile([0.0, 10.0], (3, 1)), (1, 5), (0.5, 0.7))
    assert table.recall[1, 0.5] == pytest.approx(2 / 3)
    assert table.recall[5, 0.7] == pytest.approx(1 / 3)
    assert table.mean_recall(1) == pytest.approx(0.5)
    assert table.mean_iou == pytest.approx(1.6 / 3)
    assert table.num_queries == 3


@pytest.mark.parametrize(
    ("moments", "truths"),
    [
        pytest.param(np.zeros((0, 5, 2)), np.zeros((0, 2)), id="no query"),
        pytest.param(np.zeros((2, 5, 2)), np.zeros((3, 2)), id="another number of truths"),
        pytest.param(np.zeros((2, 2)), np.zeros((2, 2)), id="not ranked"),
    ],
)
def test_refuses(moments, truths):
    with pytest.raises(ValueError, match="moments, truths: expected"):
        recall_table(moments, truths, (1,), (0.5,))
