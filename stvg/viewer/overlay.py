"""Draw an answer on its video, with sentence and time line.

Frames pass through one by one, so memory stays flat whatever the length. The result is H.264 in an mp4 with yuv420p
pixels and even sides, which every browser plays.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from stvg.io.files import refuse_overwriting
from stvg.io.video import stream_images
from stvg.io.video_writer import write_video
from stvg.types import FrameSpan, Image, Tube, VideoMeta

ENCODER = {"crf": "21", "preset": "veryfast"}
"""Options of libx264 for videos that people look at."""
_MAX_SIDE = 1280
_MAX_LINES = 6
COLOURS = {"predicted": (60, 220, 90), "true": (255, 170, 40), "other": (170, 170, 170)}
"""RGB of the boxes and bars of the answer, of the truth and of the other candidates."""
_PAPER, _INK = (24, 26, 30), (240, 240, 240)
"""RGB of the background and of the text below the picture."""
_RAIL, _CURSOR = (70, 74, 82), (255, 255, 255)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Sizes in pixels: of the picture in the video made, of the strip below it, and of its time line."""

    width: int
    height: int
    scale: float
    font: int
    num_frames: int

    @property
    def margin(self) -> int:
        """Empty space around things."""
        return self.font // 2

    def column(self, frame: int) -> int:
        """Return the x at which `frame` begins on the time line."""
        return self.margin + round(frame / self.num_frames * (self.width - 2 * self.margin))


def write_overlay(
    video: VideoMeta, out: Path, prediction: Tube, caption: str, truth: Tube | None = None, others: Sequence[Tube] = ()
) -> None:
    """Write `video` to the mp4 `out` with `prediction` (cropped to its span) and `caption` on it.

    `truth` is drawn in another colour and gets its own bar on the time line; `others` are candidates, drawn thin.
    Pictures with a side over 1280 pixels are scaled down. `out` appears whole or not at all.

    Raises:
        InputError: a video that cannot be read, or an output that cannot be written, is that video or no .mp4.
    """
    refuse_overwriting(out, [video.path])
    shrink = min(1.0, _MAX_SIDE / max(video.width, video.height))
    width, height = (max(2, round(side * shrink / 2) * 2) for side in (video.width, video.height))
    layout = _Layout(width, height, width / video.width, max(12, width // 38), video.num_frames)
    strip, rail_top = _draw_strip(layout, video, caption, prediction.span, truth.span if truth else None)
    tubes = [(tube, COLOURS["other"], 1) for tube in others]
    tubes += [(truth, COLOURS["true"], 2)] if truth else []
    tubes.append((prediction, COLOURS["predicted"], 3))
    images = _draw(video.path, layout, strip, rail_top, tubes)
    write_video(out, images, video.fps, width, height + len(strip), ENCODER)


def _draw(
    source: Path, layout: _Layout, strip: Image, rail_top: int, tubes: Sequence[tuple[Tube, tuple[int, int, int], int]]
) -> Iterator[Image]:
    """Yield every frame with its boxes, the strip and its cursor below."""
    for frame, image in enumerate(stream_images(source)):
        picture = cv2.resize(image, (layout.width, layout.height), interpolation=cv2.INTER_AREA)
        for tube, colour, thickness in tubes:
            draw_box(picture, tube, frame, layout.scale, colour, thickness)
        below = strip.copy()
        column = min(layout.column(frame), layout.width - 2)
        below[rail_top - layout.margin // 2 :, column - 1 : column + 1] = _CURSOR
        yield np.concatenate([picture, below])


def draw_box(
    picture: Image, tube: Tube, frame: int, scale: float, colour: tuple[int, int, int], thickness: int
) -> None:
    """Draw the tube's box of this frame, if it has one, on the picture (H, W, 3), which is `scale` times the video."""
    index = frame - tube.start_frame
    if 0 <= index < len(tube.boxes_xyxy):
        x1, y1, x2, y2 = (round(float(value) * scale) for value in tube.boxes_xyxy[index])
        cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), colour, thickness, cv2.LINE_AA)


def _draw_strip(
    layout: _Layout, meta: VideoMeta, caption: str, predicted: FrameSpan, true: FrameSpan | None
) -> tuple[Image, int]:
    """Return the strip below the picture without its cursor, (h, width, 3) with h even, and the y of its time line."""
    from PIL import Image as PillowImage
    from PIL import ImageDraw

    font = _load_font(layout.font)
    lines = wrap_text(caption, layout.width - 2 * layout.margin, font.getlength)
    step, rail = round(layout.font * 1.35), max(4, layout.font // 2)
    rail_top = layout.margin + step * (len(lines) + 1) + layout.margin
    height = rail_top + rail * (3 if true else 1) + layout.margin
    strip = PillowImage.new("RGB", (layout.width, height + height % 2), _PAPER)
    draw = ImageDraw.Draw(strip)
    for number, line in enumerate(lines):
        draw.text((layout.margin, layout.margin + number * step), line, font=font, fill=_INK)
    x, y = layout.margin, layout.margin + len(lines) * step
    for index, (name, span) in enumerate((("predicted", predicted), ("true", true))):
        if span is not None:
            colour = COLOURS[name]
            text = f"{name} {span.start / meta.fps:.1f}–{span.stop / meta.fps:.1f} s   "  # noqa: RUF001 (an en dash)
            draw.text((x, y), text, font=font, fill=colour)
            x += round(font.getlength(text))
            top = rail_top + 2 * index * rail
            draw.rectangle((layout.column(0), top, layout.column(meta.num_frames), top + rail - 1), fill=_RAIL)
            draw.rectangle((layout.column(span.start), top, layout.column(span.stop), top + rail - 1), fill=colour)
    return np.array(strip), rail_top


def _load_font(size: int) -> Any:
    """Return a font of Pillow that has most alphabets, `size` pixels high: the one that matplotlib ships."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def wrap_text(text: str, width: float, length_of: Callable[[str], float]) -> list[str]:
    r"""Return `text` as lines no longer than `width`, broken at spaces, or inside words that are longer than a line.

    `length_of(line)` measures a line. White space of any kind becomes one space; past six lines the rest becomes "…".

    >>> wrap_text("the man  in a\nhat", 8, len)
    ['the man', 'in a hat']
    """
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".strip()
        if length_of(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and length_of(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    if len(lines) > _MAX_LINES:
        last = lines[_MAX_LINES - 1]
        while last and length_of(last + "…") > width:
            last = last[:-1]
        lines = [*lines[: _MAX_LINES - 1], last + "…"]
    return lines
