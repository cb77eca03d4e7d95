"""Fusion against naive loops, and each odd case that the module's text defines."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from stvg.config import parse_config
from stvg.errors import InputError
from stvg.fusion.score_fusion import FusionConfig, JointWeights, ScoreFusion, joint_terms
from stvg.geometry.tubes import CENTRE_BOX, cover, smooth
from stvg.io.submission import find_problems, write_submission
from stvg.types import ClipSize, FrameSpan, MomentMap, PreparedVideo, Query, Tube, TubeMap, VideoMeta

META = VideoMeta("a.mp4", Path("a.mp4"), 100, 10.0, 64, 48)
QUERY = Query("q", "a.mp4", "The man sits.")
MODES = ("two_stage", "joint", "tube_mmn")


def tube(tube_id, start, stop, left=0.0):
    """A tube whose box moves right by a tenth of a pixel a frame, so that each box tells its frame."""
    xs = left + 0.1 * np.arange(start, stop)
    boxes = np.stack([xs, np.full(len(xs), 5.0), xs + 10, np.full(len(xs), 25.0)], axis=1)
    return Tube(tube_id, start, boxes, np.full(len(xs), 0.9), np.ones(len(xs), bool))


def video(*tubes):
    return PreparedVideo(META, np.zeros((1, 1)), tuple(tubes), tuple(np.zeros((1, 1)) for _ in tubes))


def tube_map(one, scores, contrastive=None, num_parts=2):
    """A map with every span of whole parts of the tube; `scores` are the cells' iou, row by row."""
    edges = np.round(np.linspace(one.span.start, one.span.stop, num_parts + 1)).astype(int)
    spans = [(edges[i], edges[j]) for i in range(num_parts) for j in range(i + 1, num_parts + 1)]
    ones = np.ones(len(spans))
    return TubeMap(one.tube_id, spans, np.resize(scores, len(spans)), ones if contrastive is None else contrastive)


def fuse(mode, tubes, moments, maps, max_extrapolation=10, weights=None):
    fusion = ScoreFusion(FusionConfig(mode=mode, max_extrapolation=max_extrapolation), weights or JointWeights())
    prediction = fusion.fuse(QUERY, video(*tubes), moments, maps)
    check_valid(prediction)
    return prediction


def check_valid(prediction):
    items = {
        "a.mp4": {
            "st_frame": prediction.tube.span.start + 1,
            "ed_frame": prediction.tube.span.stop,
            "bbox": {
                str(prediction.tube.start_frame + k + 1): [float(v) for v in box]
                for k, box in enumerate(prediction.tube.boxes_xyxy)
            },
        }
    }
    assert find_problems(items, [Query("a.mp4", "a.mp4", "x")], {"a.mp4": ClipSize(64, 48, 100)}) == []
    assert (prediction.query_id, prediction.video_id) == ("q", "a.mp4")


ALL = MomentMap([(0, 100)], [1.0])
EARLY, LATE = tube(0, 0, 60), tube(1, 50, 90, left=20.0)


@pytest.mark.parametrize(
    ("mode", "moments", "scores", "expected", "reason"),
    [
        ("two_stage", MomentMap([(0, 20), (20, 40)], [0.2, 0.7]), (0.5, 0.9), (0, 20, 40), "the best moment; one tube"),
        ("two_stage", MomentMap([(52, 58), (0, 40)], [0.7, 0.2]), (0.5, 0.9), (1, 52, 58), "both meet it, 1 is better"),
        ("two_stage", MomentMap([(52, 58), (0, 40)], [0.7, 0.2]), (0.9, 0.5), (0, 52, 58), "both meet it, 0 is better"),
        ("two_stage", MomentMap([(52, 58)], [0.7]), (0.5, 0.5), (0, 52, 58), "a tie: the tube listed first"),
        ("two_stage", MomentMap([(10, 20), (20, 30)], [0.7, 0.7]), (0.5, 0.5), (0, 10, 20), "a tie: the first moment"),
        ("two_stage", MomentMap([(62, 66)], [0.1]), (0.9, 0.1), (1, 62, 66), "only tube 1 meets it, however low"),
        ("two_stage", MomentMap([(92, 99)], [1.0]), (0.5, 0.9), (1, 50, 70), "no tube meets it: the best cell of all"),
        ("joint", ALL, (0.5, 0.9), (1, 50, 90), "the longest cell is nearest to the moment"),
        ("tube_mmn", ALL, (0.5, 0.9), (1, 50, 70), "the first of equal cells of the better tube"),
        ("tube_mmn", MomentMap([(0, 10)], [1.0]), (0.5, 0.9), (1, 50, 70), "the moment map does not count"),
        ("tube_mmn", ALL, (0.5, 0.5), (0, 0, 30), "a tie: the tube, then the cell listed first"),
    ],
)
def test_choice(mode, moments, scores, expected, reason):
    maps = [tube_map(EARLY, scores[0]), tube_map(LATE, scores[1])]
    found = fuse(mode, [EARLY, LATE], moments, maps).tube
    assert (found.tube_id, found.span.start, found.span.stop) == expected, reason


@pytest.mark.parametrize(
    ("one", "span", "limit", "expected", "held", "reason"),
    [
        (tube(0, 20, 40), (25, 35), 10, (25, 35), 0, "inside"),
        (tube(0, 20, 40), (15, 35), 10, (15, 35), 5, "held before its first frame"),
        (tube(0, 20, 40), (25, 48), 10, (25, 48), 8, "held after its last frame"),
        (tube(0, 20, 40), (0, 100), 10, (10, 50), 20, "a tube shorter than the span: held at both ends, then cut"),
        (tube(0, 20, 40), (0, 100), 0, (20, 40), 0, "no holding: cut to the tube"),
        (tube(0, 20, 21), (15, 25), 3, (17, 24), 6, "a tube of one frame"),
        (tube(0, 0, 40), (0, 45), 10, (0, 45), 5, "never before the video's first frame"),
    ],
)
def test_covering_the_span(one, span, limit, expected, held, reason):
    found = cover(one, FrameSpan(*span), limit)
    assert (found.span.start, found.span.stop) == expected, reason
    assert int((~found.observed).sum()) == held, reason
    for frame, box, observed in zip(range(*expected), found.boxes_xyxy, found.observed, strict=True):
        nearest = min(max(frame, one.span.start), one.span.stop - 1)
        np.testing.assert_array_equal(box, one.boxes_xyxy[nearest - one.span.start])
        assert observed == (one.span.start <= frame < one.span.stop)


def test_interpolated_boxes_stay_unobserved():
    one = tube(0, 0, 10)
    one = Tube(0, 0, one.boxes_xyxy, one.scores, np.arange(10) != 4)
    assert cover(one, FrameSpan(2, 8), 3).observed.tolist() == [True, True, False, True, True, True]


def jittery(seed, start=0, stop=60):
    """A tube that stands still, seen with noise, once wildly, near the right border."""
    rng = np.random.default_rng(seed)
    boxes = np.array([40.0, 10.0, 60.0, 44.0]) + rng.normal(0, 1.5, (stop - start, 4))
    boxes[len(boxes) // 2] = [0, 0, 64, 48]
    ones = np.ones(len(boxes))
    return Tube(3, start, np.clip(boxes, 0, [64, 48, 64, 48]), rng.random(len(boxes)), ones.astype(bool))


@pytest.mark.parametrize("deviation", [0.5, 2.0, 30.0])
def test_smoothing_against_a_loop(deviation):
    one = jittery(0)
    found = smooth(one, deviation)
    length, reach = one.span.length, int(4 * deviation + 0.5)
    weights = {k: np.exp(-0.5 * (k / deviation) ** 2) for k in range(-reach, reach + 1)}
    for frame in range(length):
        near = [one.boxes_xyxy[min(max(frame + k, 0), length - 1)].astype(float) * w for k, w in weights.items()]
        np.testing.assert_allclose(found.boxes_xyxy[frame], sum(near) / sum(weights.values()), rtol=1e-5)
    assert (found.tube_id, found.start_frame) == (one.tube_id, one.start_frame)
    np.testing.assert_array_equal(found.scores, one.scores)
    np.testing.assert_array_equal(found.observed, one.observed)


def test_smoothing_calms_and_is_off_by_default():
    one, middle = jittery(1), np.array([40.0, 10.0, 60.0, 44.0])
    quiet = [np.abs(smooth(one, deviation).boxes_xyxy - middle).max() for deviation in (0, 1, 4)]
    assert quiet == sorted(quiet, reverse=True)
    assert smooth(one, 0.0) is one
    assert FusionConfig().smoothing == 0.0
    assert ScoreFusion(FusionConfig(), JointWeights()).cover(one, one.span).boxes_xyxy.tolist() == (
        one.boxes_xyxy.tolist()
    )


@pytest.mark.parametrize("mode", MODES)
def test_smoothing_comes_before_the_cut(mode):
    """The boxes of a frame do not depend on where the answer ends, and held boxes are the smoothed ends."""
    one = jittery(2, 20, 60)
    fusion = ScoreFusion(FusionConfig(mode=mode, max_extrapolation=5, smoothing=3.0), JointWeights())
    found = fusion.fuse(QUERY, video(one), MomentMap([(40, 64)], [1.0]), [TubeMap(3, [(40, 60)], [1.0], [1.0])])
    check_valid(found)
    whole = smooth(one, 3.0)
    np.testing.assert_array_equal(found.tube.boxes_xyxy[:20], whole.crop(FrameSpan(40, 60)).boxes_xyxy)
    np.testing.assert_array_equal(
        found.tube.boxes_xyxy[20:], np.tile(whole.boxes_xyxy[-1], (4, 1))[: found.tube.span.length - 20]
    )


@pytest.mark.parametrize("deviation", [0.1, 3.0, 1000.0])
@pytest.mark.parametrize("seed", range(3))
def test_smoothed_answers_are_valid(seed, deviation):
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.integers(0, [64, 48], (30, 2, 2)), axis=1) + np.array([[0.0, 0.0], [0.01, 0.01]])
    boxes = corners.reshape(30, 4)
    one = Tube(0, 10, boxes, rng.random(30), np.ones(30, bool))
    fusion = ScoreFusion(FusionConfig(smoothing=deviation), JointWeights())
    check_valid(fusion.fuse(QUERY, video(one), MomentMap([(0, 100)], [1.0]), [TubeMap(0, [(10, 40)], [1.0], [1.0])]))


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "much"])
def test_bad_smoothing_is_refused(value):
    with pytest.raises(InputError, match="smoothing"):
        parse_config(FusionConfig, {"smoothing": value}, "a.yaml")


@pytest.mark.parametrize("mode", MODES)
def test_no_tube_gives_the_centre_box_over_the_best_moment(mode):
    found = fuse(mode, [], MomentMap([(0, 10), (30, 50)], [0.1, 0.2]), [])
    assert found.score == 0.0
    assert (found.tube.span.start, found.tube.span.stop) == (30, 50)
    expected = np.array(CENTRE_BOX) * [64, 48, 64, 48]
    np.testing.assert_allclose(found.tube.boxes_xyxy, np.tile(expected, (20, 1)), rtol=1e-6)
    assert not found.tube.observed.any()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mode", MODES)
def test_always_valid(mode, seed, tmp_path):
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 98, size=4)
    tubes = [tube(k, start, rng.integers(start + 1, 101)) for k, start in enumerate(starts.tolist())]
    maps = [tube_map(one, rng.random(6), rng.uniform(-1, 1, 6), num_parts=3) for one in tubes]
    maps = [
        TubeMap(m.tube_id, *(a[m.spans[:, 1] > m.spans[:, 0]] for a in (m.spans, m.iou, m.contrastive))) for m in maps
    ]
    firsts = rng.integers(0, 99, size=5)
    moments = MomentMap([(a, rng.integers(a + 1, 101)) for a in firsts.tolist()], rng.random(5))
    prediction = fuse(mode, tubes, moments, maps, int(rng.integers(0, 20)))
    write_submission(tmp_path / "results.json", [prediction], {"a.mp4": ClipSize(64, 48, 100)})


def naive_tiou(a, b):
    frames_a, frames_b = set(range(*a)), set(range(*b))
    return len(frames_a & frames_b) / len(frames_a | frames_b)


@pytest.mark.parametrize("weights", [(1, 1, 1), (0, 1, 0.25), (2, 1, 0.5), (1, 0, 0)])
@pytest.mark.parametrize("seed", range(3))
def test_joint_against_a_triple_loop(seed, weights):
    rng = np.random.default_rng(seed)
    tubes = [tube(0, 0, 60), tube(1, 30, 90), tube(2, 70, 100)]
    maps = [tube_map(one, rng.random(10), rng.uniform(-1, 1, 10), num_parts=4) for one in tubes]
    moments = MomentMap([(0, 30), (20, 70), (65, 100)], rng.random(3))
    best = (-np.inf, None)
    for one in maps:
        for span, iou, contrastive in zip(one.spans.tolist(), one.iou, one.contrastive, strict=True):
            moment = max(
                naive_tiou(span, other) * value
                for other, value in zip(moments.spans.tolist(), moments.scores, strict=True)
            )
            terms = (moment, float(iou), 0.5 * float(contrastive) + 0.5)
            value = sum(w * np.log(max(term, 1e-6)) for w, term in zip(weights, terms, strict=True))
            if value > best[0] + 1e-6:
                best = (value, (one.tube_id, *span))
    found = fuse("joint", tubes, moments, maps, weights=JointWeights(*weights))
    assert (found.tube.tube_id, found.tube.span.start, found.tube.span.stop) == best[1]
    assert found.score == pytest.approx(best[0], rel=1e-4)


def test_joint_terms_of_a_tube_far_from_every_moment():
    one = tube(0, 80, 90)
    terms = joint_terms(MomentMap([(0, 10)], [1.0]), tube_map(one, 0.5, num_parts=1))
    np.testing.assert_allclose(terms, [[0.0, 0.5, 1.0]])


def test_the_tube_at_a_moment_against_a_loop():
    rng = np.random.default_rng(0)
    tubes = [tube(0, 0, 60), tube(1, 30, 90)]
    maps = [tube_map(one, rng.random(6), rng.uniform(-1, 1, 6), num_parts=3) for one in tubes]
    for start, stop in itertools.combinations(range(0, 101, 10), 2):
        expected = {}
        for index, (one, its_map) in enumerate(zip(tubes, maps, strict=True)):
            if max(start, one.span.start) < min(stop, one.span.stop):
                weights = [naive_tiou(span, (start, stop)) ** 4 + 1e-6 for span in its_map.spans.tolist()]
                values = its_map.iou * (0.5 * its_map.contrastive + 0.5)
                expected[index] = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
        moment = MomentMap([(start, stop)], [1.0])
        found = ScoreFusion(FusionConfig(), JointWeights()).rank(QUERY, video(*tubes), moment, maps)
        if not expected:
            assert found.mode == "tube_mmn"
            continue
        assert (found.mode, found.span) == ("two_stage", FrameSpan(start, stop))
        assert found.chosen == max(expected, key=expected.__getitem__)
        assert found.score == pytest.approx(max(expected.values()), rel=1e-5)
        assert {index: one.score for index, one in enumerate(found.tubes) if one.score is not None} == (
            pytest.approx(expected, rel=1e-5)
        )
