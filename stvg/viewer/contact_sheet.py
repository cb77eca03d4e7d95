"""A contact sheet of one answer: frames from before, in and after the moment, with both boxes, on one picture."""

from pathlib import Path

import cv2
import numpy as np

from stvg.io.files import writing
from stvg.io.video import stream_images
from stvg.types import Image, IntArray, Tube, VideoMeta
from stvg.viewer.overlay import COLOURS, INK, PAPER, draw_box, load_font, wrap_text

_COLUMNS, _ROWS = 4, 3
_WIDTH, _GAP = 320, 6


def write_contact_sheet(source: VideoMeta, out: Path, caption: str, found: Tube | None, truth: Tube | None) -> None:
    """Write a PNG of twelve frames of the video in order of time, the sentence above them.

    The frames are spread evenly from a quarter of the moment's length before both spans to as much after them. Below
    the sentence stand both spans in seconds; below each frame its time, and a bar in the colour of the answer and of
    the truth where it lies inside their spans.

    Raises:
        InputError: the video cannot be read or the path not written.
    """
    from PIL import Image as PillowImage
    from PIL import ImageDraw

    frames = choose_frames(source.num_frames, [tube for tube in (found, truth) if tube is not None])
    height = max(2, round(_WIDTH * source.height / source.width))
    font = load_font(15)
    sheet_width = _COLUMNS * (_WIDTH + _GAP) + _GAP
    lines = wrap_text(caption, sheet_width - 2 * _GAP, font.getlength)
    top, step = _GAP + 20 * (len(lines) + 1) + _GAP, height + 28
    sheet = PillowImage.new("RGB", (sheet_width, top + _ROWS * step + _GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((_GAP, _GAP + 20 * number), line, font=font, fill=INK)
    x = _GAP
    for tube, name in ((found, "predicted"), (truth, "true")):
        if tube is not None:
            times = f"{name} {tube.span.start / source.fps:.1f}–{tube.span.stop / source.fps:.1f} s"  # noqa: RUF001
            draw.text((x, _GAP + 20 * len(lines)), times, font=font, fill=COLOURS[name])
            x += round(font.getlength(f"{times}    "))
    pictures = _pictures(source, set(frames.tolist()), height, found, truth)
    for place, frame in enumerate(frames.tolist()):
        x, y = _GAP + place % _COLUMNS * (_WIDTH + _GAP), top + place // _COLUMNS * step
        if frame not in pictures:  # the file yields fewer frames than its index promises
            continue
        sheet.paste(PillowImage.fromarray(pictures[frame]), (x, y))
        draw.text((x, y + height + 4), f"{frame / source.fps:.1f} s", font=font, fill=INK)
        for row, (tube, name) in enumerate(((found, "predicted"), (truth, "true"))):
            if tube is not None and tube.span.start <= frame < tube.span.stop:
                bar = (x + 70, y + height + 6 + 7 * row, x + _WIDTH - 1, y + height + 10 + 7 * row)
                draw.rectangle(bar, fill=COLOURS[name])
    with writing(out) as beside:
        sheet.save(beside)


def choose_frames(num_frames: int, tubes: list[Tube]) -> IntArray:
    """Return the twelve frames (12,) int64 that a sheet shows; of a shorter video some come twice."""
    start = min((tube.span.start for tube in tubes), default=0)
    stop = max((tube.span.stop for tube in tubes), default=num_frames)
    margin = (stop - start) // 4
    first, last = max(0, start - margin), min(num_frames, stop + margin) - 1
    return np.linspace(first, last, _COLUMNS * _ROWS).round().astype(np.int64)


def _pictures(
    source: VideoMeta, frames: set[int], height: int, found: Tube | None, truth: Tube | None
) -> dict[int, Image]:
    pictures: dict[int, Image] = {}
    for frame, image in enumerate(stream_images(source.path)):
        if frame in frames:
            picture: Image = cv2.resize(image, (_WIDTH, height), interpolation=cv2.INTER_AREA)
            for tube, name in ((truth, "true"), (found, "predicted")):
                if tube is not None:
                    draw_box(picture, tube, frame, _WIDTH / source.width, COLOURS[name], 2)
            pictures[frame] = picture
        if frame >= max(frames):
            break
    return pictures
