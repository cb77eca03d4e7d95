from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from stvg.errors import InputError
from stvg.io.video import read_meta, stream_images
from stvg.types import Tube, VideoMeta
from stvg.viewer.overlay import wrap_text, write_overlay

GREEN, ORANGE, GREY = np.array([60, 220, 90]), np.array([255, 170, 40]), np.array([170, 170, 170])


@pytest.fixture(params=[(320, 180), (181, 241)], ids=["even", "odd"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Forty dark frames."""
    width, height = request.param
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        for _ in range(40):
            image = np.full((height, width, 3), 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return tmp_path / "in.mkv"


def tube(start: int, stop: int, box: tuple[int, int, int, int]) -> Tube:
    count = stop - start
    return Tube(0, start, np.tile(np.array(box), (count, 1)), np.ones(count), np.ones(count, bool))


def has(image: np.ndarray, colour: np.ndarray) -> bool:
    return bool((np.abs(image.astype(int) - colour).max(axis=-1) < 40).sum() > 30)


def test_overlay_shows_boxes_in_their_spans_and_a_moving_cursor(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.mp4"
    others = [tube(0, 40, (5, 100, 30, 150))]
    meta = read_meta(source, "in")
    found, truth = tube(10, 20, (40, 20, 90, 120)), tube(15, 30, (60, 30, 120, 140))
    write_overlay(meta, out, found, "The man turns.", truth, others)
    images = list(stream_images(out))
    shown = read_meta(out, "out")
    assert (shown.num_frames, shown.fps) == (40, meta.fps)
    assert shown.width % 2 == shown.height % 2 == 0
    assert shown.height > meta.height + 30
    pictures = [image[: meta.height - 1] for image in images]
    assert [f for f, image in enumerate(pictures) if has(image, GREEN)] == list(range(10, 20))
    assert [f for f, image in enumerate(pictures) if has(image, ORANGE)] == list(range(15, 30))
    bottoms = [image[-4:].astype(int).sum(axis=(0, 2)) for image in images]
    cursors = [int(bottom.argmax()) for bottom in bottoms]
    assert all(later >= earlier for earlier, later in pairwise(cursors))
    assert cursors[-1] - cursors[0] > 0.8 * meta.width


def test_codec_is_what_browsers_play(source: Path, tmp_path: Path) -> None:
    write_overlay(read_meta(source, "in"), tmp_path / "out.mp4", tube(0, 40, (4, 4, 50, 90)), "A woman.")
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")


@pytest.mark.parametrize(
    "caption", ["", "x" * 500, "站起来 走到门口", "عربى \u0000\u202e \U0001f600", "a\nb\tc", "word " * 400]
)
def test_any_caption(source: Path, tmp_path: Path, caption: str) -> None:
    write_overlay(read_meta(source, "in"), tmp_path / "out.mp4", tube(0, 40, (4, 4, 50, 90)), caption)
    assert read_meta(tmp_path / "out.mp4", "out").height < 3 * read_meta(source, "in").height


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_text("no video")
    meta = VideoMeta("in.mp4", tmp_path / "in.mp4", 4, 10.0, 64, 96)
    with pytest.raises(InputError, match=r"in\.mp4"):
        write_overlay(meta, tmp_path / "out.mp4", tube(0, 4, (4, 4, 50, 90)), "A woman.")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.parametrize(
    ("text", "width", "lines", "reason"),
    [
        ("", 9, [""], "no words"),
        ("one two three", 99, ["one two three"], "fits"),
        ("one two three", 7, ["one two", "three"], "breaks at a space"),
        ("abcdefgh ij", 5, ["abcde", "fgh", "ij"], "breaks a long word"),
        ("a b c d e f g h", 1, ["a", "b", "c", "d", "e", "…"], "ends after six lines"),
    ],
)
def test_wrap_text(text: str, width: int, lines: list[str], reason: str) -> None:
    assert wrap_text(text, width, len) == lines, reason
