import sys

import numpy as np
import pytest

from stvg.errors import InputError
from stvg.geometry.boxes import elementwise_iou, pairwise_iou
from stvg.io.mot_text import MotRows
from stvg.types import Tube
from tracking.scores import best_tube_viou, mot_scores


def rows(*tracks: tuple[int, int, float]) -> MotRows:
    """People who stand: (first frame, number of frames, x)."""
    parts = [
        (np.arange(start, start + count), np.full(count, person), np.tile([x, 0, x + 40, 100], (count, 1)))
        for person, (start, count, x) in enumerate(tracks)
    ]
    frames, ids, boxes = (np.concatenate(column) for column in zip(*parts, strict=True))
    return MotRows(frames, ids, boxes.astype(np.float32), np.ones(len(frames), np.float32))


def tube(start: int, count: int, x: float) -> Tube:
    boxes = np.tile([x, 0, x + 40, 100], (count, 1))
    return Tube(0, start, boxes, np.ones(count), np.ones(count, bool))


@pytest.mark.parametrize(
    ("tubes", "expected", "reason"),
    [
        ([tube(0, 20, 0), tube(10, 20, 200)], 1.0, "perfect"),
        ([tube(0, 10, 0), tube(10, 10, 0), tube(10, 20, 200)], 0.75, "two halves: the best one counts"),
        ([tube(0, 40, 0), tube(0, 40, 200), tube(0, 40, 400)], 1.0, "what is too much costs nothing"),
        ([tube(0, 20, 20)], 1 / 6, "one person found by a third, one not at all"),
        ([], 0.0, "no tubes"),
    ],
)
def test_best_tube_viou(tubes: list[Tube], expected: float, reason: str) -> None:
    assert best_tube_viou(rows((0, 20, 0), (10, 20, 200)), tubes) == pytest.approx(expected), reason


@pytest.mark.parametrize("seed", range(3))
def test_best_tube_viou_is_that_of_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rows(*((int(s), int(n), float(x)) for s, n, x in rng.integers((0, 3, 0), (10, 20, 60), (4, 3))))
    tubes = [tube(int(s), int(n), float(x)) for s, n, x in rng.integers((0, 3, 0), (10, 20, 60), (5, 3))]
    expected = []
    for person in range(4):
        own = np.flatnonzero(truth.track_ids == person)
        sums = [0.0]
        for one in tubes:
            total = 0.0
            for row in own:
                place = int(truth.frames[row]) - one.start_frame
                if 0 <= place < one.span.length:
                    total += float(elementwise_iou(one.boxes_xyxy[place], truth.boxes_xyxy[row]))
            sums.append(total / len(own))
        expected.append(max(sums))
    assert best_tube_viou(truth, tubes) == pytest.approx(np.mean(expected), abs=1e-6)


def test_truth_without_people_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one person"):
        best_tube_viou(
            rows((0, 1, 0.0)).__class__(
                *(
                    np.zeros((0, *s), d)
                    for s, d in (((), np.int64), ((), np.int64), ((4,), np.float32), ((), np.float32))
                )
            ),
            [],
        )


def test_mot_scores_are_those_of_another_implementation() -> None:
    """The package trackers has its own, tested against TrackEval."""
    pytest.importorskip("trackeval")
    from trackers.eval import compute_clear_metrics, compute_hota_metrics, compute_identity_metrics

    truth = rows((0, 20, 0), (5, 20, 100))
    tubes = [tube(0, 12, 5), tube(12, 10, 0), tube(6, 15, 95), tube(3, 9, 300)]
    true_ids = [truth.track_ids[truth.frames == f] for f in range(30)]
    ids, overlap = [], []
    for frame in range(30):
        here = [
            (i, one.boxes_xyxy[frame - one.start_frame])
            for i, one in enumerate(tubes)
            if one.span.start <= frame < one.span.stop
        ]
        ids.append(np.array([i for i, _ in here], dtype=int))
        boxes = np.array([box for _, box in here]).reshape(-1, 4)
        overlap.append(pairwise_iou(truth.boxes_xyxy[truth.frames == frame], boxes))
    scores = mot_scores(truth, tubes, 30)
    assert scores.idf1 == pytest.approx(compute_identity_metrics(true_ids, ids, overlap)["IDF1"])
    assert scores.mota == pytest.approx(compute_clear_metrics(true_ids, ids, overlap)["MOTA"])
    assert scores.hota == pytest.approx(compute_hota_metrics(true_ids, ids, overlap)["HOTA"])


def test_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackeval.metrics", None)
    with pytest.raises(InputError, match="pip install trackeval"):
        mot_scores(rows((0, 2, 0.0)), [], 2)
