"""Each stand-in is what its name says, and the random ones are drawn fairly and repeatably."""

from pathlib import Path

import numpy as np
import pytest

from stvg.evaluation.baselines import (
    FixedTubeMoments,
    FixedTubeOwnMap,
    PreferenceMatcher,
    SeededPreference,
    TruthLocalizer,
    TruthMatcher,
    UniformLocalizer,
    mean_area,
    mean_confidence,
)
from stvg.fusion.score_fusion import FusionConfig, JointWeights, ScoreFusion
from stvg.geometry.tubes import box_overlap
from stvg.pipeline import WholeLocalizer
from stvg.types import MomentMap, PreparedVideo, Query, Tube, TubeMap, VideoMeta

CELLS = np.array([(0, 0), (0, 1), (1, 1), (2, 3), (3, 3)])


def tube(tube_id, start, stop, left=0.0, side=10.0, score=0.5, observed=True):
    boxes = np.tile([left, 0.0, left + side, side], (stop - start, 1))
    return Tube(tube_id, start, boxes, np.full(stop - start, score), np.full(stop - start, observed))


def video(*tubes, num_frames=100):
    meta = VideoMeta("a.mp4", Path("a.mp4"), num_frames, 10.0, 64, 48)
    return PreparedVideo(meta, np.zeros((1, 1)), tubes, tuple(np.zeros((1, 1)) for _ in tubes))


def queries(count):
    return [Query(f"q{k}", "a.mp4", "x") for k in range(count)]


def chosen(maps):
    """The tube that a stand-in prefers, after checking that each map is one cell, the whole tube."""
    assert all(len(one.spans) == 1 and one.contrastive.tolist() == [1.0] for one in maps)
    return maps[int(np.argmax([float(one.iou[0]) for one in maps]))].tube_id


def test_truth_localizer_gives_each_query_its_span():
    truth = {"q0": tube(0, 3, 9), "q1": tube(0, 50, 51)}
    found = TruthLocalizer(truth).localize(queries(2), video())
    assert [one.spans.tolist() for one in found] == [[[3, 9]], [[50, 51]]]
    assert [one.scores.tolist() for one in found] == [[1.0], [1.0]]


def test_whole_localizer():
    assert [one.spans.tolist() for one in WholeLocalizer().localize(queries(2), video())] == [[[0, 100]]] * 2


def test_uniform_draws_every_candidate_cell_about_equally_often():
    found = UniformLocalizer(CELLS, 4, seed=0).localize(queries(2000), video())
    spans, counts = np.unique([one.spans[0] for one in found], axis=0, return_counts=True)
    assert spans.tolist() == [[0, 25], [0, 50], [25, 50], [50, 100], [75, 100]]
    assert counts.min() > 330, "400 expected, standard deviation 18"


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_uniform_spans_lie_in_videos_shorter_than_the_map(num_frames):
    for one in UniformLocalizer(CELLS, 4, seed=0).localize(queries(50), video(num_frames=num_frames)):
        ((start, stop),) = one.spans.tolist()
        assert 0 <= start < stop <= num_frames


def test_draws_depend_on_seed_and_query_alone():
    def draw(seed, asked):
        return [one.spans.tolist() for one in UniformLocalizer(CELLS, 4, seed).localize(asked, video())]

    first = draw(0, queries(40))
    assert draw(0, queries(40)[::-1]) == first[::-1]
    assert draw(1, queries(40)) != first
    assert len({str(span) for span in first}) > 1


@pytest.mark.parametrize(
    ("one", "expected", "reason"),
    [
        (tube(0, 10, 20), 1.0, "the truth itself"),
        (tube(0, 0, 100), 1.0, "boxes outside the true moment do not count"),
        (tube(0, 10, 15), 0.5, "half of its frames"),
        (tube(0, 10, 20, left=5.0), 1 / 3, "half of its box"),
        (tube(0, 15, 30, left=5.0), 1 / 6, "both"),
        (tube(0, 20, 30), 0.0, "after it"),
        (tube(0, 0, 10), 0.0, "before it"),
    ],
)
def test_box_overlap(one, expected, reason):
    assert box_overlap(one, tube(0, 10, 20)) == pytest.approx(expected), reason


def test_truth_matcher_prefers_the_best_candidate():
    tubes = tube(0, 0, 100, left=8.0), tube(1, 12, 20, left=1.0), tube(2, 0, 100, left=30.0)
    truth = {"q0": tube(0, 10, 20), "q1": tube(0, 10, 20, left=30.0)}
    found = TruthMatcher(truth).match(queries(2), video(*tubes))
    assert [chosen(maps) for maps in found] == [1, 2]
    assert [one.spans.tolist() for one in found[0]] == [[[0, 100]], [[12, 20]], [[0, 100]]]
    assert found[0][1].iou[0] == pytest.approx(box_overlap(tubes[1], truth["q0"]))


def test_truth_matcher_ranks_the_boxes_that_are_answered():
    """Held at its ends, the tube that ends early but lies well is worth more than the one that lies worse."""
    tubes = tube(0, 0, 100, left=4.0), tube(1, 0, 15)
    truth = {"q0": tube(0, 10, 20)}
    fusion = ScoreFusion(FusionConfig(max_extrapolation=10), JointWeights())
    (own,), (held,) = (TruthMatcher(truth, one).match(queries(1), video(*tubes)) for one in (None, fusion))
    assert [one.iou[0] for one in own] == pytest.approx([6 / 14, 0.5 * 1.0])
    assert [one.iou[0] for one in held] == pytest.approx([6 / 14, 1.0])
    far = tube(0, 40, 60)
    assert TruthMatcher(truth, fusion).match(queries(1), video(far))[0][0].iou[0] == 0


@pytest.mark.parametrize(
    ("preference", "expected", "reason"),
    [
        (mean_confidence, 1, "highest mean score; the unobserved boxes of 2 do not count"),
        (mean_area, 0, "largest box, however short"),
    ],
)
def test_preferences(preference, expected, reason):
    tubes = (
        tube(0, 0, 10, side=40.0, score=0.3),
        tube(1, 0, 90, side=20.0, score=0.8),
        tube(2, 0, 50, side=10.0, score=0.9, observed=False),
    )
    maps = PreferenceMatcher(preference).match(queries(1), video(*tubes))[0]
    assert chosen(maps) == expected, reason
    assert all(0 <= one.iou[0] <= 1 for one in maps)


def test_areas_keep_their_order():
    sides = [1.0, 10.0, 100.0, 300.0, 300.2]
    values = [np.float32(mean_area(tube(0, 0, 5, side=side), queries(1)[0])) for side in sides]
    assert values == sorted(set(values))


def test_random_takes_every_tube_about_equally_often():
    tubes = [tube(k, 0, 10) for k in range(3)]
    found = PreferenceMatcher(SeededPreference(0)).match(queries(900), video(*tubes))
    counts = np.bincount([chosen(maps) for maps in found])
    assert counts.min() > 240, "300 expected, standard deviation 14"
    again = PreferenceMatcher(SeededPreference(0)).match(queries(900)[::-1], video(*tubes))[::-1]
    assert [chosen(maps) for maps in again] == [chosen(maps) for maps in found]
    other = PreferenceMatcher(SeededPreference(1)).match(queries(900), video(*tubes))
    assert [chosen(maps) for maps in other] != [chosen(maps) for maps in found]


def test_uniform_span_and_random_tube_are_drawn_apart():
    """Else the combination of both would prefer, say, the first tube at late spans."""
    asked, prepared = queries(2000), video(*[tube(k, 0, 100) for k in range(2)])
    cells = np.array([(k, k) for k in range(100)])
    starts = [one.spans[0, 0] for one in UniformLocalizer(cells, 100, 0).localize(asked, prepared)]
    prefer = [maps[0].iou[0] for maps in PreferenceMatcher(SeededPreference(0)).match(asked, prepared)]
    assert abs(np.corrcoef(starts, prefer)[0, 1]) < 0.1


class Fixed:
    """A localizer and matcher that answers every query alike."""

    def __init__(self, moments=None, maps=None):
        self.moments, self.maps = moments, maps

    def localize(self, queries, video):
        return [self.moments] * len(queries)

    def match(self, queries, video):
        return [self.maps] * len(queries)


@pytest.mark.parametrize(
    ("spans", "expected", "reason"),
    [
        ([(0, 100)], {0: [(0, 50)]}, "the largest, the moment cut to it"),
        ([(10, 20), (40, 70)], {0: [(10, 20), (40, 50)]}, "every moment that meets it"),
        ([(10, 20), (60, 70)], {0: [(10, 20)]}, "not those beside it"),
        ([(60, 65), (70, 90)], {1: [(60, 65), (70, 80)]}, "the next largest, where no moment meets the largest"),
        ([(85, 95)], {2: [(85, 95)]}, "however small, where no other is met"),
    ],
)
def test_moments_on_the_named_tube(spans, expected, reason):
    tubes = tube(0, 0, 50, side=30.0), tube(1, 0, 80, side=20.0), tube(2, 0, 100, side=10.0)
    part = FixedTubeMoments(PreferenceMatcher(mean_area), Fixed(MomentMap(spans, np.linspace(1, 0.5, len(spans)))))
    for maps in part.match(queries(2), video(*tubes)):
        assert [one.tube_id for one in maps] == [0, 1, 2]
        assert {one.tube_id: [tuple(span) for span in one.spans.tolist()] for one in maps if len(one.spans)} == expected
        assert all(value == 1.0 for one in maps for value in (*one.iou, *one.contrastive)), "no opinion on when"


def test_moments_that_meet_no_tube_leave_the_stand_in_s_choice():
    tubes = tube(0, 0, 50, side=10.0), tube(1, 0, 40, side=20.0)
    graded = PreferenceMatcher(mean_area)
    (found,) = FixedTubeMoments(graded, Fixed(MomentMap([(60, 70)], [1.0]))).match(queries(1), video(*tubes))
    assert chosen(found) == 1
    assert [one.spans.tolist() for one in found] == [[[0, 50]], [[0, 40]]]


def test_ties_name_the_first_tube():
    tubes = tube(0, 50, 90), tube(1, 0, 40), tube(2, 0, 40)
    (found,) = FixedTubeMoments(PreferenceMatcher(mean_area), Fixed(MomentMap([(0, 10)], [1.0]))).match(
        queries(1), video(*tubes)
    )
    assert [len(one.spans) for one in found] == [0, 1, 0]


def test_own_map_of_the_named_tube():
    tubes = tube(0, 0, 50, side=10.0), tube(1, 0, 40, side=20.0)
    own = tuple(TubeMap(k, [(k, 10), (20, 30)], [0.2, 0.3 + k], [0.5, -0.5]) for k in range(2))
    (found,) = FixedTubeOwnMap(PreferenceMatcher(mean_area), Fixed(maps=own)).match(queries(1), video(*tubes))
    assert found[1] is own[1]
    assert (found[0].tube_id, len(found[0].spans)) == (0, 0)


@pytest.mark.parametrize(
    "matcher",
    [
        TruthMatcher({"q0": tube(0, 0, 5)}),
        PreferenceMatcher(mean_area),
        FixedTubeMoments(PreferenceMatcher(mean_area), Fixed(MomentMap([(0, 5)], [1.0]))),
        FixedTubeOwnMap(PreferenceMatcher(mean_area), Fixed(maps=())),
    ],
)
def test_a_video_without_tubes(matcher):
    assert matcher.match(queries(1), video()) == [()]
