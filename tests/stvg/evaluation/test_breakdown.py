"""Kinds of query: the groups part the queries, and a group's scores are those of its queries alone."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from stvg.evaluation.ablation import AblationRow
from stvg.evaluation.bootstrap import bootstrap_interval
from stvg.evaluation.breakdown import break_down, query_properties, thirds
from stvg.evaluation.metrics import score
from stvg.types import Annotation, Prediction, PreparedVideo, Query, Tube, VideoMeta


@pytest.mark.parametrize(
    ("values", "expected", "reason"),
    [
        ([5, 1, 3, 2, 4, 6], [{1, 3}, {2, 4}, {0, 5}], "six different values"),
        ([7], [{0}], "one query"),
        ([2, 1], [{1}, {0}], "two queries"),
        ([4, 4, 4, 4], [{0, 1, 2, 3}], "all alike"),
        ([1, 1, 1, 1, 1, 9], [{0, 1, 2, 3, 4}, {5}], "most alike: the middle third is in the first"),
        ([1, 9, 9, 9, 9, 9], [{0, 1, 2, 3, 4, 5}], "the second smallest of six is 9 already"),
        ([2, 3, 2, 4, 5, 3, 2], [{0, 2, 6}, {1, 5}, {3, 4}], "equal values stay together"),
    ],
)
def test_thirds(values, expected, reason):
    assert [set(np.flatnonzero(mask).tolist()) for mask in thirds(np.array(values, float))] == expected, reason


@pytest.mark.parametrize("seed", range(5))
def test_thirds_part_the_queries_in_order(seed):
    values = np.random.default_rng(seed).integers(0, 9, 50).astype(float)
    masks = thirds(values)
    assert sum(mask.astype(int) for mask in masks).tolist() == [1] * 50
    for lower, higher in itertools.pairwise(masks):
        assert values[lower].max() < values[higher].min()
    distinct = thirds(np.random.default_rng(seed).permutation(48).astype(float))
    assert [int(mask.sum()) for mask in distinct] == [16, 16, 16]


def tube(start, stop, left=0.0):
    boxes = np.tile([left, 0.0, left + 10.0, 20.0], (stop - start, 1))
    return Tube(0, start, boxes, np.ones(stop - start), np.ones(stop - start, bool))


def item(number, text, span, tubes, num_frames=100):
    name = f"{number}.mp4"
    meta = VideoMeta(name, Path(name), num_frames, 10.0, 64, 48)
    prepared = PreparedVideo(meta, np.zeros((1, 1)), tuple(tubes), tuple(np.zeros((1, 1)) for _ in tubes))
    return Annotation(Query(name, name, text), tube(*span)), prepared


def test_properties():
    pairs = [
        item(0, "The man  sits down.", (10, 30), [tube(0, 10), tube(0, 11), tube(29, 40), tube(30, 50), tube(0, 90)]),
        item(1, "He, in blue, sits.", (0, 5), [], num_frames=50),
    ]
    found = query_properties(*zip(*pairs, strict=True))
    assert {name: values.tolist() for name, values in found.items()} == {
        "words": [4, 4],
        "people": [3, 0],  # not those that end at frame 10 or begin at frame 30
        "moment_share": [0.2, 0.1],
    }


def rows(count):
    rng = np.random.default_rng(3)
    annotations = [item(k, "x", (20, 40), [])[0] for k in range(count)]
    made = []
    for mode in ("two_stage", "joint"):
        answers = [
            Prediction(one.query.query_id, one.query.video_id, tube(20, 40, left=float(rng.uniform(0, 10))), 0.0)
            for one in annotations
        ]
        scores = score(annotations, answers)
        made.append(AblationRow("mmn", "matcher", mode, scores, (0.0, 1.0)))
    return annotations, made


def test_groups_have_the_scores_of_their_queries():
    _, both = rows(30)
    values = np.arange(30, dtype=float)[::-1].copy()
    groups = break_down(both, {"words": values, "people": np.full(30, 2.0)}, seed=0)
    assert [(one.by, one.low, one.high, one.row.mode) for one in groups] == [
        *(("words", low, high, mode) for low, high in ((0, 9), (10, 19), (20, 29)) for mode in ("two_stage", "joint")),
        *(("people", 2, 2, mode) for mode in ("two_stage", "joint")),
    ]
    for one in groups[:6]:
        whole = next(row for row in both if row.mode == one.row.mode)
        own = [
            entry for entry, value in zip(whole.scores.per_query, values, strict=True) if one.low <= value <= one.high
        ]
        viou = np.array([entry.viou for entry in own])
        assert one.row.scores.per_query == tuple(own)
        assert one.row.scores.m_viou == pytest.approx(viou.mean())
        assert one.row.scores.m_tiou == 1.0
        assert one.row.scores.viou_at == {0.3: (viou > 0.3).mean(), 0.5: (viou > 0.5).mean()}
        assert one.row.m_viou_ci == bootstrap_interval(viou, 0)
    for one, whole in zip(groups[6:], both, strict=True):
        assert one.row.scores == whole.scores, "one group of all queries has the row's scores"


def test_json_says_which_queries_and_which_row():
    _, both = rows(6)
    (first, *_) = break_down(both, {"moment_share": np.linspace(0.1, 0.6, 6)}, seed=0)
    plain = json.loads(json.dumps(first.to_json(), allow_nan=False))
    assert list(plain) == [
        "by",
        "low",
        "high",
        "num_queries",
        "temporal",
        "spatial",
        "mode",
        "m_tiou",
        "m_viou",
        "viou@0.3",
        "viou@0.5",
        "m_viou_ci",
    ]
    assert (plain["by"], plain["low"], plain["high"], plain["num_queries"]) == ("moment_share", 0.1, 0.2, 2)
