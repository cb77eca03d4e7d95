"""supervision's own annotators draw our tubes."""

import numpy as np
import pytest

from stvg.api import to_supervision
from stvg.types import Tube


def tube(number: int, start: int, stop: int, left: float) -> Tube:
    boxes = np.array([[left + k, 10, left + k + 20, 60] for k in range(stop - start)])
    return Tube(number, start, boxes, np.linspace(0.5, 1, stop - start), np.ones(stop - start, bool))


TUBES = (tube(0, 0, 10, 5), tube(3, 5, 20, 60))


@pytest.mark.parametrize(
    ("frame", "ids", "reason"),
    [(0, [0], "the first alone"), (5, [0, 3], "both"), (10, [3], "the end is not inside"), (20, [], "nobody")],
)
def test_boxes_of_a_frame(frame: int, ids: list[int], reason: str) -> None:
    found = to_supervision(TUBES, frame)
    assert found.tracker_id.tolist() == ids, reason
    assert found.xyxy.shape == (len(ids), 4)
    for box, score, number in zip(found.xyxy, found.confidence, ids, strict=True):
        own = next(one for one in TUBES if one.tube_id == number)
        np.testing.assert_array_equal(box, own.boxes_xyxy[frame - own.start_frame])
        assert score == own.scores[frame - own.start_frame]
    assert found["class_name"].tolist() == ["person"] * len(ids)


def test_annotators_draw_them() -> None:
    import supervision as sv

    box, label, trace = sv.BoxAnnotator(thickness=2), sv.LabelAnnotator(), sv.TraceAnnotator()
    drawn = []
    for frame in (0, 5, 6, 7, 25):
        scene = np.zeros((100, 120, 3), np.uint8)
        detections = to_supervision(TUBES, frame)
        scene = box.annotate(scene, detections)
        scene = label.annotate(scene, detections, labels=[f"tube {number}" for number in detections.tracker_id])
        if len(detections):
            scene = trace.annotate(scene, detections)
        drawn.append(int((scene > 0).sum()))
    assert drawn[-1] == 0
    assert drawn[1] > drawn[0] > 0
