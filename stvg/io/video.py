"""Read video files with PyAV: metadata, frames, frames for detection.

A frame's number is its place in presentation order, 0-based. The file's word on how pictures are turned and mirrored
(phones) is applied first, so width, height and boxes are those of the picture that a player shows. Errors in a file are
InputErrors of one line.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import VideoReformatter

from stvg.errors import InputError
from stvg.io import shot_detection
from stvg.io.files import refuse_pointer
from stvg.types import Image, VideoFrames, VideoMeta

_SHORT_BY_S = 1.0
"""Seconds by which a file may end before the length that its header promises."""
_RATE_OFF = 0.1
"""Relative difference from the header's frame rate beyond which the rate measured from the frames' times counts."""
_FEW_FRAMES = 10
"""Minimum number of frames to measure a frame rate from."""


@dataclass(frozen=True, slots=True)
class _Source:
    """An opened file: PyAV's container and its first video stream."""

    path: Path
    container: Any
    stream: Any

    def fps(self, times_s: Sequence[float | None]) -> float:
        """Return frames per second, as the header says, or the mean where the frames' times disagree.

        Of a variable frame rate some headers (Matroska's) know only a nominal one.
        """
        rate = self.stream.average_rate or self.stream.guessed_rate or self.stream.base_rate
        if not rate:
            raise InputError(f"{self.path}: expected a video stream with a frame rate, found none")
        known = [time_s for time_s in times_s if time_s is not None]
        if len(known) < max(_FEW_FRAMES, len(times_s)) or max(known) <= min(known):
            return float(rate)
        seen = (len(known) - 1) / (max(known) - min(known))
        return seen if abs(seen / float(rate) - 1) > _RATE_OFF else float(rate)

    @property
    def start_s(self) -> float:
        """The time in seconds at which the video stream begins; of a part cut out of a film this can be any."""
        return float((self.stream.start_time or 0) * self.stream.time_base)

    @property
    def promised_s(self) -> float | None:
        """The length in seconds that the header claims for the video stream; None where it does not say.

        Matroska's duration counts from 0, not from the first stamp.
        """
        if self.stream.duration:
            return float(self.stream.duration * self.stream.time_base)
        if len(self.container.streams) != 1 or not self.container.duration:
            return None
        before_s = self.start_s if "matroska" in self.container.format.name else 0.0
        return float(self.container.duration / av.time_base - before_s)


def read_meta(path: Path, video_id: str) -> VideoMeta:
    """Read what `VideoMeta` says about the video at `path`.

    `num_frames` counts the packets of the file, not its header's claim; only the first picture is decoded, so this is
    cheap. A file whose first pictures cannot be decoded (cut out of a longer one) can yield fewer frames when read.

    Raises:
        InputError: no such file, not a video, no video stream, cut off, no frames.
    """
    with _open(path) as source:
        first = None
        times_s: list[float | None] = []
        try:
            for packet in source.container.demux(source.stream):
                if first is None:
                    first = next(iter(packet.decode()), None)
                if packet.size and not packet.is_discard:
                    times_s.append(_time_s(packet))
        except av.error.FFmpegError as error:
            raise _broken(source, len(times_s), error) from error
        if first is None:
            raise _empty(source)
        _check_end(source, times_s)
        height, width = _shown_size(first)
        return VideoMeta(video_id, path, len(times_s), source.fps(times_s), width, height)


def read_footage(path: Path, video_id: str, stride: int, max_side: int) -> VideoFrames:
    """Decode the video at `path` once and keep every `stride`-th frame, from frame 0 on.

    The images are scaled down while they are converted, so that their longer side is at most `max_side` pixels; they
    are never scaled up. `meta.num_frames` is the number of frames decoded; cuts are looked for on every frame.

    Raises:
        InputError: as read_meta, or a frame in the middle that cannot be decoded.
        ValueError: `stride` or `max_side` under 1.
    """
    if stride < 1 or max_side < 1:
        raise ValueError(f"expected stride >= 1 and max_side >= 1, got {stride} and {max_side}")
    with _open(path) as source:
        kept: list[Image] = []
        tiny: list[Image] = []
        times_s: list[float | None] = []
        height = width = 0
        size: tuple[int, int] | None = None
        reformatter, shrinker = VideoReformatter(), VideoReformatter()
        for frame in _decode(source):
            if size is None:
                height, width = _shown_size(frame)
                shrink = min(1.0, max_side / max(frame.width, frame.height))
                size = max(1, round(frame.width * shrink)), max(1, round(frame.height * shrink))
            if len(times_s) % stride == 0:
                kept.append(_to_rgb(frame, size, reformatter))
            tiny.append(_to_rgb(frame, (shot_detection.WIDTH, shot_detection.HEIGHT), shrinker, upright=False))
            times_s.append(_time_s(frame))
        meta = VideoMeta(video_id, path, len(times_s), source.fps(times_s), width, height)
    images = np.stack(kept)
    frames = np.arange(0, len(times_s), stride, dtype=np.int64)
    return VideoFrames(meta, frames, images, images.shape[1] / height, shot_detection.find_cuts(np.stack(tiny)))


def stream_images(path: Path) -> Generator[Image, None, None]:
    """Yield every frame of the video at `path` in full size, (H, W, 3) uint8 RGB, holding one at a time.

    Raises:
        InputError: as read_footage.
    """
    with _open(path) as source:
        size: tuple[int, int] | None = None
        reformatter = VideoReformatter()
        for frame in _decode(source):
            size = size or (frame.width, frame.height)
            yield _to_rgb(frame, size, reformatter)


@contextmanager
def _open(path: Path) -> Iterator[_Source]:
    """Open the video file at `path`; one decoding thread, as clips are spread over processes."""
    if not path.is_file():
        raise InputError(f"{path}: expected a video file, found {'a folder' if path.is_dir() else 'no such file'}")
    refuse_pointer(path)
    try:
        container = av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        found = "an empty file" if path.stat().st_size == 0 else f"a file cut off or of another kind ({reason})"
        raise InputError(f"{path}: expected a whole video file, found {found}") from error
    with container:
        if not container.streams.video:
            raise InputError(f"{path}: expected a video stream, found {len(container.streams)} other streams")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise InputError(f"{path}: expected a video codec that FFmpeg decodes, found none")
        stream.codec_context.thread_count = 1
        source = _Source(path, container, stream)
        _check_index(source)
        yield source


def _decode(source: _Source) -> Iterator[Any]:
    """Yield the decoded PyAV frames in presentation order.

    Raises:
        InputError: a frame that cannot be decoded, no frames, or an end before the promised one.
    """
    times_s: list[float | None] = []
    try:
        for frame in source.container.decode(source.stream):
            times_s.append(_time_s(frame))
            yield frame
    except av.error.FFmpegError as error:
        raise _broken(source, len(times_s), error) from error
    if not times_s:
        raise _empty(source)
    _check_end(source, times_s)


def _check_index(source: _Source) -> None:
    """Raise InputError where the file's own index points past its end, as in an mp4 that was cut off."""
    entries = [(entry.pos, entry.size) for entry in source.stream.index_entries]
    size = source.path.stat().st_size
    present = sum(pos + length <= size for pos, length in entries)
    if present < len(entries):
        raise InputError(f"{source.path}: expected {len(entries)} frames, the file is cut off after frame {present}")


def _check_end(source: _Source, times_s: Sequence[float | None]) -> None:
    """Raise InputError where the last frame comes clearly before the end that the header promises."""
    promised_s = source.promised_s
    last_s = max((time_s for time_s in times_s if time_s is not None), default=0.0)
    start_s = source.start_s
    if promised_s is not None and last_s - start_s + _SHORT_BY_S < promised_s - 1 / source.fps(times_s):
        raise InputError(
            f"{source.path}: expected {promised_s:.2f} s of video, the file ends after frame {len(times_s)} "
            f"({last_s - start_s:.2f} s)"
        )


def _broken(source: _Source, count: int, error: Exception) -> InputError:
    """Return the error for a stream that stops being decodable after `count` frames."""
    return InputError(f"{source.path}: expected a whole video, got an error after frame {count}: {error}")


def _empty(source: _Source) -> InputError:
    """Return the error for a video stream without pictures."""
    return InputError(f"{source.path}: expected at least one frame, found none")


def _time_s(item: Any) -> float | None:
    """Return a frame's or packet's presentation time in seconds, None where it has none."""
    return float(item.pts * item.time_base) if item.pts is not None else None


def _turns(frame: Any) -> tuple[bool, bool, bool]:
    """Return how the decoded picture must be turned: transposed, then mirrored left-right, then top-bottom."""
    found = frame.side_data.get(Type.DISPLAYMATRIX)
    if found is None:
        return False, False, False
    # Places move from (x, y) to (a x + c y, b x + d y); phones turn by quarters, selfie cameras mirror.
    a, b, _, c, d = np.frombuffer(bytes(found), np.int32)[:5].tolist()
    return (True, c < 0, b < 0) if abs(b) > abs(a) else (False, a < 0, d < 0)


def _shown_size(frame: Any) -> tuple[int, int]:
    """Return height and width of the picture as it is shown."""
    return (frame.width, frame.height) if _turns(frame)[0] else (frame.height, frame.width)


def _to_rgb(frame: Any, size: tuple[int, int], reformatter: VideoReformatter, upright: bool = True) -> Image:
    """Return the frame as RGB, scaled to `size` (width, height before it is turned), turned upright if asked for."""
    scaled = reformatter.reformat(frame, width=size[0], height=size[1], format="rgb24", interpolation="AREA")
    image: Any = scaled.to_ndarray()
    transposed, mirrored, upside_down = _turns(frame) if upright else (False, False, False)
    image = image.transpose(1, 0, 2) if transposed else image
    image = image[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
    return np.ascontiguousarray(image)
