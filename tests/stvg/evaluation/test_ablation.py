"""The table of parts on planted answers: all rows, the right keys, the oracle on top, paired differences."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from stvg.evaluation.ablation import (
    PARTS_SPATIAL,
    PARTS_TEMPORAL,
    Ablation,
    compare,
    per_query_viou,
    row_of,
    shuffle_captions,
)
from stvg.evaluation.metrics import official, score
from stvg.evaluation.tables import difference_to_text, rows_to_cells, rows_to_markdown, rows_to_text
from stvg.fusion.score_fusion import FusionConfig, JointWeights, ScoreFusion
from stvg.types import Annotation, MomentMap, PreparedVideo, Query, Tube, TubeMap, VideoMeta

MODES = ("two_stage", "joint", "tube_mmn")
NUM_QUERIES = 12


def noisy_tube(rng, tube_id, start, stop, left):
    boxes = np.tile([left, 0.0, left + 10.0, 20.0], (stop - start, 1)) + rng.normal(0, 1, (stop - start, 4))
    return Tube(tube_id, start, boxes, rng.random(stop - start), np.ones(stop - start, bool))


def world():
    """Videos with three people side by side and one sentence each, about person 0, 1 or 2."""
    rng = np.random.default_rng(0)
    annotations, videos = [], {}
    for number in range(NUM_QUERIES):
        name, target = f"{number}.mp4", number % 3
        tubes = tuple(
            noisy_tube(rng, k, int(rng.integers(0, 20)), int(rng.integers(70, 100)), 30.0 * k) for k in range(3)
        )
        start = int(rng.integers(25, 40))
        truth = noisy_tube(rng, 0, start, start + 20, 30.0 * target)
        annotations.append(Annotation(Query(name, name, f"person {target} at {start}"), truth))
        meta = VideoMeta(name, Path(name), 100, 10.0, 128, 48)
        videos[name] = PreparedVideo(meta, np.zeros((1, 1)), tubes, (np.zeros((1, 1)),) * 3)
    return annotations, videos


@dataclass
class Reader:
    """Answers from the sentence alone: "person K at F"; an empty one gets the first tube and the first moment."""

    asked: list[str]

    def localize(self, queries, video):
        self.asked += [query.text for query in queries]
        starts = [int(query.text.split()[-1]) if query.text else 0 for query in queries]
        return [MomentMap([(start, start + 20)], [0.9]) for start in starts]

    def match(self, queries, video):
        wanted = [int(query.text.split()[1]) if query.text else 0 for query in queries]
        return [
            tuple(
                TubeMap(k, [(one.span.start, one.span.stop)], [0.9 if k == target else 0.1], [0.5])
                for k, one in enumerate(video.tubes)
            )
            for target in wanted
        ]


@dataclass
class Videos:
    """A reader of videos that are in memory."""

    videos: dict[str, PreparedVideo]

    def read(self, video_id):
        return self.videos[video_id]


@pytest.fixture(scope="module")
def ablation():
    annotations, videos = world()
    reader = Reader([])
    fusions = {mode: ScoreFusion(FusionConfig(mode=mode, max_extrapolation=0), JointWeights()) for mode in MODES}
    cells = np.argwhere(np.triu(np.ones((8, 8))))
    return Ablation(annotations, Videos(videos), reader, reader, fusions, cells, 8, seed=0)


@pytest.fixture(scope="module")
def rows(ablation):
    return ablation.run()


def test_every_combination_stands_once(rows):
    found = [(row.temporal, row.spatial, row.mode) for row in rows]
    expected = {(t, s, mode) for t in PARTS_TEMPORAL for s in PARTS_SPATIAL for mode in ("two_stage", "joint")}
    expected |= {("mmn", s, "tube_mmn") for s in PARTS_SPATIAL}
    expected |= {("mmn", "matcher", mode) for mode in (*MODES, "shuffled_captions", "no_caption")}
    assert len(found) == len(set(found)) == 47
    assert set(found) == expected
    assert found[:3] == [("mmn", "matcher", mode) for mode in MODES]
    assert [mode for _, _, mode in found[-2:]] == ["shuffled_captions", "no_caption"]
    assert PARTS_TEMPORAL == ("mmn", "truth", "whole", "uniform")
    assert PARTS_SPATIAL == ("matcher", "truth", "confident", "largest", "random")


def test_json_has_the_promised_keys(rows):
    for row in rows:
        plain = json.loads(json.dumps(row.to_json(), allow_nan=False))
        assert list(plain) == ["temporal", "spatial", "mode", "m_tiou", "m_viou", "viou@0.3", "viou@0.5", "m_viou_ci"]
        low, high = plain["m_viou_ci"]
        assert 0 <= low <= plain["m_viou"] <= high <= 1
        assert all(0 <= plain[key] <= 1 for key in ("m_tiou", "viou@0.3", "viou@0.5"))


def test_truth_times_truth_is_the_best_that_candidates_allow(ablation, rows):
    oracle = row_of(rows, "truth", "truth", "two_stage")
    assert oracle.scores.m_viou == max(row.scores.m_viou for row in rows)
    assert oracle.scores.m_tiou == 1.0
    for annotation, entry in zip(ablation.annotations, oracle.scores.per_query, strict=True):
        tubes = ablation.reader.read(annotation.query.video_id).tubes
        best = max(official(annotation.tube, one.crop(annotation.tube.span))[1] for one in tubes)
        assert entry.viou == pytest.approx(best, rel=1e-6)
        for row in rows:
            other = next(item for item in row.scores.per_query if item.query_id == entry.query_id)
            assert other.viou <= entry.viou + 1e-9, row.name


@pytest.mark.parametrize(
    ("temporal", "spatial", "low", "high", "reason"),
    [
        ("mmn", "matcher", 0.7, 1.0, "this reader understands the sentence"),
        ("mmn", "random", 0.0, 0.6, "one tube in three is right"),
        ("whole", "matcher", 0.1, 0.35, "20 frames in about 80"),
        ("uniform", "random", 0.0, 0.3, "neither"),
    ],
)
def test_rows_are_of_their_parts(rows, temporal, spatial, low, high, reason):
    assert low <= row_of(rows, temporal, spatial, "two_stage").scores.m_viou <= high, reason


@pytest.mark.parametrize("spatial", PARTS_SPATIAL[1:])
def test_joint_with_a_stand_in_takes_the_moment_of_the_map_and_the_tube_of_the_stand_in(ablation, rows, spatial):
    """All tubes of this world meet all true moments, so the rows of truth differ in nothing but held boxes: none."""
    for temporal in ("mmn", "truth"):
        two_stage, joint = (row_of(rows, temporal, spatial, mode).scores for mode in ("two_stage", "joint"))
        assert joint.per_query == two_stage.per_query
        assert joint.m_tiou > 0.99, "the true moment, on whatever tube"


def test_tube_mmn_with_a_stand_in_asks_the_matcher_when(ablation, rows):
    """This reader's maps know the whole tube alone, so the right tube gives the score of its whole length."""
    found = row_of(rows, "mmn", "truth", "tube_mmn").scores.per_query
    for annotation, entry in zip(ablation.annotations, found, strict=True):
        tubes = ablation.reader.read(annotation.query.video_id).tubes
        assert entry.viou == max(official(annotation.tube, one)[1] for one in tubes)


def test_predictions_are_those_of_the_trained_row(ablation, rows):
    fresh = replace(ablation, localizer=Reader([]))
    for mode in MODES:
        expected = row_of(rows, "mmn", "matcher", mode).scores
        assert score(ablation.annotations, fresh.predict(mode)) == expected


def test_controls_ask_with_other_sentences(ablation, rows):
    true = [annotation.query.text for annotation in ablation.annotations]
    full = row_of(rows, "mmn", "matcher", "two_stage").scores.m_viou
    for control in ("shuffled_captions", "no_caption"):
        assert row_of(rows, "mmn", "matcher", control).scores.m_viou < 0.6 * full
    asked = ablation.localizer.asked
    assert asked[:NUM_QUERIES] == true, "each caption once, however many rows need the answer"
    assert asked[-NUM_QUERIES:] == [""] * NUM_QUERIES
    others = asked[NUM_QUERIES:-NUM_QUERIES]
    assert others
    assert set(others) <= set(true)


def test_runs_are_repeatable(ablation, rows):
    assert [row.to_json() for row in ablation.run()] == [row.to_json() for row in rows]


@pytest.mark.parametrize("count", [2, 3, 10, 41])
@pytest.mark.parametrize("seed", [0, 1])
def test_shuffling_leaves_no_caption_in_place(count, seed):
    queries = [Query(f"q{k}", f"{k}.mp4", f"sentence {k}") for k in range(count)]
    shuffled = shuffle_captions(queries, seed)
    assert [(query.query_id, query.video_id) for query in shuffled] == [(q.query_id, q.video_id) for q in queries]
    assert sorted(query.text for query in shuffled) == sorted(query.text for query in queries)
    assert all(query.text != own.text for query, own in zip(shuffled, queries, strict=True))
    assert shuffle_captions(queries, seed) == shuffled


def test_differences_are_paired(rows):
    a, b = row_of(rows, "mmn", "truth", "two_stage"), row_of(rows, "mmn", "matcher", "two_stage")
    (same, other) = compare([(a, a), (a, b)], seed=0)
    assert (same.difference, same.ci) == (0.0, (0.0, 0.0)), "unpaired resampling would give an interval around 0"
    values = per_query_viou(a.scores) - per_query_viou(b.scores)
    assert other.difference == pytest.approx(values.mean(), abs=1e-7)
    rng = np.random.default_rng(5)
    means = [rng.choice(values, len(values)).mean() for _ in range(4000)]
    np.testing.assert_allclose(other.ci, np.quantile(means, [0.025, 0.975]), atol=2e-3)
    assert other.to_json() == {"a": a.name, "b": b.name, "difference": other.difference, "ci": list(other.ci)}


def test_tables_hold_every_row(rows):
    differences = compare([(rows[0], rows[1])], seed=0)
    cells = rows_to_cells(rows)
    assert len(cells) == 48
    assert cells[1][:3] == ("two_stage", "mmn", "matcher")
    assert cells[1][4] == f"{100 * rows[0].scores.m_viou:.1f}"
    lines = rows_to_text(rows).splitlines()
    assert len({len(line) for line in lines}) == 1, "aligned"
    page = rows_to_markdown(rows, differences)
    assert f"{NUM_QUERIES} queries" in page
    assert sum(line.startswith("| ") for line in page.splitlines()) == 49, "head, rule and 47 rows"
    assert difference_to_text(differences[0]) in page
