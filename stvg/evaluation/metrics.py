"""Score predictions by tIoU and vIoU under the published protocols.

Papers follow different rules for the same names. A rule here is a *protocol*, chosen by name and never mixed with
another; `official` is the benchmark's own. Each gives one query's tIoU and vIoU: the frames shared by truth and
prediction, counted or weighted by the IoU of their boxes, over the frames of both. vIoU@R is the share of queries with
vIoU strictly greater than R. A query without prediction scores 0 and stays in the average.

Check: truth in frames 10..19 with box [0, 0, 10, 10], prediction in 15..24 with box [5, 0, 15, 10] (1-based, ends
included) has vIoU 0.111 official, 0.095 stcat, 0.089 stcat_released, 0.125 mmn_stvg.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from stvg.geometry.boxes import elementwise_iou
from stvg.io.hcstvg_annotations import CLIP_S
from stvg.types import Annotation, Prediction, QueryScore, Scores, Tube

logger = logging.getLogger(__name__)

ProtocolName = Literal["official", "tubedetr", "stcat", "stcat_released", "mmn_stvg"]
PROTOCOLS: tuple[ProtocolName, ...] = get_args(ProtocolName)
THRESHOLDS = (0.3, 0.5)
STCAT_LEFT_OUT = ("10__Gvp-cj3bmIY.mp4", "1_aMYcLyh9OhU.mkv")
"""Test videos that STCAT's loader removes (datasets/hcstvg.py, clean_miss)."""
TUBEDETR_FPS = 5
"""Frames a second that TubeDETR samples."""


def score(
    annotations: Sequence[Annotation],
    predictions: Sequence[Prediction],
    protocol: ProtocolName = "official",
    num_frames: Mapping[str, int] | None = None,
) -> Scores:
    """Return the scores of `predictions` against the truth, means over all annotated queries.

    Args:
        annotations: the queries and their true tubes, at least one (under both stcat protocols: beside the left out).
        predictions: at most one per query; queries that are not annotated are passed over with a warning.
        protocol: one of PROTOCOLS.
        num_frames: number of frames by video_id (`img_num`); `tubedetr` needs it, the others don't.

    Raises:
        ValueError: unknown protocol, no queries, a query twice, or tubedetr without a video's number of frames.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol: expected one of {', '.join(PROTOCOLS)}, got {protocol!r}")
    if protocol.startswith("stcat"):
        annotations = [item for item in annotations if item.query.video_id not in STCAT_LEFT_OUT]
    if not annotations:
        raise ValueError("annotations: expected at least one query to score, got none")
    _check_unique("annotations", [item.query.query_id for item in annotations])
    _check_unique("predictions", [item.query_id for item in predictions])
    answers = {prediction.query_id: prediction.tube for prediction in predictions}
    extra = len(answers.keys() - {item.query.query_id for item in annotations})
    if extra:
        logger.warning("%d predictions answer no query to be scored and are passed over", extra)
    unanswered = [item.query.query_id for item in annotations if item.query.query_id not in answers]
    if unanswered:
        message = "%d of %d queries have no prediction and score 0, the first of them %s"
        logger.warning(message, len(unanswered), len(annotations), unanswered[0])
    per_query = tuple(_query_score(item, answers, protocol, num_frames or {}) for item in annotations)
    viou = np.array([entry.viou for entry in per_query])
    return Scores(
        protocol=protocol,
        m_tiou=float(np.mean([entry.tiou for entry in per_query])),
        m_viou=float(viou.mean()),
        viou_at={threshold: float((viou > threshold).mean()) for threshold in THRESHOLDS},
        per_query=per_query,
    )


def summarise(scores: Scores) -> dict[str, str | int | float]:
    """Return the figures as plain data, under the names that evaluate.py promises; fractions in [0, 1]."""
    return {"protocol": scores.protocol, "num_queries": len(scores.per_query), **means_to_json(scores)}


def means_to_json(scores: Scores) -> dict[str, float]:
    """Return the means alone, m_tiou, m_viou and viou@THRESHOLD, as fractions in [0, 1]."""
    shares = {f"viou@{threshold}": share for threshold, share in scores.viou_at.items()}
    return {"m_tiou": scores.m_tiou, "m_viou": scores.m_viou, **shares}


def official(truth: Tube, found: Tube) -> tuple[float, float]:
    """Return (tIoU, vIoU) as eval_hcvg.py of the dataset's repository does.

    Shared frames over the hull max(end) - min(start) + 1 of both spans, ends included. The hull also counts the gap
    between spans that don't meet, whose IoU is 0 in any case.
    """
    return _over_hull(truth, found, plus_one=False)


def mmn_stvg(truth: Tube, found: Tube) -> tuple[float, float]:
    """Return (tIoU, vIoU) as MMN-STVG does (tan/data/datasets/iou3dt.py): official, but box sides are 1 pixel longer.

    Its mean IoU over the shared frames times tIoU is the same as their sum over the hull. Difference: there, videos
    without tubes leave the average; here, they score 0 as in the official script.
    """
    return _over_hull(truth, found, plus_one=True)


def stcat(truth: Tube, found: Tube) -> tuple[float, float]:
    """Return (tIoU, vIoU) with the last frame of both tubes used as an excluded end.

    This is the rule of STCAT's datasets/evaluation/hcstvg_eval.py for a submission, whose ends are included ones:
    both tubes lose their last frame, so a perfect tube scores 1 and a one-frame tube 0. See stcat_released.
    """
    return _half_open(truth, truth.span.stop - 1, found, found.span.stop - 1)


def stcat_released(truth: Tube, found: Tube) -> tuple[float, float]:
    """Return (tIoU, vIoU) that STCAT's evaluator gives when fed by its own models/post_processor.py.

    That adds 1 to the predicted last frame, while the true one stays as it is: only the true tube loses its last
    frame, and a perfect tube of 50 frames scores 49 / 50.
    """
    return _half_open(truth, truth.span.stop - 1, found, found.span.stop)


def tubedetr(truth: Tube, found: Tube, num_frames: int) -> tuple[float, float]:
    """Return (tIoU, vIoU) as TubeDETR's datasets/hcstvg_eval.py does for a video of `num_frames`.

    Its truth takes the 1-based st_frame for a 0-based one, so the true tube comes one frame late, while predictions
    are 0-based: a perfect tube of 50 frames has tIoU 49 / 51. tIoU counts all frames; vIoU only those that
    tubedetr_frames samples, and is 0 where none lies in both spans. Differences: a missing prediction scores 0 instead
    of stopping the script, and the hull ends at the later end of both spans, which its tIoU implies; the script's own
    line takes the earlier one, which would let a vIoU ignore frames predicted in excess.
    """
    late = Tube(truth.tube_id, truth.start_frame + 1, truth.boxes_xyxy, truth.scores, truth.observed)
    (start, stop), (first, last) = _shared_and_hull(late, late.span.stop, found, found.span.stop)
    if stop <= start:
        return 0.0, 0.0
    frames = tubedetr_frames(num_frames)
    shared = frames[(frames >= start) & (frames < stop)]
    union = int(((frames >= first) & (frames < last)).sum())
    ious = elementwise_iou(_boxes_at(late, shared), _boxes_at(found, shared))
    return (stop - start) / (last - first), float(ious.sum()) / max(union, 1)


def tubedetr_frames(num_frames: int) -> npt.NDArray[np.int64]:
    """Return the 0-based frames that TubeDETR samples from a video, at 5 per second of an assumed 20 seconds.

    The first frame of each fifth of a second, never the last frame of the video. Difference: a video with fewer than
    100 frames is looked at in full, where TubeDETR stops with an assertion.

    >>> tubedetr_frames(500)[:4].tolist(), len(tubedetr_frames(500))
    ([0, 5, 10, 15], 100)
    """
    rate = min(1.0, TUBEDETR_FPS / (num_frames / CLIP_S))
    ticks = (np.arange(max(num_frames - 1, 1)) * rate).astype(np.int64)
    return np.unique(ticks, return_index=True)[1].astype(np.int64)


def _query_score(
    annotation: Annotation, answers: Mapping[str, Tube], protocol: ProtocolName, num_frames: Mapping[str, int]
) -> QueryScore:
    """Return one query's score."""
    query, truth = annotation.query, annotation.tube
    found = answers.get(query.query_id)
    if found is None:
        return QueryScore(query.query_id, 0.0, 0.0)
    if protocol == "tubedetr":
        if query.video_id not in num_frames:
            raise ValueError(f"num_frames: expected {query.video_id!r}, which protocol tubedetr needs, got none")
        return QueryScore(query.query_id, *tubedetr(truth, found, num_frames[query.video_id]))
    rules = {"official": official, "mmn_stvg": mmn_stvg, "stcat": stcat, "stcat_released": stcat_released}
    return QueryScore(query.query_id, *rules[protocol](truth, found))


def _over_hull(truth: Tube, found: Tube, plus_one: bool) -> tuple[float, float]:
    """Return shared frames, and their summed IoU, over the frames from the first start to the last end."""
    (start, stop), (first, last) = _shared_and_hull(truth, truth.span.stop, found, found.span.stop)
    shared = np.arange(start, stop)
    ious = elementwise_iou(_boxes_at(truth, shared), _boxes_at(found, shared), plus_one)
    return len(shared) / (last - first), float(ious.sum()) / (last - first)


def _half_open(truth: Tube, truth_stop: int, found: Tube, found_stop: int) -> tuple[float, float]:
    """Return the same as _over_hull for tubes that end before frames `truth_stop` and `found_stop`."""
    (start, stop), (first, last) = _shared_and_hull(truth, truth_stop, found, found_stop)
    if stop <= start:
        return 0.0, 0.0
    shared = np.arange(start, stop)
    ious = elementwise_iou(_boxes_at(truth, shared), _boxes_at(found, shared))
    return len(shared) / (last - first), float(ious.sum()) / (last - first)


def _shared_and_hull(
    truth: Tube, truth_stop: int, found: Tube, found_stop: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the half-open span that both tubes share (perhaps empty), and the one that encloses both."""
    shared = (max(truth.start_frame, found.start_frame), min(truth_stop, found_stop))
    return shared, (min(truth.start_frame, found.start_frame), max(truth_stop, found_stop))


def _boxes_at(tube: Tube, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return a tube's boxes (len(frames), 4) in frames that it covers."""
    return tube.boxes_xyxy[frames - tube.start_frame]


def _check_unique(name: str, keys: list[str]) -> None:
    """Refuse a query that appears twice."""
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise ValueError(f"{name}: expected each query once, got {key!r} twice")
        seen.add(key)
