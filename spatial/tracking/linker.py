"""The offline linker: tracklets of a whole clip become the few gap-free tubes that a query chooses from.

An online tracker decides frame by frame; here both sides of every gap are known, and how people look. Tracklets are
cut where people stand so close that they could have been swapped. Then the sure joins are made, then those over longer
gaps, each time as one assignment over the whole clip, by motion and by appearance. Boxes that the tracker left alone
fill gaps, second boxes on one person are merged, ghosts dropped, ends trimmed. People are found again after a shot cut.
Last, each path is smoothed as much as its own detections ask for.
"""

from collections.abc import Sequence

import numpy as np
from pydantic.dataclasses import dataclass

from spatial.tracking.linking.appearance import look_ratio, looks_of
from spatial.tracking.linking.assembly import make_tube
from spatial.tracking.linking.assignment import best_chains
from spatial.tracking.linking.gap_filling import refill
from spatial.tracking.linking.motion import ends_of, motion_ratio
from spatial.tracking.linking.pruning import dense_parts, drop_inner, is_real, merge_duplicates, trim_ends
from spatial.tracking.linking.shot_association import pairs_across_cut
from spatial.tracking.linking.tracklets import Piece, chained, common_boxes, pieces_of, split_in_crowds
from stvg.config import STRICT
from stvg.geometry.boxes import elementwise_iou
from stvg.types import Float64Array, IntArray, Tube, VideoFrames, VideoMeta

_SURE_GAP_S, _SURE_MARGIN = 0.35, 2.0
"""The first joins: over gaps up to this many seconds, where no other choice is nearly as good."""
_PRIOR = 4.0
"""What a join's log likelihood ratio must be over: a given piece seldom continues a given other one."""
_SOLID, _LONG = 3, 5
"""Pieces with fewer detections tell no motion: they are not joined over gaps up to gap_s, up to long_gap_s. Those under
_SOLID only fill gaps and lengthen tubes."""
_HAND_OVER = 10.0
"""The ratio of two pieces of which the first ends while it lies on the second."""
_APART_S = 0.5
"""Each such time in which two pieces last at once, apart from each other, costs 1."""
_INSTANT_S = 1e-6
"""Times nearer to each other than this are one."""
_ESTABLISHED = 4
"""Pieces with fewer detections are nobody who could be swapped with anybody."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class LinkingConfig:
    """The offline linker."""

    crowd_iou: float = 0.4
    """IoU of two people's boxes from which on either tracklet is cut, to be joined anew from both sides."""
    gap_s: float = 2.0
    """Longest time, in seconds, without a detection over which pieces are joined, if motion and looks agree."""
    long_gap_s: float = 4.0
    """The same for longer pieces, once the shorter gaps are closed."""
    end_gap_s: float = 0.8
    """Longest gap, in seconds, over which single boxes lengthen a tube; beyond it, stray boxes are trimmed."""
    fill_iou: float = 0.4
    """Least IoU with a tube's path of an unclaimed box that fills a gap."""
    same_iou: float = 0.6
    """Mean IoU in their common frames from which two tubes are the same person."""
    same_share: float = 0.7
    """Share of the shorter of two tubes that must be common time for that; and share of a tube's boxes that must lie
    inside those of surer tubes for it to be nobody's own."""
    min_detections: int = 6
    """Tubes with fewer detections are ghosts, unless these cover min_length_s."""
    min_length_s: float = 1.0
    """Seconds that fewer than min_detections must cover."""
    min_density: float = 0.4
    """Least share of a tube's time with a detection; tubes with less are cut at their longest gaps."""
    min_score: float = 0.3
    """Tubes whose detections, the better half of them, have a mean score under this are ghosts."""
    smooth: bool = True
    """Whether to smooth the boxes."""


class OfflineLinker:
    """Links tracklets into tubes."""

    def __init__(self, config: LinkingConfig = LinkingConfig()) -> None:
        self._config = config

    def link(self, footage: VideoFrames, tracklets: Sequence[Tube]) -> tuple[Tube, ...]:
        """Return gap-free tubes, longest first, `tube_id` 0, 1, ... in that order; perhaps none.

        Where the footage has no real pictures, looks do not count and tubes end at shot cuts.
        """
        pieces = split_in_crowds(pieces_of(tracklets, footage), self._config.crowd_iou, _ESTABLISHED)
        pieces = self._join(pieces, footage, _at_least_a_step(_SURE_GAP_S, footage), margin=_SURE_MARGIN)
        pieces = self._join(pieces, footage, self._config.gap_s, least=_SOLID)
        pieces = self._join(pieces, footage, self._config.long_gap_s, least=_LONG)
        pieces = refill(pieces, _SOLID, self._config.fill_iou)
        pieces = refill(
            self._join(pieces, footage, _at_least_a_step(self._config.end_gap_s, footage)),
            _SOLID,
            self._config.fill_iou,
        )
        people = _link_shots(self._prune(pieces, footage), footage, self._config.gap_s)
        tubes = [make_tube(index, person, footage, self._config.smooth) for index, person in enumerate(people)]
        tubes.sort(key=lambda tube: (-tube.span.length, tube.start_frame, tuple(tube.boxes_xyxy[0].tolist())))
        return tuple(
            Tube(index, tube.start_frame, tube.boxes_xyxy, tube.scores, tube.observed)
            for index, tube in enumerate(tubes)
        )

    def _join(
        self,
        pieces: Sequence[Piece],
        footage: VideoFrames,
        max_gap_s: float,
        *,
        least: int = 1,
        margin: float | None = None,
    ) -> list[Piece]:
        """Return the pieces with gaps up to `max_gap_s` closed by one assignment over all with `least` detections.

        Rounds of solid pieces also compare looks and join pieces of which one ends while it lies on the next.
        """
        solid = [piece for piece in pieces if len(piece) >= least]
        rest = [piece for piece in pieces if len(piece) < least]
        tails, heads = (ends_of(solid, footage.meta, last=last) for last in (True, False))
        before, after = _successions(tails.times_s, heads.times_s, _shots_of(solid), max_gap_s)
        gains = motion_ratio(tails, heads, before, after)
        if least >= _SOLID:
            first, second, overlap_gains = _overlaps(solid, footage.meta, max_gap_s, self._config.same_iou)
            before, after = np.concatenate([before, first]), np.concatenate([after, second])
            gains = np.concatenate([gains, overlap_gains])
            looks = looks_of(solid, footage) if len(before) else None
            if looks:
                gains += look_ratio(looks, before, after)
        chains = best_chains(len(solid), before, after, gains - _PRIOR, margin)
        return [chained([solid[index] for index in chain]) for chain in chains] + rest

    def _prune(self, pieces: Sequence[Piece], footage: VideoFrames) -> list[Piece]:
        """Return what deserves to be a tube: duplicates merged, ghosts dropped, ends trimmed."""
        fps, step = footage.meta.fps, footage.step
        solid = [piece for piece in pieces if len(piece) >= _SOLID] or list(pieces)
        merged = drop_inner(
            merge_duplicates(solid, self._config.same_iou, self._config.same_share), self._config.same_share
        )
        end_gap = _at_least_a_step(self._config.end_gap_s, footage) * fps
        dense = [part for piece in merged for part in dense_parts(piece, step, self._config.min_density)]
        trimmed = [trim_ends(piece, end_gap, _SOLID) for piece in dense]
        least = min(self._config.min_detections, len(footage.frames))
        strongest = max((piece.strength for piece in trimmed if len(piece) >= least), default=0.0)
        return [
            piece
            for piece in trimmed
            if is_real(
                piece,
                strongest,
                len(piece) * step / fps,
                least=least,
                least_s=self._config.min_length_s,
                min_score=self._config.min_score,
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
    pieces: Sequence[Piece], meta: VideoMeta, max_overlap_s: float, same_iou: float
) -> tuple[IntArray, IntArray, Float64Array]:
    """Return the pairs of a piece and one that begins before it ends, (K,) each, and their ratios.

    Around a crossing the last boxes of a piece, or the first ones of the next, may be somebody else's or lie on two
    people. So the better of two ratios counts: that without the end of the first, or that without the start of the
    second. Time with two boxes apart speaks against one person; two boxes on each other speak for it.
    """
    starts = np.array([piece.frames[0] for piece in pieces])
    ends = np.array([piece.frames[-1] for piece in pieces])
    shots = _shots_of(pieces)
    late = (starts[:, None] < starts) & (starts <= ends[:, None]) & (ends[:, None] < ends)
    near = (ends[:, None] - starts) <= max_overlap_s * meta.fps
    first, second = np.nonzero(late & near & (shots[:, None] == shots))
    if len(first) == 0:
        return first, second, np.zeros(0)
    tails, heads = ([pieces[index] for index in side.tolist()] for side in (first, second))
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


def _at_least_a_step(seconds: float, footage: VideoFrames) -> float:
    """Return the time, or what lies between two frames of a footage that is looked at more seldom."""
    return max(seconds, 1.5 * footage.step / footage.meta.fps)


def _shots_of(pieces: Sequence[Piece]) -> IntArray:
    return np.array([piece.shot for piece in pieces], dtype=np.int64)


def _link_shots(pieces: Sequence[Piece], footage: VideoFrames, max_gap_s: float) -> list[list[Piece]]:
    """Return each person's pieces, one per shot of successive shots, in order."""
    max_gap = max_gap_s * footage.meta.fps
    people: list[list[Piece]] = []
    open_people: list[list[Piece]] = []
    for shot in sorted({piece.shot for piece in pieces}):
        heads = [piece for piece in pieces if piece.shot == shot]
        tails = [person for person in open_people if person[-1].shot == shot - 1]
        looks = looks_of([*(person[-1] for person in tails), *heads], footage) if tails else None
        pairs = pairs_across_cut([person[-1] for person in tails], heads, looks, max_gap) if looks else []
        found = {head: tails[tail] for tail, head in pairs}
        open_people = []
        for index, piece in enumerate(heads):
            person = found.get(index, [])
            if not person:
                people.append(person)
            person.append(piece)
            open_people.append(person)
    return people
