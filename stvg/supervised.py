"""Tubes for supervision (https://github.com/roboflow/supervision), so that its annotators draw them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stvg.types import Tube

PERSON = "person"


def to_supervision(tubes: Sequence[Tube], frame: int) -> Any:
    """Return the tubes' boxes in one frame as sv.Detections, none where no tube has one.

    `xyxy` (N, 4) float32 pixels of the video, `confidence` (N,) float32, `tracker_id` (N,) the tubes' ids, `class_id`
    (N,) zeros, and `data["class_name"]` "person".
    """
    import supervision as sv

    shown = [tube for tube in tubes if tube.span.start <= frame < tube.span.stop]
    rows = [frame - tube.start_frame for tube in shown]
    pairs = list(zip(shown, rows, strict=True))
    return sv.Detections(
        xyxy=np.array([tube.boxes_xyxy[row] for tube, row in pairs], dtype=np.float32).reshape(-1, 4),
        confidence=np.array([tube.scores[row] for tube, row in pairs], dtype=np.float32),
        class_id=np.zeros(len(shown), dtype=np.int64),
        tracker_id=np.array([tube.tube_id for tube in shown], dtype=np.int64),
        data={"class_name": np.full(len(shown), PERSON)},
    )
