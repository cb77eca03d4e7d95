"""Place videos that browsers play frame by frame, and thumbnails of them.

The page finds a frame by its time, so frame k must be shown from k / fps on. Files for which this is not sure, and
those of another format, are encoded anew.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from stvg.errors import InputError
from stvg.io.files import writing
from stvg.io.video import stream_images
from stvg.io.video_writer import write_video
from stvg.types import Image, Tube, VideoMeta
from stvg.viewer.overlay import COLOURS, ENCODER, draw_box

_PLAYABLE = {"yuv420p", "yuvj420p"}
_THUMBNAIL_WIDTH = 240


def place_video(meta: VideoMeta, folder: Path) -> str:
    """Put a video that browsers play into `folder` and return its name there.

    A file that they play already is linked to (a hard link: no copy, and the folder can still be moved), or copied
    where the file system has no such links. Any other is encoded as H.264. What is there already is kept.

    Raises:
        InputError: the video cannot be read or the folder not written.
    """
    if is_playable(meta):
        target = folder / meta.video_id
        if not target.exists() or (not target.samefile(meta.path) and not _same(target, meta.path)):
            with writing(target) as beside:
                _link(meta.path, beside)
        return target.name
    target = folder / f"{meta.video_id}.mp4"
    if not target.exists() or target.stat().st_mtime < meta.path.stat().st_mtime:
        _encode(meta, target)
    return target.name


def is_playable(meta: VideoMeta) -> bool:
    """Tell whether browsers play the file and show frame k from k / fps on, to half a frame."""
    if meta.path.suffix.lower() != ".mp4":
        return False
    with av.open(str(meta.path)) as container:
        stream: Any = container.streams.video[0]
        if stream.codec_context.name != "h264" or stream.codec_context.pix_fmt not in _PLAYABLE:
            return False
        times = sorted(packet.pts for packet in container.demux(stream) if packet.size and packet.pts is not None)
        seconds = np.array(times, dtype=np.float64) * float(stream.time_base)
    on_time = np.abs(seconds - np.arange(len(seconds)) / meta.fps) < 0.5 / meta.fps
    return len(seconds) == meta.num_frames and bool(on_time.all())


def write_thumbnail(video: Path, meta: VideoMeta, out: Path, found: Tube | None, truth: Tube | None) -> None:
    """Write a small JPEG of the frame in the middle of the answer (or of the truth) with both boxes in it.

    `video` is a file that `place_video` placed.

    Raises:
        InputError: the video cannot be read or the picture not written.
    """
    shown = found or truth
    frame = (shown.span.start + shown.span.stop - 1) // 2 if shown else 0
    height = max(2, round(_THUMBNAIL_WIDTH * meta.height / meta.width))
    picture = _read_frame(video, frame, meta.fps, (_THUMBNAIL_WIDTH, height))
    for tube, name in ((truth, "true"), (found, "predicted")):
        if tube is not None:
            draw_box(picture, tube, frame, _THUMBNAIL_WIDTH / meta.width, COLOURS[name], 2)
    with writing(out) as beside:
        cv2.imwrite(str(beside), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            raise InputError(f"{target}: expected a copy of {source}, got: {error.strerror or error}") from error


def _same(target: Path, source: Path) -> bool:
    """Tell whether a copy is still that of its source."""
    copy, origin = target.stat(), source.stat()
    return copy.st_size == origin.st_size and copy.st_mtime >= origin.st_mtime


def _encode(meta: VideoMeta, out: Path) -> None:
    """Write the frames of a video as H.264, one every 1 / fps seconds, sides made even by cutting a pixel."""
    width, height = meta.width // 2 * 2, meta.height // 2 * 2
    images = (np.ascontiguousarray(image[:height, :width]) for image in stream_images(meta.path))
    write_video(out, images, meta.fps, width, height, {**ENCODER, "g": str(max(1, round(meta.fps)))})


def _read_frame(video: Path, frame: int, fps: float, size: tuple[int, int]) -> Image:
    """Return one frame of a playable video as RGB of `size` (width, height), turned upright."""
    wanted_s = (frame - 0.5) / fps
    try:
        with av.open(str(video)) as container:
            stream: Any = container.streams.video[0]
            container.seek(max(0, int(wanted_s / stream.time_base)), stream=stream)
            shown: Any = None
            for shown in container.decode(stream):
                if shown.time >= wanted_s:
                    break
            turns = round(shown.rotation / 90) % 4
            wide = size[::-1] if turns % 2 else size
            image = shown.reformat(width=wide[0], height=wide[1], format="rgb24", interpolation="AREA").to_ndarray()
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"{video}: expected a video that can be decoded, got: {error}") from error
    return np.ascontiguousarray(np.rot90(image, turns))
