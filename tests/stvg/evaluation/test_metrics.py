import numpy as np
import pytest

from stvg.evaluation.metrics import (
    PROTOCOLS,
    STCAT_LEFT_OUT,
    mmn_stvg,
    official,
    score,
    stcat,
    stcat_released,
    tubedetr,
    tubedetr_frames,
)
from stvg.geometry.spans import from_inclusive, span_tiou
from stvg.types import Annotation, Prediction, Query, Tube

RULES = {"official": official, "stcat": stcat, "stcat_released": stcat_released, "mmn_stvg": mmn_stvg}


def tube(first, last, box):
    """A tube in 1-based frames, ends included, of one box or one box per frame."""
    span = from_inclusive(first, last)
    boxes = np.broadcast_to(np.asarray(box, dtype=np.float32), (span.length, 4))
    return Tube(0, span.start, boxes, np.ones(span.length), np.ones(span.length))


TRUTH, FOUND = tube(10, 19, [0, 0, 10, 10]), tube(15, 24, [5, 0, 15, 10])


def annotation(key, truth):
    return Annotation(Query(key, key, "The man sits."), truth)


def prediction(key, found):
    return Prediction(key, key, found, 1.0)


def random_tube(rng):
    first, length = int(rng.integers(1, 60)), int(rng.integers(1, 60))
    corners = rng.uniform(0, 40, (length, 2))
    return tube(first, first + length - 1, np.hstack([corners, corners + rng.uniform(1, 60, (length, 2))]))


def as_item(one):
    """A tube as the official script reads it: 1-based frames, ends included, boxes by frame number as text."""
    first = one.start_frame + 1
    bbox = {str(first + index): box.tolist() for index, box in enumerate(one.boxes_xyxy)}
    return {"st_frame": first, "ed_frame": first + len(bbox) - 1, "bbox": bbox}


def naive_iou(a, b, extra=0):
    width = min(a[2], b[2]) - max(a[0], b[0]) + extra
    height = min(a[3], b[3]) - max(a[1], b[1]) + extra
    overlap = max(width, 0) * max(height, 0)
    return overlap / (sum((c[2] - c[0] + extra) * (c[3] - c[1] + extra) for c in (a, b)) - overlap)


def naive_score(truth, found, extra=0):
    """What DESIGN says of the official rule, on the files' own dictionaries, frame by frame."""
    truth, found = as_item(truth), as_item(found)
    shared = [frame for frame in truth["bbox"] if frame in found["bbox"]]
    total = 0.0
    for frame in shared:
        total += naive_iou(truth["bbox"][frame], found["bbox"][frame], extra)
    hull = max(truth["ed_frame"], found["ed_frame"]) - min(truth["st_frame"], found["st_frame"]) + 1
    return len(shared) / hull, total / hull


def naive_half_open(truth, found, added):
    """STCAT's sets of frames: the end is left out of both ranges, after adding `added` to the predicted one."""
    truth, found = as_item(truth), as_item(found)
    true_frames = set(range(truth["st_frame"], truth["ed_frame"]))
    found_frames = set(range(found["st_frame"], found["ed_frame"] + added))
    shared = true_frames & found_frames
    if not shared:
        return 0.0, 0.0
    boxes = [(truth["bbox"][str(frame)], found["bbox"][str(frame)]) for frame in shared]
    union = len(true_frames | found_frames)
    return len(shared) / union, sum(naive_iou(*pair) for pair in boxes) / union


def naive_tubedetr(truth, found, num_frames):
    """Frames sampled one by one; the truth's 1-based first frame taken for a 0-based one."""
    rate, sampled = 5 / (num_frames / 20), [0]
    for frame in range(num_frames - 1):
        if int(sampled[-1] * rate) < int(frame * rate):
            sampled.append(frame)
    true_boxes = {truth.start_frame + 1 + index: box for index, box in enumerate(truth.boxes_xyxy.tolist())}
    found_boxes = {found.start_frame + index: box for index, box in enumerate(found.boxes_xyxy.tolist())}
    shared = true_boxes.keys() & found_boxes.keys()
    if not shared:
        return 0.0, 0.0
    total = sum(naive_iou(true_boxes[frame], found_boxes[frame]) for frame in shared if frame in sampled)
    union = true_boxes.keys() | found_boxes.keys()
    return len(shared) / len(union), total / max(sum(frame in union for frame in sampled), 1)


@pytest.mark.parametrize(
    ("rule", "tiou", "viou", "reason"),
    [
        (official, 5 / 15, 0.111, "5 of 15 frames, boxes 1/3"),
        (stcat, 4 / 14, 0.095, "4 of 14 frames, boxes 1/3"),
        (stcat_released, 4 / 15, 0.089, "4 of 15 frames, boxes 1/3"),
        (mmn_stvg, 5 / 15, 0.125, "5 of 15 frames, boxes 66/176"),
    ],
)
def test_check_values(rule, tiou, viou, reason):
    found_tiou, found_viou = rule(TRUTH, FOUND)
    assert found_tiou == pytest.approx(tiou), reason
    assert found_viou == pytest.approx(viou, abs=0.0005), reason


@pytest.mark.parametrize(
    ("protocol", "expected", "reason"),
    [
        ("official", 1, "all frames, all boxes"),
        ("mmn_stvg", 1, "the same pixel more on both sides"),
        ("stcat", 1, "both tubes lose the last frame"),
        ("stcat_released", 0.98, "the true tube alone loses the last frame: 49 / 50"),
        ("tubedetr", 49 / 51, "the true tube comes one frame late: 0.96"),
    ],
)
def test_a_perfect_tube_of_50_frames(protocol, expected, reason):
    perfect = tube(101, 150, [3, 4, 50, 60])
    scores = score([annotation("a.mp4", perfect)], [prediction("a.mp4", perfect)], protocol, {"a.mp4": 500})
    assert scores.m_tiou == pytest.approx(expected), reason
    if protocol != "tubedetr":
        assert scores.m_viou == pytest.approx(expected), reason


@pytest.mark.parametrize("seed", range(40))
def test_rules_agree_with_naive_loops(seed):
    rng = np.random.default_rng(seed)
    truth, found = random_tube(rng), random_tube(rng)
    assert official(truth, found) == pytest.approx(naive_score(truth, found))
    assert mmn_stvg(truth, found) == pytest.approx(naive_score(truth, found, extra=1))
    assert stcat(truth, found) == pytest.approx(naive_half_open(truth, found, added=0))
    assert stcat_released(truth, found) == pytest.approx(naive_half_open(truth, found, added=1))
    num_frames = int(rng.integers(120, 600))
    assert tubedetr(truth, found, num_frames) == pytest.approx(naive_tubedetr(truth, found, num_frames))


def test_random_tubes_meet_often_enough_to_test_anything():
    pairs = [(random_tube(rng), random_tube(rng)) for rng in map(np.random.default_rng, range(40))]
    assert sum(official(*pair)[1] > 0 for pair in pairs) >= 20
    assert any(official(*pair)[0] == 0 for pair in pairs)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize(
    ("found", "reason"),
    [(tube(20, 29, [0, 0, 10, 10]), "the frame after the truth's last"), (tube(90, 95, [0, 0, 10, 10]), "far away")],
)
def test_tubes_apart_score_0(rule, found, reason):
    assert rule(TRUTH, found) == (0, 0), reason
    assert rule(found, TRUTH) == (0, 0), reason


def test_official_tiou_of_meeting_spans_is_the_usual_one():
    assert official(TRUTH, FOUND)[0] == pytest.approx(span_tiou(TRUTH.span, FOUND.span))


def test_thresholds_are_strict_and_missing_predictions_count():
    whole = tube(1, 10, [0, 0, 10, 10])
    half = tube(1, 10, [0, 0, 10, 5])
    scores = score(
        [annotation("a.mp4", whole), annotation("b.mp4", whole), annotation("c.mp4", whole)],
        [prediction("b.mp4", half), prediction("a.mp4", whole)],
    )
    assert scores.protocol == "official"
    assert [(entry.query_id, entry.tiou, entry.viou) for entry in scores.per_query] == [
        ("a.mp4", 1, 1),
        ("b.mp4", 1, 0.5),
        ("c.mp4", 0, 0),
    ]
    assert scores.m_tiou == pytest.approx(2 / 3)
    assert scores.m_viou == pytest.approx(0.5)
    assert scores.viou_at == {0.3: pytest.approx(2 / 3), 0.5: pytest.approx(1 / 3)}, "0.5 is not greater than 0.5"


def test_stcat_leaves_two_videos_out():
    items = [annotation(key, TRUTH) for key in ("a.mp4", *STCAT_LEFT_OUT)]
    answers = [prediction("a.mp4", TRUTH)]
    for protocol, count in (("official", 3), ("stcat", 1), ("stcat_released", 1), ("mmn_stvg", 3)):
        assert len(score(items, answers, protocol).per_query) == count


def test_answers_to_no_query_are_passed_over_with_a_warning(caplog):
    scores = score([annotation("a.mp4", TRUTH)], [prediction("a.mp4", TRUTH), prediction("z.mp4", TRUTH)])
    assert scores.m_viou == 1
    assert "1 predictions answer no query" in caplog.text


@pytest.mark.parametrize(
    ("items", "answers", "protocol", "message"),
    [
        ([], [], "official", "annotations: expected at least one query"),
        ([annotation(STCAT_LEFT_OUT[0], TRUTH)], [], "stcat", "at least one query"),
        ([annotation("a", TRUTH)] * 2, [], "official", "annotations: expected each query once, got 'a' twice"),
        ([annotation("a", TRUTH)], [prediction("a", TRUTH)] * 2, "official", "predictions: expected each query once"),
        ([annotation("a", TRUTH)], [], "offical", "protocol: expected one of official, tubedetr, stcat"),
        ([annotation("a", TRUTH)], [prediction("a", TRUTH)], "tubedetr", "num_frames: expected 'a'"),
    ],
)
def test_wrong_arguments_are_named(items, answers, protocol, message):
    with pytest.raises(ValueError, match=message):
        score(items, answers, protocol)


@pytest.mark.parametrize(
    ("num_frames", "expected", "reason"),
    [
        (500, list(range(0, 499, 5)), "25 frames/s: every fifth"),
        (200, list(range(0, 199, 2)), "10 frames/s: every second"),
        (40, list(range(39)), "2 frames/s: all but the last"),
        (1, [0], "one frame"),
    ],
)
def test_tubedetr_frames(num_frames, expected, reason):
    assert tubedetr_frames(num_frames).tolist() == expected, reason


def test_protocols_are_all_scored():
    for protocol in PROTOCOLS:
        scores = score([annotation("a.mp4", TRUTH)], [prediction("a.mp4", FOUND)], protocol, {"a.mp4": 500})
        assert scores.protocol == protocol
        assert 0 < scores.m_viou < scores.m_tiou < 1
