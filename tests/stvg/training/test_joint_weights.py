"""The search finds planted weights, keeps the first on ties, and its file is read back."""

from pathlib import Path

import numpy as np
import pytest

from stvg.errors import InputError
from stvg.evaluation.metrics import score
from stvg.fusion.score_fusion import FusionConfig, JointWeights, ScoreFusion, read_fitted_weights
from stvg.training.joint_weights import WEIGHT_GRID, FusionSample, fit_joint_weights, write_fitted_weights
from stvg.types import Annotation, MomentMap, PreparedVideo, Query, Tube, TubeMap, VideoMeta


def tube(tube_id, left):
    boxes = np.tile([left, 0.0, left + 10.0, 20.0], (40, 1))
    return Tube(tube_id, 0, boxes, np.ones(40), np.ones(40, bool))


def sample(number, moments, ious, contrastive):
    """Two tubes side by side, tube 1 the true one over frames 0 to 20; maps hold (0, 20) and (20, 40)."""
    tubes = tube(0, 0.0), tube(1, 30.0)
    truth = Tube(0, 0, tubes[1].boxes_xyxy[:20], np.ones(20), np.ones(20, bool))
    query = Query(f"{number}", f"{number}.mp4", "x")
    meta = VideoMeta(query.video_id, Path(query.video_id), 40, 10.0, 64, 48)
    spans = [(0, 20), (20, 40)]
    maps = tuple(TubeMap(k, spans, ious[k], contrastive[k]) for k in (0, 1))
    prepared = PreparedVideo(meta, np.zeros((1, 1)), tubes, (np.zeros((1, 1)),) * 2)
    return FusionSample(Annotation(query, truth), prepared, MomentMap(spans, moments), maps)


def joint_m_viou(samples, weights, max_extrapolation):
    """The search's objective, by way of the fusion itself."""
    fusion = ScoreFusion(FusionConfig(mode="joint", max_extrapolation=max_extrapolation), weights)
    found = [fusion.fuse(one.annotation.query, one.video, one.moments, one.maps) for one in samples]
    return score([one.annotation for one in samples], found).m_viou


def test_planted_weights_are_found():
    """Sample 1 needs the moment map, the second punishes trust in contrastive scores."""
    samples = [
        sample(1, [0.9, 0.3], [[0.1, 0.1], [0.5, 0.6]], [[0.0, 0.0], [0.0, 0.0]]),
        sample(2, [0.5, 0.5], [[0.5, 0.1], [0.6, 0.1]], [[0.9, 0.0], [-0.9, 0.0]]),
    ]
    weights, m_viou = fit_joint_weights(samples, 0)
    assert m_viou == 1.0
    assert weights == JointWeights(0.25, 1.0, 0.0)
    assert joint_m_viou(samples, JointWeights(0.0, 1.0, 0.0), 0) == 0.5
    assert joint_m_viou(samples, JointWeights(0.25, 1.0, 2.0), 0) == 0.5


def test_the_best_of_the_whole_grid():
    rng = np.random.default_rng(0)
    samples = [sample(k, rng.random(2), rng.random((2, 2)), rng.uniform(-1, 1, (2, 2))) for k in range(12)]
    weights, m_viou = fit_joint_weights(samples, 0)
    every = {(a, b): joint_m_viou(samples, JointWeights(a, 1.0, b), 0) for a in WEIGHT_GRID for b in WEIGHT_GRID}
    assert len(set(every.values())) > 2
    assert m_viou == max(every.values())
    assert (weights.moment, weights.contrastive) == next(pair for pair, value in every.items() if value == m_viou)


def test_ties_keep_the_first():
    even = sample(1, [0.5, 0.5], [[0.1, 0.1], [0.9, 0.1]], [[0.0, 0.0], [0.0, 0.0]])
    assert fit_joint_weights([even], 0) == (JointWeights(0.0, 1.0, 0.0), 1.0)


def test_file_round_trip(tmp_path):
    path = tmp_path / "fusion.json"
    assert read_fitted_weights(path) is None
    write_fitted_weights(path, JointWeights(0.25, 1.0, 2.0), 0.5, 40)
    assert read_fitted_weights(path) == JointWeights(0.25, 1.0, 2.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected fitted weights"),
        ("{}", "expected fitted weights"),
        ("{", "expected JSON"),
        ('{"weights": {"text": 1}}', "unknown key text"),
    ],
)
def test_file_of_another_form(tmp_path, text, message):
    path = tmp_path / "fusion.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_fitted_weights(path)
