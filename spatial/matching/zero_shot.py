"""Ground sentences without training, by the similarity of tube crops to them.

Who: the tube whose crops are nearest to the sentence on average, in competition with the other tubes. When: the span in
which the similarity stands out from the rest of the tube, by a scan statistic. A model of still pictures knows clothes,
objects and postures; what it cannot see is the order of things.
"""

from collections.abc import Callable, Sequence

import numpy as np

from stvg.types import BoolArray, FloatArray, Floats, FrameSpan, IntArray, MomentMap, PreparedVideo, Query, TubeMap
from temporal.mmn.clip_features import average_clips, normalise_features
from temporal.mmn.moment_map import cell_spans_frames, moment_cells

NUM_CLIPS = 16
"""Clips of a video or tube; candidates are all spans of whole clips."""
Embed = Callable[[Sequence[str]], FloatArray]
"""Returns unit vectors (Q, E) of Q sentences."""


class ZeroShotMatcher:
    """stvg.interfaces.TubeMatcher for features of kind image_text.

    `embed` gives sentences in the space of the features; `scale` is what the model multiplies cosines by.
    A map's `contrastive` is the tube's share in a softmax over all tubes by their mean similarity; `iou` is how much
    the span stands out (see standing_out).
    """

    def __init__(self, embed: Embed, scale: float) -> None:
        self._embed, self._scale = embed, scale

    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return each tube's map per query."""
        if not video.tubes or not queries:
            return [()] * len(queries)
        return [self._maps(sentence, video) for sentence in self._embed([query.text for query in queries])]

    def _maps(self, sentence: FloatArray, video: PreparedVideo) -> tuple[TubeMap, ...]:
        similar = [np.asarray(normalise_features(rows) @ sentence) for rows in video.tube_features]
        logits = self._scale * np.array([float(one.mean()) for one in similar])
        shares = np.exp(logits - logits.max())
        maps = []
        for tube, one, share in zip(video.tubes, similar, shares / shares.sum(), strict=True):
            spans, out = standing_out(one, tube.span, self._scale)
            maps.append(TubeMap(tube.tube_id, spans, out, np.full(len(spans), share)))
        return tuple(maps)


class ZeroShotLocalizer:
    """stvg.interfaces.MomentLocalizer for features of kind image_text, over the whole pictures."""

    def __init__(self, embed: Embed, scale: float) -> None:
        self._embed, self._scale = embed, scale

    def localize(self, queries: Sequence[Query], video: PreparedVideo) -> list[MomentMap]:
        """Return one map per query of this video."""
        rows, whole = normalise_features(video.clip_features), FrameSpan(0, video.meta.num_frames)
        sentences = self._embed([query.text for query in queries]) if queries else ()
        return [MomentMap(*standing_out(rows @ sentence, whole, self._scale)) for sentence in sentences]


def standing_out(similar: Floats, span: FrameSpan, scale: float) -> tuple[IntArray, FloatArray]:
    """Return the candidate spans (K, 2) of whole clips inside `span`, and how much each stands out, (K,) in (0, 1).

    `similar` (T,) are cosines over the span. A span's statistic is the difference of the means inside and outside over
    its standard error, so neither short nor long spans are favoured: z = (in - out) sqrt(L (N - L) / N) / deviation.
    The deviation is at least one unit of the model's logits, 1 / `scale`: smaller changes mean nothing to it. The
    whole span has z = 0; what is returned is the logistic of z.

    >>> spans, out = standing_out(np.repeat([0.2, 0.3, 0.2], [6, 5, 5]).astype(np.float32), FrameSpan(8, 40), 100.0)
    >>> spans[out.argmax()].tolist()
    [20, 30]
    """
    clips = average_clips(similar[:, None].astype(np.float64), NUM_CLIPS, clamp=False)[:, 0]
    cells = moment_cells(_ALL_CELLS)
    lengths = cells[:, 1] + 1 - cells[:, 0]
    sums = np.concatenate([[0.0], clips.cumsum()])
    inside = sums[cells[:, 1] + 1] - sums[cells[:, 0]]
    others = np.maximum(NUM_CLIPS - lengths, 1)
    difference = np.where(lengths < NUM_CLIPS, inside / lengths - (sums[-1] - inside) / others, 0.0)
    z = difference * np.sqrt(lengths * (NUM_CLIPS - lengths) / NUM_CLIPS) / max(float(clips.std()), 1 / scale)
    spans = cell_spans_frames(cells, NUM_CLIPS, span.length)
    filled = spans[:, 1] > spans[:, 0]
    return spans[filled] + span.start, (1 / (1 + np.exp(-z[filled]))).astype(np.float32)


_ALL_CELLS: BoolArray = np.triu(np.ones((NUM_CLIPS, NUM_CLIPS), dtype=np.bool_))
