"""How good tubes are: best-tube vIoU, which is what a query needs, and HOTA, IDF1 and MOTA by the package trackeval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stvg.errors import InputError
from stvg.geometry.boxes import elementwise_iou, pairwise_iou
from stvg.io.mot_text import MotRows
from stvg.types import Tube


@dataclass(frozen=True, slots=True)
class MotScores:
    """HOTA (Luiten et al., IJCV 2021; mean over its thresholds), IDF1 and MOTA, fractions; MOTA may be negative."""

    hota: float
    idf1: float
    mota: float


def best_tube_viou(truth: MotRows, tubes: Sequence[Tube]) -> float:
    """Return the mean over the true people of the best single tube's vIoU over the person's own frames, in [0, 1].

    That is the sum of the IoU of the boxes over all frames of the person, 0 where the tube is absent, over their
    number. It is what a query about a person can reach at best; boxes of other people and superfluous tubes cost
    nothing here.

    Raises:
        ValueError: a truth without people.
    """
    people = np.unique(truth.track_ids)
    if len(people) == 0:
        raise ValueError("truth: expected at least one person, got none")
    return float(np.mean([_best(truth, person, tubes) for person in people.tolist()]))


def _best(truth: MotRows, person: int, tubes: Sequence[Tube]) -> float:
    own = truth.track_ids == person
    frames, boxes = truth.frames[own], truth.boxes_xyxy[own]
    best = 0.0
    for tube in tubes:
        rows = frames - tube.start_frame
        met = (rows >= 0) & (rows < tube.span.length)
        best = max(best, float(elementwise_iou(tube.boxes_xyxy[rows[met]], boxes[met]).sum()) / len(frames))
    return best


def mot_scores(truth: MotRows, tubes: Sequence[Tube], num_frames: int) -> MotScores:
    """Return the scores of trackeval over all frames, every true box counted.

    Raises:
        InputError: the package is missing.
    """
    try:
        from trackeval.metrics import CLEAR, HOTA, Identity
    except ImportError as error:
        raise InputError("track scores: expected the package trackeval: pip install trackeval") from error
    data = _trackeval_data(truth, tubes, num_frames)
    quiet = {"PRINT_CONFIG": False}
    return MotScores(
        hota=float(np.mean(HOTA().eval_sequence(data)["HOTA"])),
        idf1=float(Identity(quiet).eval_sequence(data)["IDF1"]),
        mota=float(CLEAR(quiet).eval_sequence(data)["MOTA"]),
    )


def _trackeval_data(truth: MotRows, tubes: Sequence[Tube], num_frames: int) -> dict[str, Any]:
    """Return what trackeval's metrics read: ids from 0 and boxes by frame, with their IoU."""
    _, people = np.unique(truth.track_ids, return_inverse=True)
    frames = np.concatenate([np.zeros(0, np.int64), *(np.arange(t.span.start, t.span.stop) for t in tubes)])
    owners = np.repeat(np.arange(len(tubes)), [tube.span.length for tube in tubes])
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *(tube.boxes_xyxy for tube in tubes)])
    true_rows = [np.flatnonzero(truth.frames == frame) for frame in range(num_frames)]
    rows = [np.flatnonzero(frames == frame) for frame in range(num_frames)]
    return {
        "gt_ids": [people[at] for at in true_rows],
        "tracker_ids": [owners[at] for at in rows],
        "similarity_scores": [
            pairwise_iou(truth.boxes_xyxy[ours], boxes[theirs]) for ours, theirs in zip(true_rows, rows, strict=True)
        ],
        "num_timesteps": num_frames,
        "num_gt_ids": int(people.max()) + 1,
        "num_tracker_ids": len(tubes),
        "num_gt_dets": len(truth),
        "num_tracker_dets": len(boxes),
    }
