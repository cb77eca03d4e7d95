"""Choose which frames of a video are looked at."""

from pathlib import Path

from pydantic import Field
from pydantic.dataclasses import dataclass

from stvg.config import STRICT
from stvg.io.video import read_footage, read_meta
from stvg.types import VideoFrames


@dataclass(frozen=True, config=STRICT, kw_only=True)
class VideoConfig:
    """Which frames are looked at: every one, or what either `stride` or `rate` says."""

    stride: int | None = Field(default=None, ge=1)
    """Every stride-th frame."""
    rate: float | None = Field(default=None, gt=0)
    """Frames to look at per second, as near as a whole stride of the video's own frame rate comes."""
    max_side: int = Field(default=640, ge=32)
    """Pixels of the longer side to which frames are reduced."""

    def __post_init__(self) -> None:
        if self.stride is not None and self.rate is not None:
            raise ValueError("expected stride or rate, the other one null")

    def __str__(self) -> str:
        """Return the key that counts, with its value.

        >>> str(VideoConfig(rate=5))
        'video.rate 5'
        """
        return f"video.stride {self.stride or 1}" if self.rate is None else f"video.rate {self.rate:g}"

    def stride_at(self, fps: float) -> int:
        """Return how many frames lie from one looked-at frame to the next in a video of `fps` frames per second.

        >>> [VideoConfig(rate=10).stride_at(fps) for fps in (60.0, 29.97, 12.0, 5.0)]
        [6, 3, 1, 1]
        """
        return self.stride or 1 if self.rate is None else max(1, round(fps / self.rate))

    def read(self, path: Path, video_id: str) -> VideoFrames:
        """Decode the video at `path` and keep the frames to look at.

        Raises:
            InputError: as read_footage.
        """
        fps = 0.0 if self.rate is None else read_meta(path, video_id).fps  # reading it costs a pass over the file
        return read_footage(path, video_id, self.stride_at(fps), self.max_side)
