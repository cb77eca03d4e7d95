"""Figures of the official implementation, recomputed: the MMN over person tubes (see golden.mmn)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from golden.file import Array, Figure, GoldenFile
from golden.mmn import (
    all_golden_tokens,
    averaged_features,
    golden_loss_config,
    golden_model,
    golden_tokens,
    training_figures,
)
from spatial.matching.tube_losses import lay_out_videos, tube_losses
from spatial.matching.tube_targets import tube_iou_map
from stvg.errors import InputError
from stvg.fusion.score_fusion import FusionConfig, JointWeights, ScoreFusion
from stvg.types import BoolArray, MomentMap, Prediction, PreparedVideo, Query, Tube, TubeMap, VideoMeta
from temporal.mmn.losses import Losses
from temporal.mmn.moment_map import cell_spans_frames, moment_cells
from temporal.mmn.network import MMN, Embeddings, cosines, iou_scores, lay_out


def check_tube_mmn(golden: GoldenFile) -> list[Figure]:
    """Recompute every figure of a tube_mmn.npz.

    Raises:
        InputError: an array or a size of the config is missing, or weights do not fit the sizes.
    """
    model = golden_model(golden)
    clips, figures = averaged_features(golden, clamp=False)
    figures.append(golden.compare("mask", "mask2d", model.mask))
    figures += _target_figures(golden)
    figures += _score_figures(golden, model, clips)
    figures += _decoding_figures(golden)
    embeddings = model.train()(clips, all_golden_tokens(golden))
    return figures + training_figures(golden, model, _train_losses(golden, embeddings, model.mask))


def _tubes(golden: GoldenFile, video: int) -> list[Array]:
    """Return the candidate tubes of a video, each (T, 5): frame, x1, y1, x2, y2 in consecutive frames."""
    return [golden[f"tube/{video}/{tube}"] for tube in range(golden.count(f"tube/{video}/"))]


def _num_videos(golden: GoldenFile) -> int:
    return golden.count("query/")


def _target_figures(golden: GoldenFile) -> list[Figure]:
    figures, num_clips = [], golden.config["num_clips"]
    for video in range(_num_videos(golden)):
        truth = golden[f"gt_tube/{video}"]
        maps = [
            tube_iou_map(int(tube[0, 0]), tube[:, 1:], int(truth[0, 0]), truth[:, 1:], num_clips, pixel_offset=1)
            for tube in _tubes(golden, video)
        ]
        stacked = torch.stack([torch.from_numpy(one) for one in maps])
        figures.append(golden.compare("targets", f"iou2d/{video}", stacked))
    return figures


@torch.no_grad()
def _score_figures(golden: GoldenFile, model: MMN, clips: Tensor) -> list[Figure]:
    maps, figures, first = model.encode_maps(clips), [], 0
    for video in range(_num_videos(golden)):
        queries = model.encode_queries(golden_tokens(golden, video))
        own = slice(first, first + len(_tubes(golden, video)))
        contrastive = lay_out(cosines(queries.contrastive, maps.contrastive[own])[0], model.mask)
        iou = lay_out(iou_scores(cosines(queries.iou, maps.iou[own])[0]), model.mask)
        figures.append(golden.compare("contrastive", f"eval/contrastive/{video}", contrastive))
        figures.append(golden.compare("iou", f"eval/iou/{video}", iou))
        first = own.stop
    return figures


def _decoding_figures(golden: GoldenFile) -> list[Figure]:
    """Compare the official results with those decoded from the file's own score maps: 0 where equal, else infinite."""
    try:
        expected = json.loads(str(golden["eval/results_json"]))
    except json.JSONDecodeError as error:
        raise InputError(f"{golden.path}: eval/results_json: expected JSON, got: {error}") from error
    figures = []
    for video in range(_num_videos(golden)):
        equal = _decoded_result(golden, video) == expected.get(f"video_{video}")
        figures.append(Figure("decoding", f"eval/results_json: video_{video}", 0.0 if equal else float("inf")))
    return figures


def _decoded_result(golden: GoldenFile, video: int) -> dict[str, Any]:
    """Return the decoded tube of a video as the official results.json has it, frames as in the file."""
    tubes = _tubes(golden, video)
    iou, contrastive = golden[f"eval/iou/{video}"], golden[f"eval/contrastive/{video}"]
    answer = decode_tubes(iou, contrastive, golden["mask2d"].astype(bool), tubes).tube
    chosen = tubes[answer.tube_id]  # its boxes in the file's precision: a Tube's are float32
    rows = chosen[(chosen[:, 0] >= answer.span.start) & (chosen[:, 0] < answer.span.stop)]
    return {
        "st_frame": answer.span.start,
        "ed_frame": answer.span.stop - 1,
        "bbox": {str(int(row[0])): row[1:].tolist() for row in rows},
    }


def decode_tubes(iou: Array, contrastive: Array, mask: BoolArray, tubes: Sequence[Array]) -> Prediction:
    """Return the answer of the shipped fusion, in mode tube_mmn, from the score maps of a video's tubes.

    `iou` in [0, 1] and `contrastive` in [-1, 1] are (len(tubes), N, N), `mask` (N, N) marks the candidate moments; a
    tube is (T, 5): frame, x1, y1, x2, y2 in consecutive frames. The answer's tube_id is the tube's index.

    Official counterpart: `predict` of atao99/MMN-STVG (tan/data/datasets/evaluation.py). There masked cells score 0 and
    so beat negative scores, which a retry loop repairs; here they are left out first, with the same answer.
    """
    candidates, maps = [], []
    for index, rows in enumerate(tubes):
        start, count = int(rows[0, 0]), len(rows)
        spans = cell_spans_frames(moment_cells(mask), len(mask), count)
        filled = spans[:, 1] > spans[:, 0]
        maps.append(TubeMap(index, spans[filled] + start, iou[index][mask][filled], contrastive[index][mask][filled]))
        candidates.append(Tube(index, start, rows[:, 1:], np.ones(count, np.float32), np.ones(count, np.bool_)))
    stop, no_rows = max(tube.span.stop for tube in candidates), np.zeros((0, 0), dtype=np.float32)
    meta = VideoMeta("video", Path("video"), stop, fps=1.0, width=1, height=1)
    video = PreparedVideo(meta, no_rows, tuple(candidates), (no_rows,) * len(candidates))
    # Unused: the mode asks for a moment only where nobody is found.
    whole = MomentMap(np.array([[0, stop]]), np.ones(1, np.float32))
    fusion = ScoreFusion(FusionConfig(mode="tube_mmn", max_extrapolation=0), JointWeights())
    return fusion.fuse(Query("query", "video", "sentence"), video, whole, maps)


def _train_losses(golden: GoldenFile, embeddings: Embeddings, mask: Tensor) -> Losses:
    targets = [golden.tensor(f"iou2d/{video}")[:, mask][None] for video in range(_num_videos(golden))]
    return tube_losses(
        cosines(embeddings.queries.contrastive, embeddings.maps.contrastive),
        cosines(embeddings.queries.iou, embeddings.maps.iou),
        *lay_out_videos(targets),
        golden_loss_config(golden),
    )
