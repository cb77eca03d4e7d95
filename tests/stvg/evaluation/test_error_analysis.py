"""The four causes of a lost vIoU: planted cases with one cause each, sums, and a loop over both orders."""

import itertools
import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from stvg.evaluation.error_analysis import CAUSES, ErrorShares, error_budget, error_shares
from stvg.evaluation.metrics import official
from stvg.fusion.score_fusion import FusionConfig, JointWeights, ScoreFusion
from stvg.types import FrameSpan, MomentMap, Prediction, PreparedVideo, Query, Tube, TubeMap, VideoMeta

TRUTH_SPAN = (40, 60)


def tube(tube_id, start, stop, left=0.0, noise=None):
    boxes = np.tile([left, 0.0, left + 10.0, 20.0], (stop - start, 1))
    if noise is not None:
        boxes = boxes + noise.normal(0, 1, boxes.shape)
    return Tube(tube_id, start, boxes, np.ones(stop - start), np.ones(stop - start, bool))


def video(*tubes):
    meta = VideoMeta("a.mp4", Path("a.mp4"), 100, 10.0, 120, 40)
    return PreparedVideo(meta, np.zeros((1, 1)), tubes, (np.zeros((1, 1)),) * len(tubes))


def fusion(max_extrapolation=0, smoothing=0.0):
    return ScoreFusion(FusionConfig(max_extrapolation=max_extrapolation, smoothing=smoothing), JointWeights())


def answer(prepared, chosen, span, how):
    return Prediction("q", "a.mp4", how.cover(prepared.tubes[chosen], FrameSpan(*span)), 1.0)


def shares(truth, candidates, chosen, span, how=None):
    how, prepared = how or fusion(), video(*candidates)
    found = error_shares(truth, answer(prepared, chosen, span, how), prepared, how)
    assert sum(astuple(found)) == pytest.approx(1, abs=1e-12)
    assert min(astuple(found)) >= -1e-12
    return found


HERE, AWAY = tube(0, 0, 100), tube(1, 0, 100, left=50.0)


@pytest.mark.parametrize(
    ("candidates", "chosen", "span", "expected", "reason"),
    [
        ([HERE, AWAY], 0, (40, 60), {}, "nothing wrong"),
        ([HERE, AWAY], 0, (45, 65), {"wrong_time": 0.4}, "right tube, exact boxes, tIoU 15 / 25"),
        ([HERE, AWAY], 0, (70, 90), {"wrong_time": 1.0}, "right tube, another time"),
        ([HERE, AWAY], 1, (40, 60), {"wrong_person": 1.0}, "right time, another person"),
        ([tube(0, 0, 100, left=5.0), AWAY], 0, (40, 60), {"poor_box": 2 / 3}, "half of the box"),
        ([tube(0, 0, 50), AWAY], 0, (40, 60), {"no_candidate": 0.5}, "the tube ends in mid moment"),
        ([AWAY], 0, (40, 60), {"no_candidate": 1.0}, "only another person was found"),
        ([tube(0, 0, 10)], 0, (0, 10), {"no_candidate": 1.0}, "no candidate in the true moment"),
        (
            [HERE, AWAY],
            1,
            (70, 90),
            {"wrong_time": 0.5, "wrong_person": 0.5},
            "neither helps without the other: half each",
        ),
        (
            [HERE, AWAY],
            1,
            (40, 50),
            {"wrong_person": 0.75, "wrong_time": 0.25},
            "the person: from 0 to 0.5 first, from 0 to 1 last; the time: from 0 to 0 and from 0.5 to 1",
        ),
    ],
)
def test_one_cause_at_a_time(candidates, chosen, span, expected, reason):
    found = shares(tube(0, *TRUTH_SPAN), candidates, chosen, span)
    for name in CAUSES:
        assert getattr(found, name) == pytest.approx(expected.get(name, 0.0), abs=1e-12), (name, reason)
    assert found.viou == pytest.approx(1 - sum(expected.values()), abs=1e-12)


def test_a_box_that_only_holding_gives_is_a_candidate():
    found = shares(tube(0, *TRUTH_SPAN), [tube(0, 0, 50)], 0, (40, 60), fusion(max_extrapolation=4))
    assert found.no_candidate == pytest.approx(6 / 20)
    assert found.viou == pytest.approx(14 / 20)


def test_a_fragment_of_the_right_person_is_no_wrong_person():
    """The tube that is best in the answer's span counts there, not the one that is best in the true span."""
    found = shares(tube(0, *TRUTH_SPAN), [tube(0, 0, 55), tube(1, 55, 100)], 1, (55, 60))
    assert found.viou == pytest.approx(0.25)
    assert found.wrong_time == pytest.approx(0.25), "with its own tube time mends nothing, with the longer one 0.5"
    assert found.wrong_person == pytest.approx(0.25)
    assert found.no_candidate == pytest.approx(0.25)


def test_a_video_without_tubes_lacks_the_candidate_and_the_time():
    prepared, how, truth = video(), fusion(), tube(0, *TRUTH_SPAN, left=100.0)
    prediction = how.fuse(Query("q", "a.mp4", "x"), prepared, MomentMap([(50, 60)], [1.0]), [])
    assert astuple(error_shares(truth, prediction, prepared, how)) == pytest.approx((0, 0, 0, 1, 0), abs=1e-12)
    middle = tube(0, *TRUTH_SPAN, left=55.0)
    found = error_shares(middle, prediction, prepared, how)
    iou = official(middle, prediction.tube)[1] / 0.5
    assert astuple(found) == pytest.approx((iou / 2, iou / 2, 0, 0, 1 - iou), abs=1e-6)


def naive(truth, prepared, prediction, how):
    """The same causes by a loop over both orders of replacing, with sets of frames."""
    true_boxes = dict(zip(range(truth.span.start, truth.span.stop), truth.boxes_xyxy.tolist(), strict=True))

    def frames(one, span):
        held = how.cover(one, one.span)
        boxes = dict(zip(range(one.span.start, one.span.stop), held.boxes_xyxy.tolist(), strict=True))
        limits = range(one.span.start - how.config.max_extrapolation, one.span.stop + how.config.max_extrapolation)
        return {f: boxes[min(max(f, one.span.start), one.span.stop - 1)] for f in range(*span) if f in limits}

    def viou(boxes):
        if not boxes:
            return 0.0
        hull = max(*boxes, *true_boxes) - min(*boxes, *true_boxes) + 1
        return sum(iou(box, true_boxes[f]) for f, box in boxes.items() if f in true_boxes) / hull

    def iou(a, b):
        width, height = (max(0.0, min(a[k + 2], b[k + 2]) - max(a[k], b[k])) for k in (0, 1))
        area_a, area_b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
        return width * height / (area_a + area_b - width * height)

    own = next(one for one in prepared.tubes if one.tube_id == prediction.tube.tube_id)
    spans = {False: prediction.tube.span, True: truth.span}
    tubes = {False: [own], True: prepared.tubes}

    def value(time, person):
        span = spans[time]
        return max(viou(frames(one, (span.start, span.stop))) for one in tubes[person])

    gains = {"time": 0.0, "person": 0.0}
    for order in itertools.permutations(gains):
        state = {"time": False, "person": False}
        for name in order:
            before = value(**state)
            state[name] = True
            gains[name] += (value(**state) - before) / 2
    best = max((frames(one, TRUTH_SPAN) for one in prepared.tubes), key=viou)
    ious = [iou(box, true_boxes[f]) for f, box in best.items()]
    missed = 1 - sum(one > 0 for one in ious) / len(true_boxes)
    return (
        value(False, False),
        gains["time"],
        gains["person"],
        missed,
        sum(1 - one for one in ious if one) / len(true_boxes),
    )


@pytest.mark.parametrize("seed", range(12))
def test_against_both_orders_in_a_loop(seed):
    rng = np.random.default_rng(seed)
    truth = tube(0, *TRUTH_SPAN, noise=rng)
    starts, lengths = rng.integers(0, 60, 4), rng.integers(5, 90, 4)
    tubes = [
        tube(k, int(a), int(min(a + n, 100)), left=6.0 * k, noise=rng)
        for k, (a, n) in enumerate(zip(starts, lengths, strict=True))
    ]
    how, prepared = fusion(int(rng.integers(0, 8)), float(rng.choice([0.0, 2.0]))), video(*tubes)
    chosen = int(rng.integers(4))
    start = int(rng.integers(tubes[chosen].span.start, tubes[chosen].span.stop))
    prediction = answer(prepared, chosen, (start, int(rng.integers(start + 1, 101))), how)
    found = error_shares(truth, prediction, prepared, how)
    np.testing.assert_allclose(astuple(found), naive(truth, prepared, prediction, how), atol=1e-6)
    assert sum(astuple(found)) == pytest.approx(1, abs=1e-12)
    assert min(astuple(found)) >= -1e-12, "replacing by the best never costs"


def test_real_fusion_s_answers_add_up():
    """Spans beside every tube, ties and tubes that end: whatever the fusion does, the causes account for it."""
    rng = np.random.default_rng(7)
    for _ in range(40):
        tubes = [tube(k, int(a), int(a) + 25, left=6.0 * k, noise=rng) for k, a in enumerate(rng.integers(0, 75, 3))]
        maps = [
            TubeMap(
                one.tube_id,
                [(one.span.start, one.span.stop), (one.span.start, one.span.start + 9)],
                rng.random(2),
                rng.uniform(-1, 1, 2),
            )
            for one in tubes
        ]
        start = int(rng.integers(0, 80))
        mode = str(rng.choice(["two_stage", "joint", "tube_mmn"]))
        how = ScoreFusion(FusionConfig(mode=mode, max_extrapolation=3), JointWeights())
        prepared = video(*tubes)
        prediction = how.fuse(Query("q", "a.mp4", "x"), prepared, MomentMap([(start, start + 15)], [1.0]), maps)
        found = error_shares(tube(0, *TRUTH_SPAN, noise=rng), prediction, prepared, how)
        assert sum(astuple(found)) == pytest.approx(1, abs=1e-12)
        assert min(astuple(found)) >= -1e-12


def test_budgets_are_means_with_intervals():
    parts = [ErrorShares(0.5, 0.5, 0.0, 0.0, 0.0), ErrorShares(0.0, 0.25, 0.5, 0.125, 0.125)]
    budget = error_budget("joint", parts * 20, seed=0)
    assert budget.shares == ErrorShares(0.25, 0.375, 0.25, 0.0625, 0.0625)
    for share, (low, high) in zip(budget.causes, budget.intervals, strict=True):
        assert 0 <= low < share < high
    plain = json.loads(json.dumps(budget.to_json()))
    assert list(plain) == [
        "temporal",
        "spatial",
        "mode",
        "num_queries",
        "m_viou",
        *CAUSES,
        *(f"{name}_ci" for name in CAUSES),
    ]
    assert (plain["mode"], plain["num_queries"], plain["m_viou"]) == ("joint", 40, 0.25)
    assert plain["wrong_person"] == 0.25
    assert plain["wrong_person_ci"] == list(budget.intervals[1])
