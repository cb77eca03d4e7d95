"""Training items, moment ranking and recalls of benchmarks of temporal grounding."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from pydantic.dataclasses import dataclass as config_dataclass
from torch import Tensor
from tqdm import tqdm

from stvg.config import STRICT, Count, Share
from stvg.errors import InputError
from stvg.types import FloatArray, Floats
from temporal.benchmarks.annotations import AnnotatedVideo
from temporal.benchmarks.features import clips_of
from temporal.benchmarks.nms import MomentGrid, moment_scores, ranked_moments_s
from temporal.benchmarks.recall import RecallTable, recall_table
from temporal.mmn.moment_map import moment_ious
from temporal.mmn.network import MMN, cosines, iou_scores
from temporal.mmn.text_cache import SentenceSource
from temporal.training.moment_items import MomentItem

ReadClips = Callable[[str], Tensor]
"""Returns the averaged clips (P, D) of a video by its id."""


@config_dataclass(frozen=True, config=STRICT)
class RecallConfig:
    """How moments are ranked and counted; the defaults are those published for Charades-STA."""

    firsts: tuple[Count, ...] = (1, 5)
    """Values n of R@n."""
    thresholds: tuple[Share, ...] = (0.5, 0.7)
    """IoU thresholds m of R@n, IoU >= m."""
    nms_threshold: Share = 0.5
    """IoU above which non-maximum suppression drops the lower of two moments."""


def moment_item(video: AnnotatedVideo, read: ReadClips, mask: Tensor) -> MomentItem:
    """Return the training item of a video with all its sentences; its clips are read with each batch."""
    moments = video.moments_s / video.duration_s
    return MomentItem(
        texts=video.sentences,
        num_maps=1,
        read_clips=partial(_one_sequence, read, video.video_id),
        described=torch.zeros(len(moments), dtype=torch.int64),
        ious=moment_ious(moments, mask),
        moments=torch.from_numpy(moments).float(),
    )


def _one_sequence(read: ReadClips, video_id: str) -> Tensor:
    return read(video_id)[None]


@dataclass(frozen=True, slots=True, eq=False)
class RankedMoments:
    """Moments of one sentence, best first: `spans_s` (R, 2) float64 seconds, `scores` (R,) in [0, 1]."""

    spans_s: Floats
    scores: Floats


class MomentRanker:
    """A trained network over clip features (T, D) of videos.

    A moment's score is (0.5 c + 0.5)^p x iou, `power` p as published: 0.5, TACoS 0.3; `clamp` is the boundary rule of
    the averaging to clips (see temporal.mmn.clip_features).
    """

    def __init__(
        self, model: MMN, sentences: SentenceSource, config: RecallConfig, *, clamp: bool, power: float
    ) -> None:
        self.model = model.eval()
        self.sentences = sentences
        self.clamp = clamp
        self.power = power
        self.grid = MomentGrid(model.mask.cpu().numpy(), config.nms_threshold)

    def localize(
        self, features: FloatArray, sentences: Sequence[str], duration_s: float, limit: int = 5
    ) -> list[RankedMoments]:
        """Return, for each sentence, the best `limit` moments of a video with `features` (T, D) and this duration.

        Raises:
            InputError: no sentence or an empty one, features of another width, not finite or none, or a duration that
                is not above 0.
        """
        _check(features, sentences, duration_s, self.model.input_size)
        clips = clips_of(features, self.model.num_pre_clips, clamp=self.clamp)
        scores = self.scores(clips[None], [sentences])[0]
        durations = np.full(len(scores), duration_s)
        ranked = self.grid.rank(scores, limit, durations)
        spans = ranked_moments_s(self.grid, ranked, len(self.model.mask), durations)
        found = zip(spans, np.take_along_axis(scores, ranked, axis=1), ranked >= 0, strict=True)
        return [RankedMoments(span[kept], score[kept]) for span, score, kept in found]

    @torch.inference_mode()
    def scores(self, clips: Tensor, sentences: Sequence[Sequence[str]]) -> list[FloatArray]:
        """Return the scores (Q_v, K) float32 of each video's sentences; `clips` (B, P, D) are those of B videos."""
        maps = self.model.encode_maps(clips)
        queries = self.model.encode_queries(self.sentences.encode([text for texts in sentences for text in texts]))
        counts = [len(texts) for texts in sentences]
        contrastive = _own_cosines(queries.contrastive, maps.contrastive, counts).cpu().numpy()
        iou = iou_scores(_own_cosines(queries.iou, maps.iou, counts)).cpu().numpy()
        scores = moment_scores(contrastive, iou, self.power).astype(np.float32)
        return np.split(scores, np.cumsum(counts)[:-1])


def _check(features: FloatArray, sentences: Sequence[str], duration_s: float, width: int) -> None:
    if isinstance(sentences, str) or not sentences or not all(text.strip() for text in sentences):
        raise InputError(f"sentences: expected a list of sentences, none of them empty, got {sentences!r}")
    if features.ndim != 2 or not len(features) or features.shape[1] != width:
        raise InputError(f"features: expected (T, {width}), T at least 1, got {features.shape}")
    if not np.isfinite(features).all():
        raise InputError("features: expected finite numbers, got others among them")
    if not duration_s > 0:
        raise InputError(f"duration_s: expected a number above 0, got {duration_s}")


def _own_cosines(queries: Tensor, maps: Tensor, counts: Sequence[int]) -> Tensor:
    """Return the cosines (Q, K) of sentences (Q, J) with the moments of their own video, from `maps` (B, J, K)."""
    exact = torch.promote_types(maps.dtype, torch.float32)
    per_video, maps = torch.split(queries.to(exact), list(counts)), maps.to(exact)
    with torch.autocast(maps.device.type, enabled=False):  # bfloat16 has too few digits to rank by
        return torch.cat([cosines(own, moments[None])[:, 0] for own, moments in zip(per_video, maps, strict=True)])


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The ranked moments of a split, with the truth: `moments_s` (Q, R, 2), `truths_s` (Q, 2), `durations_s` (Q,)."""

    moments_s: Floats
    truths_s: Floats
    durations_s: Floats

    def recalls(self, config: RecallConfig) -> RecallTable:
        """Return R@n at IoU >= m of all sentences, and mIoU."""
        return recall_table(self.moments_s, self.truths_s, config.firsts, config.thresholds)

    def recalls_by_length(self, config: RecallConfig, edges: Sequence[float]) -> list[RecallTable | None]:
        """Return the recalls of those moments that take a share of their video in [edges[k], edges[k + 1]).

        The last group includes its upper edge. None for a group without sentences.
        """
        shares = (self.truths_s[:, 1] - self.truths_s[:, 0]) / self.durations_s
        groups = np.minimum(np.digitize(shares, edges) - 1, len(edges) - 2)
        chosen = [groups == group for group in range(len(edges) - 1)]
        return [
            recall_table(self.moments_s[own], self.truths_s[own], config.firsts, config.thresholds)
            if own.any()
            else None
            for own in chosen
        ]


def rank_split(
    ranker: MomentRanker, videos: Sequence[AnnotatedVideo], read: ReadClips, limit: int, batch_size: int
) -> Ranking:
    """Rank the moments of every sentence of a split, `batch_size` videos at a time, with a progress bar."""
    moments = []
    for start in tqdm(range(0, len(videos), batch_size), desc="rank moments", unit="batch", leave=False):
        batch = videos[start : start + batch_size]
        clips = torch.stack([read(video.video_id) for video in batch])
        scores = np.concatenate(ranker.scores(clips, [video.sentences for video in batch]))
        durations = durations_of(batch)
        ranked = ranker.grid.rank(scores, limit, durations)
        moments.append(ranked_moments_s(ranker.grid, ranked, len(ranker.model.mask), durations))
    truths = np.concatenate([video.moments_s for video in videos])
    return Ranking(np.concatenate(moments), truths, durations_of(videos))


def durations_of(videos: Sequence[AnnotatedVideo]) -> Floats:
    """Return the duration of each sentence's video (Q,) float64, seconds."""
    return np.repeat([video.duration_s for video in videos], [len(video.sentences) for video in videos])
