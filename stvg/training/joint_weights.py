"""Fit the weights of the joint mode by grid search."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stvg.config import dump_config
from stvg.evaluation.metrics import score
from stvg.fusion.score_fusion import JointWeights, choose_cell, joint_logs, weigh
from stvg.geometry.tubes import cover
from stvg.io.files import write_json_atomically
from stvg.types import Annotation, FloatArray, MomentMap, Prediction, PreparedVideo, TubeMap

WEIGHT_GRID = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Grid of the moment and contrastive weights; the iou weight is 1, since only ratios matter."""


@dataclass(frozen=True, slots=True)
class FusionSample:
    """One annotated query with the answers of both stages."""

    annotation: Annotation
    video: PreparedVideo
    moments: MomentMap
    maps: tuple[TubeMap, ...]


def fit_joint_weights(samples: Sequence[FusionSample], max_extrapolation: int) -> tuple[JointWeights, float]:
    """Return the weights of the grid with the highest m_vIoU on `samples`, the first on ties, and that m_vIoU."""
    grid = [JointWeights(moment, 1.0, contrastive) for moment, contrastive in itertools.product(WEIGHT_GRID, repeat=2)]
    logs = [[joint_logs(one.moments, tube_map) for tube_map in one.maps] for one in samples]
    scored = [(weights, _m_viou(samples, logs, weights, max_extrapolation)) for weights in grid]
    return max(scored, key=lambda pair: pair[1])


def _m_viou(
    samples: Sequence[FusionSample], logs: Sequence[Sequence[FloatArray]], weights: JointWeights, max_extrapolation: int
) -> float:
    """Return the m_vIoU of the joint mode with these weights, from the logs of each sample's maps."""
    predictions = []
    for one, own_logs in zip(samples, logs, strict=True):
        if one.maps:
            index, span, value = choose_cell(one.maps, [weigh(tube_logs, weights) for tube_logs in own_logs])
            tube = cover(one.video.tubes[index], span, max_extrapolation)
            query = one.annotation.query
            predictions.append(Prediction(query.query_id, query.video_id, tube, value))
    return score([one.annotation for one in samples], predictions).m_viou


def write_fitted_weights(path: Path, weights: JointWeights, m_viou: float, num_queries: int) -> None:
    """Write the fitted weights; `read_fitted_weights` reads them."""
    found = {"weights": dump_config(weights), "val_m_viou": m_viou, "num_queries": num_queries}
    write_json_atomically(path, found, indent=2)
