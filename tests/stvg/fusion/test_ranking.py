"""The values shown are those by which the fusion chooses: the best of them is its choice, in every mode."""

from pathlib import Path

import numpy as np
import pytest

from stvg.fusion.ranking import RankedTube
from stvg.fusion.score_fusion import FusionConfig, JointWeights, ScoreFusion
from stvg.pipeline import Grounder
from stvg.types import MomentMap, PreparedVideo, Query, Tube, TubeMap, VideoMeta

FRAMES = 80
QUERY = Query("a.mp4", "a.mp4", "The man sits down.")


class Fixed:
    """Both stages, with random maps."""

    def __init__(self, seed: int, tubes: tuple[Tube, ...]) -> None:
        rng = np.random.default_rng(seed)
        self.moments = MomentMap(cells(0, FRAMES), rng.random(10))
        self.maps = tuple(
            TubeMap(t.tube_id, cells(t.span.start, t.span.stop), rng.random(10), rng.uniform(-1, 1, 10)) for t in tubes
        )

    def localize(self, queries, video):
        return [self.moments] * len(queries)

    def match(self, queries, video):
        return [self.maps] * len(queries)


def cells(start: int, stop: int) -> np.ndarray:
    edges = np.linspace(start, stop, 5).round().astype(int)
    return np.array([[edges[i], edges[j + 1]] for i in range(4) for j in range(i, 4)])


def tube(number: int, start: int, stop: int) -> Tube:
    boxes = np.tile([20.0 * number, 0.0, 20.0 * number + 10, 10.0], (stop - start, 1))
    return Tube(number, start, boxes, np.ones(stop - start), np.ones(stop - start, bool))


def video(tubes: tuple[Tube, ...]) -> PreparedVideo:
    meta = VideoMeta("a.mp4", Path("a.mp4"), FRAMES, 10.0, 200, 100)
    return PreparedVideo(meta, np.zeros((1, 1)), tubes, ())


TUBES = (tube(0, 0, 80), tube(1, 0, 40), tube(2, 36, 80))


@pytest.mark.parametrize("mode", ["two_stage", "joint", "tube_mmn"])
@pytest.mark.parametrize("seed", range(8))
def test_the_highest_score_is_the_chosen_tube(mode: str, seed: int) -> None:
    stages = Fixed(seed, TUBES)
    fusion = ScoreFusion(FusionConfig(mode=mode, contrastive_power=3), JointWeights(2.0, 1.0, 0.5))
    (found,) = Grounder(stages, stages, fusion).ground([QUERY], video(TUBES))
    prediction, ranking = found.prediction, found.ranking
    scores = [-np.inf if one.score is None else one.score for one in ranking.tubes]
    assert int(np.argmax(scores)) == prediction.tube.tube_id == ranking.chosen
    assert ranking.mode == mode
    assert fusion.fuse(QUERY, video(TUBES), stages.moments, stages.maps).score == prediction.score == ranking.score
    if mode == "two_stage":
        assert max(scores) == pytest.approx(prediction.score)
    else:
        chosen = ranking.tubes[prediction.tube.tube_id]
        best = chosen.spans[int(np.argmax(chosen.values))].tolist()
        assert [prediction.tube.span.start, prediction.tube.span.stop] == best


def test_a_moment_that_no_tube_meets() -> None:
    tubes = (tube(0, 0, 20),)
    stages = Fixed(0, tubes)
    stages.moments = MomentMap(np.array([[60, 80]]), np.ones(1))
    ranking = ScoreFusion(FusionConfig(), JointWeights()).rank(QUERY, video(tubes), stages.moments, stages.maps)
    assert ranking.mode == "tube_mmn"
    maps = stages.maps[0]
    np.testing.assert_allclose(ranking.tubes[0].values, maps.iou * maps.contrastive)


def test_nobody() -> None:
    stages = Fixed(0, ())
    (found,) = Grounder(stages, stages, ScoreFusion(FusionConfig(), JointWeights())).ground([QUERY], video(()))
    assert (found.ranking.tubes, found.ranking.chosen) == ((), None)
    assert found.prediction.score == 0


def test_over_time_is_the_best_cell_that_contains_the_frame() -> None:
    spans, values = np.array([[4, 6], [4, 8], [6, 8]]), np.array([0.5, 0.2, -0.3])
    ranked = RankedTube(tube(0, 4, 10), spans, values, None)
    naive = [max([0.0, *(v for (s, e), v in zip(spans, values, strict=True) if s <= f < e)]) for f in range(4, 10)]
    np.testing.assert_allclose(ranked.over_time(), naive)
