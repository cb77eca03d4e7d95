"""Cache prepared videos and the maps of both stages in memory."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

import numpy as np

from stvg.interfaces import MomentLocalizer, TubeMatcher
from stvg.types import MomentMap, PreparedVideo, Query, TubeMap

Key = TypeVar("Key")
RECENT_BYTES = 1 << 28
"""Default budget where a video is needed again only for queries that follow soon."""


class Reader(Protocol):
    """Gives prepared videos by their ids."""

    def read(self, video_id: str) -> PreparedVideo:
        """Return a video."""
        ...


class VideoCache(Generic[Key]):
    """Prepared videos by key, up to `budget_bytes`; the one that was added last is held whatever its size.

    With `evict` the least recently used videos make room for new ones. Without, the first ones stay: splits are
    scanned in order every epoch, and the least recently used video would be the very next one that is needed.
    """

    def __init__(self, budget_bytes: int, *, evict: bool) -> None:
        self._budget = budget_bytes
        self._evict = evict
        self._videos: OrderedDict[Key, PreparedVideo] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key) -> PreparedVideo | None:
        """Return a cached video, None if it is not held."""
        video = self._videos.get(key)
        if video is not None and self._evict:
            self._videos.move_to_end(key)
        return video

    def add(self, key: Key, video: PreparedVideo) -> None:
        """Hold a video that is not held yet."""
        if not self._evict and self._bytes > self._budget:  # the last one did not fit
            self._drop(last=True)
        self._videos[key] = video
        self._bytes += num_bytes(video)
        while self._evict and self._bytes > self._budget and len(self._videos) > 1:
            self._drop(last=False)

    def _drop(self, last: bool) -> None:
        _, video = self._videos.popitem(last)
        self._bytes -= num_bytes(video)


class CachedReader:
    """Reads prepared videos through a cache; see VideoCache for `budget_bytes` and `evict`."""

    def __init__(self, reader: Reader, budget_bytes: int, *, evict: bool = False) -> None:
        self._reader = reader
        self._cache: VideoCache[str] = VideoCache(budget_bytes, evict=evict)

    def read(self, video_id: str) -> PreparedVideo:
        """Return a video.

        Raises:
            InputError: as the reader.
        """
        video = self._cache.get(video_id)
        if video is None:
            video = self._reader.read(video_id)
            self._cache.add(video_id, video)
        return video


class CachedStages:
    """Both stages, each run once per query however often it is asked; a MomentLocalizer and a TubeMatcher."""

    def __init__(self, localizer: MomentLocalizer, matcher: TubeMatcher) -> None:
        self._localizer, self._matcher = localizer, matcher
        self._moments: dict[Query, MomentMap] = {}
        self._maps: dict[Query, tuple[TubeMap, ...]] = {}

    def localize(self, queries: Sequence[Query], video: PreparedVideo) -> list[MomentMap]:
        """Return the localizer's maps."""
        new = [query for query in queries if query not in self._moments]
        if new:
            self._moments.update(zip(new, self._localizer.localize(new, video), strict=True))
        return [self._moments[query] for query in queries]

    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return the matcher's maps."""
        new = [query for query in queries if query not in self._maps]
        if new:
            self._maps.update(zip(new, self._matcher.match(new, video), strict=True))
        return [self._maps[query] for query in queries]


def num_bytes(video: PreparedVideo) -> int:
    """Return the bytes of a video's arrays."""
    tubes = (array for tube in video.tubes for array in (tube.boxes_xyxy, tube.scores, tube.observed))
    return sum(array.nbytes for array in (video.clip_features, *video.tube_features, *tubes))


def without_features(video: PreparedVideo) -> PreparedVideo:
    """Return the video as fusion needs it, a few hundredths of its bytes: its tubes, and arrays without rows."""
    nothing = np.zeros((0, 0), dtype=np.float32)
    return replace(video, clip_features=nothing, tube_features=(nothing,) * len(video.tubes))
