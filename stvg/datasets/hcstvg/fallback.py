"""Answer unreadable videos by a centre box over the whole clip.

A submission must answer every query, also where the video is missing. Then nothing is known of its pixels, and what is
taken for its size and length is, in this order:

1. what an annotation file or the data index says of the video itself;
2. what the readable clips of the same film have: in HC-STVG `3_x.mkv` and `7_x.mkv` are excerpts of one film, `x`;
3. what most of the readable clips of the data set have;
4. HC-STVG's most usual: 640 x 360, 480 frames (20 s at 24 frames/s).

Of several clips the commonest size counts and the smallest number of frames, since an answer may end before the video
does but not after it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from stvg.geometry.tubes import centre_tube
from stvg.io.hcstvg_annotations import film_of
from stvg.types import ClipSize, FrameSpan, Prediction, Query, VideoMeta

USUAL = ClipSize(width=640, height=360, num_frames=480)
"""What a clip is taken to be of which nothing at all is known."""


def likely_size(video_id: str, known: Mapping[str, ClipSize]) -> ClipSize:
    """Return what an unreadable video is taken to be, given the sizes of others, or of itself, that are known."""
    if video_id in known:
        return known[video_id]
    film = film_of(video_id)
    siblings = [size for other, size in known.items() if film_of(other) == film]
    return _joint(siblings or known.values())


def _joint(sizes: Iterable[ClipSize]) -> ClipSize:
    """Return the commonest image size, the smaller one on ties, with the least number of frames."""
    counts = Counter((size.width, size.height) for size in sizes)
    if not counts:
        return USUAL
    width, height = max(counts, key=lambda size: (counts[size], -size[0] * size[1], size))
    return ClipSize(width, height, min(size.num_frames for size in sizes))


def centre_answer(query: Query, size: ClipSize) -> Prediction:
    """Return the centre box (stvg.geometry.tubes.CENTRE_BOX) over the whole clip, score 0."""
    meta = VideoMeta(query.video_id, Path(query.video_id), size.num_frames, 0.0, size.width, size.height)
    return Prediction(query.query_id, query.video_id, centre_tube(meta, FrameSpan(0, size.num_frames)), 0.0)
