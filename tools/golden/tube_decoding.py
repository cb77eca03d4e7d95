"""One answer from the score maps of all candidate tubes, as the winner of the challenge decoded it.

Source: `predict` of atao99/MMN-STVG (tan/data/datasets/evaluation.py). There masked cells score 0 and so beat negative
scores, which a retry loop repairs; here they are masked first, with the same answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stvg.types import BoolArray, Floats, FrameSpan
from temporal.mmn.moment_map import cell_spans_frames, moment_cells


@dataclass(frozen=True, slots=True)
class DecodedTube:
    """The chosen tube, by its index, the chosen part of it, counted from the tube's first frame, and the score."""

    tube_index: int
    part: FrameSpan
    score: float


def decode_tubes(iou: Floats, contrastive: Floats, mask: BoolArray, tube_lengths: Sequence[int]) -> DecodedTube:
    """Return the tube and moment with the highest iou * contrastive score.

    `iou` in [0, 1] and `contrastive` in [-1, 1] are (T, N, N), one map for each tube; `mask` (N, N) marks the candidate
    moments; `tube_lengths` are the tubes' frames, at least 1 each. Moments that round to no frame are not candidates;
    of equal scores the first tube's first cell, row by row, is taken.

    Raises:
        ValueError: there is no tube, or shapes do not agree.
    """
    if len(tube_lengths) == 0 or not iou.shape == contrastive.shape == (len(tube_lengths), *mask.shape):
        raise ValueError(
            f"iou, contrastive: expected ({len(tube_lengths)}, {mask.shape[0]}, {mask.shape[1]}) for at "
            f"least one tube, got {iou.shape}, {contrastive.shape}"
        )
    cells = moment_cells(mask)
    spans = np.stack([cell_spans_frames(cells, len(mask), length) for length in tube_lengths])
    empty = spans[:, :, 0] >= spans[:, :, 1]
    scores = np.where(empty, -np.inf, (iou * contrastive)[:, mask])
    tube, cell = np.unravel_index(scores.argmax(), scores.shape)
    start, stop = spans[tube, cell].tolist()
    return DecodedTube(tube_index=int(tube), part=FrameSpan(start, stop), score=float(scores[tube, cell]))
