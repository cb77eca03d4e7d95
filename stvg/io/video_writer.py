"""Write RGB images as an H.264 video in an mp4 file."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2

from stvg.errors import InputError
from stvg.io.files import is_disk_full, writing
from stvg.types import Image


def write_video(
    out: Path,
    images: Iterable[Image],
    fps: float,
    width: int,
    height: int,
    options: Mapping[str, str],
    *,
    reproducible: bool = False,
) -> None:
    """Encode RGB images (height, width, 3) uint8 by libx264 with its `options`; `out` appears whole or not at all.

    Pixels are yuv420p, and the index stands at the head of the file, so that browsers begin to play at once. With
    `reproducible` the same images give the same bytes on every machine: one thread encodes, OpenCV converts the
    colours (faster than FFmpeg's scaler), and the index stays at the end.

    Raises:
        InputError: the file cannot be written, or its suffix is another than .mp4.
        ValueError: an odd width or height, since H.264's chroma planes have half of each.
    """
    if width % 2 or height % 2:
        raise ValueError(f"video: expected an even width and height, got {width} x {height}")
    if out.suffix.lower() != ".mp4":
        raise InputError(f"{out}: expected the suffix .mp4, as H.264 in mp4 is written, got {out.suffix or 'none'}")
    container_options = {} if reproducible else {"movflags": "faststart"}
    with writing(out) as beside:
        try:
            with av.open(str(beside), "w", format="mp4", options=container_options) as container:
                rate = Fraction(fps).limit_denominator(1001)
                stream: Any = container.add_stream("libx264", rate=rate, options=dict(options))
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                if reproducible:
                    stream.codec_context.thread_count = 1
                for image in images:
                    container.mux(stream.encode(_to_frame(image, by_opencv=reproducible)))
                container.mux(stream.encode())
        except av.error.FFmpegError as error:
            if is_disk_full(error, out.parent):
                raise
            raise InputError(f"{out}: expected a file that can be written, got: {error}") from error


def _to_frame(image: Image, by_opencv: bool) -> Any:
    if by_opencv:
        return av.VideoFrame.from_ndarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), format="yuv420p")
    return av.VideoFrame.from_ndarray(image, format="rgb24")
