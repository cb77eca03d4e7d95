"""Videos of a report: what browsers play is linked to, the rest encoded so that frame k is shown from k / fps on."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from stvg.errors import InputError
from stvg.io.video import read_meta, stream_images
from stvg.types import Tube, VideoMeta
from stvg.viewer.page.media import is_playable, place_video, write_thumbnail


def make(
    path: Path, codec: str, pix_fmt: str = "yuv420p", times: list[int] | None = None, size: tuple[int, int] = (64, 48)
) -> VideoMeta:
    """Write 20 frames that grow brighter; `times` are their places in tenths of a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.time_base = Fraction(1, 10)
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 10 * index, np.uint8), format="rgb24")
            frame.pts = times[index] if times else index
            frame.time_base = Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return read_meta(path, path.name)


JUMPS = [*range(10), *range(20, 30)]


@pytest.mark.parametrize(
    ("name", "arguments", "playable", "reason"),
    [
        ("a.mp4", {"codec": "libx264"}, True, "H.264 in mp4, frames on time"),
        ("a.mkv", {"codec": "libx264"}, False, "not every browser reads Matroska"),
        ("a.mp4", {"codec": "mpeg4"}, False, "an old codec"),
        ("a.mp4", {"codec": "libx264", "pix_fmt": "yuv444p"}, False, "colours that browsers do not decode"),
        ("a.mp4", {"codec": "libx264", "times": JUMPS}, False, "a gap of a second between two frames"),
    ],
)
def test_what_browsers_play(
    tmp_path: Path, name: str, arguments: dict[str, object], playable: bool, reason: str
) -> None:
    meta = make(tmp_path / name, **arguments)
    assert is_playable(meta) == playable, reason
    placed = place_video(meta, tmp_path / "out")
    assert placed == (name if playable else f"{name}.mp4")
    again = read_meta(tmp_path / "out" / placed, placed)
    assert is_playable(again)
    assert (again.num_frames, again.fps) == (20, pytest.approx(meta.fps))
    grey = [float(image.mean()) for image in stream_images(tmp_path / "out" / placed)]
    assert np.abs(np.array(grey) - 10 * np.arange(20)).max() < 6, "the same frames in the same order"


def test_odd_sides_lose_a_pixel(tmp_path: Path) -> None:
    meta = make(tmp_path / "a.mkv", "libx264", "yuv444p", size=(63, 47))
    placed = read_meta(tmp_path / "out" / place_video(meta, tmp_path / "out"), "x")
    assert (placed.width, placed.height) == (62, 46)


def test_what_is_encoded_is_kept(tmp_path: Path) -> None:
    meta = make(tmp_path / "a.mkv", "libx264")
    target = tmp_path / "out" / place_video(meta, tmp_path / "out")
    before = target.stat().st_mtime_ns
    place_video(meta, tmp_path / "out")
    assert target.stat().st_mtime_ns == before


def test_thumbnail_is_the_middle_frame_with_the_box(tmp_path: Path) -> None:
    meta = make(tmp_path / "a.mp4", "libx264", size=(240, 136))
    found = Tube(0, 8, np.tile([20.0, 20.0, 120.0, 110.0], (5, 1)), np.ones(5), np.ones(5, bool))
    write_thumbnail(meta.path, meta, tmp_path / "t.jpg", found, None)
    picture = cv2.imread(str(tmp_path / "t.jpg"))
    assert picture.shape == (136, 240, 3)
    assert abs(float(picture[60:80, 60:80].mean()) - 100) < 8, "frame 10"
    blue, green, red = picture[20, 40:100].mean(axis=0)
    assert green > 150 > max(blue, red)


def test_a_broken_video_is_named(tmp_path: Path) -> None:
    meta = make(tmp_path / "a.mp4", "libx264")
    (tmp_path / "b.mp4").write_text("text")
    with pytest.raises(InputError, match=r"b\.mp4: expected a video that can be decoded"):
        write_thumbnail(tmp_path / "b.mp4", meta, tmp_path / "t.jpg", None, None)
