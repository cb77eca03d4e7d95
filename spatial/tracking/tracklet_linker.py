"""Link the tracklets of a whole video into gap-free candidate tubes.

An online tracker decides frame by frame; here both sides of every gap are known, and everybody's appearance. Tracklets
are cut where people stand so close that their identities could have been switched. Then the sure links are made, then
those over longer gaps, each time as one assignment over the whole video, by motion and by appearance. Detections that
the tracker left alone fill gaps, second boxes on one person are merged, false positives dropped, ends trimmed. People
are found again after a shot cut. Last, each path is smoothed as much as its own detections ask for.
"""

from collections.abc import Sequence

import numpy as np
from pydantic.dataclasses import dataclass

from spatial.tracking.linking.appearance import appearance_of, appearance_ratio
from spatial.tracking.linking.assignment import best_chains
from spatial.tracking.linking.gap_filling import refill
from spatial.tracking.linking.motion_model import ends_of, motion_ratio
from spatial.tracking.linking.pruning import dense_parts, drop_inner, is_real, merge_duplicates, trim_ends
from spatial.tracking.linking.shot_association import pairs_across_cut
from spatial.tracking.linking.tracklets import Tracklet, chained, common_boxes, split_in_crowds, tracklets_of
from spatial.tracking.linking.tube_from_tracklets import make_tube
from stvg.config import STRICT
from stvg.geometry.boxes import elementwise_iou
from stvg.types import Float64Array, IntArray, Tube, VideoFrames, VideoMeta

_SURE_GAP_S, _SURE_MARGIN = 0.35, 2.0
"""Longest gap of the first links, in seconds, and the minimum lead of their log-likelihood ratio over other choices."""
_PRIOR = 4.0
"""Minimum log-likelihood ratio to link two tracklets (log prior odds against a match)."""
_SOLID, _LONG = 3, 5
"""Minimum detections of a tracklet to be linked over gaps up to gap_s, and up to long_gap_s: with fewer its motion is
unknown. Tracklets under _SOLID only fill gaps and lengthen tubes."""
_HAND_OVER = 10.0
"""Log-likelihood ratio of two tracklets whose boxes coincide in the time that they share."""
_APART_S = 0.5
"""Seconds of shared time with separate boxes that lower the log-likelihood ratio by 1."""
_INSTANT_S = 1e-6
"""Tolerance for comparing times, in seconds."""
_ESTABLISHED = 4
"""Tracklets with fewer detections are ignored when looking for identity switches."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class LinkingConfig:
    """The offline linker."""

    crowd_iou: float = 0.4
    """IoU of two people's boxes above which both tracklets are cut there, to be linked anew from both sides."""
    gap_s: float = 2.0
    """Longest gap, in seconds, over which tracklets are linked, if motion and appearance agree."""
    long_gap_s: float = 4.0
    """The same for longer tracklets, once the shorter gaps are closed."""
    end_gap_s: float = 0.8
    """Longest gap, in seconds, over which single boxes lengthen a tube; beyond it, stray boxes are trimmed."""
    fill_iou: float = 0.4
    """Least IoU with a tube's interpolated box of an unassigned detection that fills a gap."""
    same_iou: float = 0.6
    """Least mean IoU in their common frames for two tubes to be the same person."""
    same_share: float = 0.7
    """Least share of the shorter of two tubes that must be common time for that; and least share of a tube's boxes that
    must lie inside those of stronger tubes for it to be dropped as a duplicate."""
    min_detections: int = 6
    """Tubes with fewer detections are dropped as false positives, unless these cover min_length_s."""
    min_length_s: float = 1.0
    """Seconds that fewer than min_detections must cover."""
    min_density: float = 0.4
    """Least share of a tube's time with a detection; tubes with less are cut at their longest gaps."""
    min_score: float = 0.3
    """Tubes are dropped as false positives if the better half of their detections has a mean score under this."""
    smooth: bool = True
    """Whether to smooth the boxes."""


class OfflineLinker:
    """Links tracklets into tubes."""

    def __init__(self, config: LinkingConfig = LinkingConfig()) -> None:
        self._config = config

    def link(self, video: VideoFrames, tracklets: Sequence[Tube]) -> tuple[Tube, ...]:
        """Return gap-free tubes, longest first, `tube_id` 0, 1, ... in that order; perhaps none.

        Without pictures appearance does not count and tubes end at shot cuts.
        """
        config = self._config
        linked = split_in_crowds(tracklets_of(tracklets, video), config.crowd_iou, _ESTABLISHED)
        linked = self._join(linked, video, _at_least_a_step(_SURE_GAP_S, video), margin=_SURE_MARGIN)
        linked = self._join(linked, video, config.gap_s, least=_SOLID)
        linked = self._join(linked, video, config.long_gap_s, least=_LONG)
        linked = refill(linked, _SOLID, config.fill_iou)
        linked = self._join(linked, video, _at_least_a_step(config.end_gap_s, video))
        linked = refill(linked, _SOLID, config.fill_iou)
        people = _link_shots(self._prune(linked, video), video, config.gap_s)
        tubes = [make_tube(index, person, video, config.smooth) for index, person in enumerate(people)]
        tubes.sort(key=lambda tube: (-tube.span.length, tube.start_frame, tuple(tube.boxes_xyxy[0].tolist())))
        return tuple(
            Tube(index, tube.start_frame, tube.boxes_xyxy, tube.scores, tube.observed)
            for index, tube in enumerate(tubes)
        )

    def _join(
        self,
        tracklets: Sequence[Tracklet],
        video: VideoFrames,
        max_gap_s: float,
        *,
        least: int = 1,
        margin: float | None = None,
    ) -> list[Tracklet]:
        """Return the tracklets with gaps up to `max_gap_s` closed by one assignment over all with `least` detections.

        Rounds of solid tracklets also compare appearance, and link tracklets that overlap in time.
        """
        solid = [tracklet for tracklet in tracklets if len(tracklet) >= least]
        rest = [tracklet for tracklet in tracklets if len(tracklet) < least]
        tails, heads = (ends_of(solid, video.meta, last=last) for last in (True, False))
        before, after = _successions(tails.times_s, heads.times_s, _shots_of(solid), max_gap_s)
        gains = motion_ratio(tails, heads, before, after)
        if least >= _SOLID:
            first, second, overlap_gains = _overlaps(solid, video.meta, max_gap_s, self._config.same_iou)
            before, after = np.concatenate([before, first]), np.concatenate([after, second])
            gains = np.concatenate([gains, overlap_gains])
            appearance = appearance_of(solid, video) if len(before) else None
            if appearance:
                gains += appearance_ratio(appearance, before, after)
        chains = best_chains(len(solid), before, after, gains - _PRIOR, margin)
        return [chained([solid[index] for index in chain]) for chain in chains] + rest

    def _prune(self, tracklets: Sequence[Tracklet], video: VideoFrames) -> list[Tracklet]:
        """Return the tracklets with duplicates merged, false positives dropped and ends trimmed."""
        config, fps, step = self._config, video.meta.fps, video.step
        solid = [tracklet for tracklet in tracklets if len(tracklet) >= _SOLID] or list(tracklets)
        merged = drop_inner(merge_duplicates(solid, config.same_iou, config.same_share), config.same_share)
        end_gap = _at_least_a_step(config.end_gap_s, video) * fps
        dense = [part for tracklet in merged for part in dense_parts(tracklet, step, config.min_density)]
        trimmed = [trim_ends(tracklet, end_gap, _SOLID) for tracklet in dense]
        least = min(config.min_detections, len(video.frames))
        strongest = max((tracklet.strength for tracklet in trimmed if len(tracklet) >= least), default=0.0)
        return [
            tracklet
            for tracklet in trimmed
            if is_real(
                tracklet,
                strongest,
                len(tracklet) * step / fps,
                least=least,
                least_s=config.min_length_s,
                min_score=config.min_score,
            )
        ]


def _successions(
    ends_s: Float64Array, starts_s: Float64Array, shots: IntArray, max_gap_s: float
) -> tuple[IntArray, IntArray]:
    """Return the pairs of a tail and a head of the same shot that follows within `max_gap_s` seconds, (K,) each."""
    order = np.argsort(starts_s, kind="stable")
    low = np.searchsorted(starts_s[order], ends_s + _INSTANT_S, side="right")
    high = np.searchsorted(starts_s[order], ends_s + max_gap_s + _INSTANT_S, side="right")
    counts = np.maximum(high - low, 0)
    before = np.repeat(np.arange(len(ends_s)), counts)
    offsets = np.arange(len(before)) - np.repeat(np.cumsum(counts) - counts, counts)
    after = order[np.repeat(low, counts) + offsets]
    same = shots[before] == shots[after]
    return before[same], after[same]


def _overlaps(
    tracklets: Sequence[Tracklet], meta: VideoMeta, max_overlap_s: float, same_iou: float
) -> tuple[IntArray, IntArray, Float64Array]:
    """Return the pairs of a tracklet and one that begins before it ends, (K,) each, and their log-likelihood ratios.

    Around a crossing the last boxes of a tracklet, or the first ones of the next, may be another person's or lie on two
    people. So the better of two ratios counts: that without the end of the first, or that without the start of the
    second. Shared time with separate boxes lowers the ratio; boxes that coincide raise it.
    """
    starts = np.array([tracklet.frames[0] for tracklet in tracklets])
    ends = np.array([tracklet.frames[-1] for tracklet in tracklets])
    shots = _shots_of(tracklets)
    late = (starts[:, None] < starts) & (starts <= ends[:, None]) & (ends[:, None] < ends)
    near = (ends[:, None] - starts) <= max_overlap_s * meta.fps
    first, second = np.nonzero(late & near & (shots[:, None] == shots))
    if len(first) == 0:
        return first, second, np.zeros(0)
    tails, heads = ([tracklets[index] for index in side.tolist()] for side in (first, second))
    cut_tails = [tail.take(tail.frames < head.frames[0]) for tail, head in zip(tails, heads, strict=True)]
    cut_heads = [head.take(head.frames > tail.frames[-1]) for tail, head in zip(tails, heads, strict=True)]
    pairs = np.arange(len(first))
    ratios = np.maximum(
        motion_ratio(ends_of(cut_tails, meta, last=True), ends_of(heads, meta, last=False), pairs, pairs),
        motion_ratio(ends_of(tails, meta, last=True), ends_of(cut_heads, meta, last=False), pairs, pairs),
    )
    ratios -= (ends[first] - starts[second] + 1) / meta.fps / _APART_S
    for pair in pairs:
        _, boxes, other_boxes = common_boxes(tails[pair], heads[pair])
        if float(elementwise_iou(boxes, other_boxes).mean()) >= same_iou:
            ratios[pair] = _HAND_OVER
    return first, second, ratios


def _at_least_a_step(seconds: float, video: VideoFrames) -> float:
    """Return `seconds`, but no less than one and a half sampling steps."""
    return max(seconds, 1.5 * video.step / video.meta.fps)


def _shots_of(tracklets: Sequence[Tracklet]) -> IntArray:
    return np.array([tracklet.shot for tracklet in tracklets], dtype=np.int64)


def _link_shots(tracklets: Sequence[Tracklet], video: VideoFrames, max_gap_s: float) -> list[list[Tracklet]]:
    """Return each person's tracklets, one per shot of successive shots, in order."""
    max_gap = max_gap_s * video.meta.fps
    people: list[list[Tracklet]] = []
    open_people: list[list[Tracklet]] = []
    for shot in sorted({tracklet.shot for tracklet in tracklets}):
        heads = [tracklet for tracklet in tracklets if tracklet.shot == shot]
        tails = [person for person in open_people if person[-1].shot == shot - 1]
        appearance = appearance_of([*(person[-1] for person in tails), *heads], video) if tails else None
        pairs = pairs_across_cut([person[-1] for person in tails], heads, appearance, max_gap) if appearance else []
        found = {head: tails[tail] for tail, head in pairs}
        open_people = []
        for index, tracklet in enumerate(heads):
            person = found.get(index, [])
            if not person:
                people.append(person)
            person.append(tracklet)
            open_people.append(person)
    return people
