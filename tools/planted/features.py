"""Features with a known answer: every moment's clips carry a noisy linear image of its sentence.

No published feature can then be blamed for what a network learns or fails to learn: a matched filter, which knows the
images, says how well the moments can be found at all.

A video of T features: row t is noise, N(0, 1/D) in each of D columns, plus `amplitude` times the image of every
sentence whose moment holds t, plus that of a decoy, a sentence of another video in a moment of its own. The image of a
sentence is a unit vector: its vector, whitened and cut to the `rank` strongest directions of all sentences, laid into
the D columns by a fixed random matrix with orthonormal columns. The signal-to-noise ratio of a row is amplitude^2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stvg.types import BoolArray, FloatArray, Floats
from temporal.benchmarks.annotations import AnnotatedVideo
from temporal.benchmarks.nms import MomentGrid, ranked_moments_s
from temporal.benchmarks.ranker import RecallConfig, durations_of
from temporal.benchmarks.recall import RecallTable, recall_table
from temporal.mmn.moment_map import moment_cells, moment_map_mask, span_iou


@dataclass(frozen=True, slots=True)
class Planting:
    """How features are planted: `width` D, `rate` features a second, `snr` of a row, `rank` of the images, `seed`."""

    width: int
    rate: float
    snr: float
    rank: int
    seed: int

    @property
    def amplitude(self) -> float:
        """Length of a planted image."""
        return float(np.sqrt(self.snr))


class SentenceImages:
    """Unit vectors (D,) of sentences, a fixed linear map of their whitened vectors.

    `vectors` (S, H) are those of all `sentences` (S); the map is drawn from the planting's seed.
    """

    def __init__(self, sentences: Sequence[str], vectors: FloatArray, planting: Planting) -> None:
        centred = vectors.astype(np.float64) - vectors.mean(axis=0)
        _, scales, directions = np.linalg.svd(centred, full_matrices=False)
        whitened = centred @ directions[: planting.rank].T / scales[: planting.rank]
        rng = np.random.default_rng(planting.seed)
        laid, _ = np.linalg.qr(rng.normal(size=(planting.width, planting.rank)))
        images = whitened @ laid.T
        images /= np.linalg.norm(images, axis=1, keepdims=True)
        self._images = dict(zip(sentences, images, strict=True))

    def __getitem__(self, sentence: str) -> Floats:
        image: Floats = self._images[sentence]
        return image


def plant(
    videos: Sequence[AnnotatedVideo], images: SentenceImages, planting: Planting, split: int
) -> Mapping[str, FloatArray]:
    """Return the features (T, D) float32 of each video of split number `split`, T = duration x rate, at least 1.

    Draws depend on the seed, the split and the place of the video in it alone.
    """
    features = {}
    for place, video in enumerate(videos):
        rng = np.random.default_rng([planting.seed, split, place])
        count = max(1, round(video.duration_s * planting.rate))
        rows = rng.normal(scale=planting.width**-0.5, size=(count, planting.width))
        other = videos[(place + int(rng.integers(1, max(2, len(videos))))) % len(videos)]
        decoy = int(rng.integers(len(other.sentences)))
        length = (other.moments_s[decoy, 1] - other.moments_s[decoy, 0]) / other.duration_s * video.duration_s
        start = rng.uniform(0, video.duration_s - length)
        moments = [
            *zip(video.sentences, video.moments_s, strict=True),
            (other.sentences[decoy], np.array([start, start + length])),
        ]
        for sentence, moment in moments:
            rows[_shows(moment, count, video.duration_s)] += planting.amplitude * images[sentence]
        features[video.video_id] = rows.astype(np.float32)
    return features


def _shows(moment: Floats, count: int, duration_s: float) -> BoolArray:
    """Return which of `count` equal parts of a video have their middle in the moment; at least one."""
    middles = (np.arange(count) + 0.5) * duration_s / count
    inside: BoolArray = (middles >= moment[0]) & (middles < moment[1])
    if not inside.any():
        inside[np.abs(middles - moment.mean()).argmin()] = True
    return inside


@dataclass(frozen=True, slots=True)
class Bounds:
    """What can be reached on planted features: by a matched filter, by the best moment for all, by a random cell."""

    matched_filter: RecallTable
    prior: RecallTable
    chance: RecallTable


def bounds(
    videos: Sequence[AnnotatedVideo],
    train: Sequence[AnnotatedVideo],
    features: Mapping[str, FloatArray],
    images: SentenceImages,
    planting: Planting,
    num_clips: int,
    pooling_counts: Sequence[int],
    config: RecallConfig,
) -> Bounds:
    """Return the recalls of a split when the cells of MMN's map are ranked without a network.

    The matched filter ranks by the log likelihood ratio of a cell's rows with the sentence's image against without;
    the prior ranks cells alike for all sentences, by the mean tIoU with the moments of `train`; chance ranks at random.
    """
    mask = moment_map_mask(num_clips, pooling_counts)
    grid, durations = MomentGrid(mask, config.nms_threshold), durations_of(videos)
    truths = np.concatenate([video.moments_s for video in videos])
    cells = (moment_cells(mask) + np.array([0, 1])) / num_clips
    shares = np.concatenate([video.moments_s / video.duration_s for video in train])
    prior = np.mean([span_iou(cells, share) for share in shares], axis=0)
    filtered = np.concatenate(
        [_matched_filter(video, features[video.video_id], images, planting, cells) for video in videos]
    )
    random = np.random.default_rng([planting.seed, 99]).random(filtered.shape)

    def table(scores: Floats) -> RecallTable:
        ranked = grid.rank(_by_rank(scores), max(config.firsts), durations)
        moments = ranked_moments_s(grid, ranked, num_clips, durations)
        return recall_table(moments, truths, config.firsts, config.thresholds)

    return Bounds(table(filtered), table(np.broadcast_to(prior, filtered.shape)), table(random))


def _matched_filter(
    video: AnnotatedVideo, features: FloatArray, images: SentenceImages, planting: Planting, cells: Floats
) -> Floats:
    """Return the log likelihood ratio (Q, K) of each cell, given by its ends (K, 2) in shares of the video."""
    templates = np.stack([images[sentence] for sentence in video.sentences])
    rows = planting.width * planting.amplitude * (features.astype(np.float64) @ templates.T - planting.amplitude / 2)
    sums = np.concatenate([np.zeros((1, len(templates))), rows.cumsum(axis=0)])
    edges = np.round(cells * len(features)).astype(np.int64)
    ratios: Floats = (sums[edges[:, 1]] - sums[edges[:, 0]]).T
    return ratios


def _by_rank(scores: Floats) -> Floats:
    """Return scores (Q, K) replaced by their ranks in (0, 1]: the same order, and all of them candidates."""
    order = scores.argsort(axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(1, scores.shape[1] + 1)[None], axis=1)
    by_rank: Floats = ranks / scores.shape[1]
    return by_rank
