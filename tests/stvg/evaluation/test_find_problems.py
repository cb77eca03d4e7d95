import numpy as np
import pytest

from stvg.evaluation.error_analysis import find_problems
from stvg.geometry.tubes import mean_box_iou, origin_of
from stvg.types import Tube


def tube(start: int, stop: int, left: float = 0.0, number: int = 0) -> Tube:
    boxes = np.tile([left, 0.0, left + 10, 10.0], (stop - start, 1))
    return Tube(number, start, boxes, np.ones(stop - start), np.ones(stop - start, bool))


TRUTH = tube(20, 40)


@pytest.mark.parametrize(
    ("found", "expected", "reason"),
    [
        (tube(20, 40), (), "the truth itself"),
        (tube(20, 31), (), "tIoU 0.55"),
        (tube(20, 30), ("wrong_time",), "tIoU 0.5 is not more than a half"),
        (tube(20, 40, 9), ("wrong_person",), "box IoU 1 / 19"),
        (tube(20, 40, 4), ("poor_box",), "box IoU 6 / 14 = 0.43"),
        (tube(20, 40, 3), (), "box IoU 7 / 13 = 0.54"),
        (tube(10, 25, 50), ("wrong_time", "wrong_person"), "both"),
        (tube(0, 10, 50), ("wrong_time",), "no frame in common: the person stays open"),
    ],
)
def test_problems(found: Tube, expected: tuple[str, ...], reason: str) -> None:
    assert find_problems(TRUTH, found) == expected, reason


def test_candidates_tell_the_person_where_no_frame_is_shared() -> None:
    right, other = tube(0, 60, 0, 1), tube(0, 60, 50, 2)
    assert find_problems(TRUTH, tube(0, 10, 50), (right, other)) == ("wrong_time", "wrong_person")
    assert find_problems(TRUTH, tube(0, 10, 1), (right, other)) == ("wrong_time",)
    near = tube(0, 60, 4, 3)
    assert find_problems(TRUTH, tube(0, 10, 4), (near,)) == ("wrong_time",), "boxes elsewhere are not the answer's"


def test_origin() -> None:
    candidates = (tube(0, 60, 0, 1), tube(0, 60, 3, 2))
    assert origin_of(tube(5, 9, 3), candidates) is candidates[1]
    assert origin_of(tube(5, 9, 200), candidates) is None
    assert origin_of(tube(5, 9), ()) is None
    assert mean_box_iou(tube(0, 5), tube(5, 9)) is None
    half = Tube(0, 0, np.array([[0, 0, 10, 10], [5, 0, 15, 10]]), np.ones(2), np.ones(2, bool))
    assert mean_box_iou(half, tube(0, 2)) == pytest.approx((1 + 1 / 3) / 2)
