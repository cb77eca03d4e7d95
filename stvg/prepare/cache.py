"""What of prepared videos stays in memory: HC-STVG's 10,131 training clips would be tens of gigabytes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from stvg.types import PreparedVideo


class KeepingReader:
    """Reads prepared videos by `read` and keeps them, up to `room_bytes`; what comes later is read each time.

    First come, first kept, for splits are read from one end to the other again and again: of the least recently used
    the next one is always gone.
    """

    def __init__(self, read: Callable[[str], PreparedVideo], room_bytes: int) -> None:
        self._read = read
        self._room = room_bytes
        self._kept: dict[str, PreparedVideo] = {}

    def __call__(self, video_id: str) -> PreparedVideo:
        """Return a video.

        Raises:
            InputError: as `read`.
        """
        kept = self._kept.get(video_id)
        if kept is not None:
            return kept
        video = self._read(video_id)
        if (size := num_bytes(video)) <= self._room:
            self._room -= size
            self._kept[video_id] = video
        return video


def num_bytes(video: PreparedVideo) -> int:
    """Return the bytes of a video's arrays."""
    tubes = (array for tube in video.tubes for array in (tube.boxes_xyxy, tube.scores, tube.observed))
    return sum(array.nbytes for array in (video.clip_features, *video.tube_features, *tubes))


def without_features(video: PreparedVideo) -> PreparedVideo:
    """Return the video as fusion needs it, a few hundredths of its bytes: its tubes, and arrays without rows."""
    nothing = np.zeros((0, 0), dtype=np.float32)
    return replace(video, clip_features=nothing, tube_features=(nothing,) * len(video.tubes))
