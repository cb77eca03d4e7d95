from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stvg.errors import InputError
from stvg.io.video import read_footage, read_meta, stream_images
from stvg.types import Image

CLIPS = Path(__file__).resolve().parents[4] / "shared" / "data" / "clips"


def numbered(count: int, width: int = 64, height: int = 48) -> Image:
    """Frames that tell their number by their brightness, the left quarter white."""
    images = np.zeros((count, height, width, 3), np.uint8)
    images[:] = (4 * np.arange(count, dtype=np.uint8))[:, None, None, None]
    images[:, :, : width // 4] = 255
    return images


def write(path: Path, images: Image, fps: int = 10, rotation: int = 0, codec: str = "libx264", **options: str) -> Path:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = "yuv444p" if images.shape[1] % 2 or images.shape[2] % 2 else "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        container.start_encoding()
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def noisy(count: int) -> Image:
    return np.random.default_rng(0).integers(0, 255, (count, 48, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_meta_is_that_of_the_file(tmp_path: Path, suffix: str) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    path = write(tmp_path / f"v.{suffix}", numbered(37), fps=25, codec=codec)
    meta = read_meta(path, "7_v.mp4")
    assert (meta.video_id, meta.path, meta.num_frames, meta.width, meta.height) == ("7_v.mp4", path, 37, 64, 48)
    assert meta.fps == pytest.approx(25, rel=0.01)


@pytest.mark.parametrize(("stride", "max_side"), [(1, 64), (3, 64), (5, 32), (100, 640)])
def test_footage_keeps_every_nth_frame_of_those_decoded(tmp_path: Path, stride: int, max_side: int) -> None:
    path = write(tmp_path / "v.mp4", numbered(50))
    footage = read_footage(path, "v.mp4", stride, max_side)
    assert footage.frames.tolist() == list(range(0, 50, stride))
    assert footage.meta == read_meta(path, "v.mp4")
    assert footage.images.shape[1:] == ((48, 64, 3) if max_side >= 64 else (24, 32, 3))
    assert footage.scale == footage.images.shape[1] / 48
    brightness = footage.images[:, :, footage.images.shape[2] // 2 :].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(brightness, 4 * footage.frames, atol=3)


@pytest.mark.parametrize("stride", [1, 4])
def test_cuts_are_original_frame_numbers(tmp_path: Path, stride: int) -> None:
    images = np.full((40, 48, 64, 3), (40, 90, 60), np.uint8)
    images[22:] = (200, 60, 50)
    assert read_footage(write(tmp_path / "v.mp4", images), "v.mp4", stride, 64).cuts == (22,)


def test_stream_yields_all_frames_in_full_size(tmp_path: Path) -> None:
    path = write(tmp_path / "v.mp4", numbered(20))
    images = list(stream_images(path))
    assert len(images) == 20
    np.testing.assert_array_equal(np.stack(images), read_footage(path, "v.mp4", 1, 64).images)


@pytest.mark.parametrize(
    ("rotation", "shape", "white"),
    [(90, (64, 48), np.s_[48:, :]), (-90, (64, 48), np.s_[:16, :]), (180, (48, 64), np.s_[:, 48:])],
    ids=["counter-clockwise: left goes down", "clockwise: left goes up", "upside down"],
)
def test_rotation_is_applied(tmp_path: Path, rotation: int, shape: tuple[int, int], white: tuple[slice, slice]) -> None:
    path = write(tmp_path / "v.mp4", numbered(8), rotation=rotation)
    footage = read_footage(path, "v.mp4", 1, 640)
    assert (footage.meta.height, footage.meta.width) == footage.images.shape[1:3] == shape
    assert read_meta(path, "v.mp4") == footage.meta
    assert footage.images[0][white].mean() > 245
    assert footage.images[0].mean() == pytest.approx(255 / 4, abs=3)


def test_odd_sizes(tmp_path: Path) -> None:
    footage = read_footage(write(tmp_path / "v.mkv", numbered(5, 67, 45)), "v.mkv", 1, 33)
    assert (footage.meta.width, footage.meta.height, footage.images.shape) == (67, 45, (5, 22, 33, 3))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_variable_frame_rate(tmp_path: Path, suffix: str) -> None:
    """Frames keep their order and number; the rate is the mean over the whole stream."""
    path = tmp_path / f"v.{suffix}"
    shown_ms = np.cumsum(np.r_[0, np.tile([20, 40, 200, 20, 100], 8)])[:40]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=50)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for image, when in zip(numbered(40), shown_ms.tolist(), strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = when, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    footage = read_footage(path, path.name, 3, 64)
    assert footage.meta == read_meta(path, path.name)
    assert footage.frames.tolist() == list(range(0, 40, 3))
    np.testing.assert_allclose(footage.images[:, :, 32:].mean(axis=(1, 2, 3)), 4 * footage.frames, atol=3)
    assert footage.meta.fps == pytest.approx(39 / (shown_ms[-1] / 1000), rel=0.08)  # mp4 counts the last picture too


def test_4k(tmp_path: Path) -> None:
    path = write(tmp_path / "v.mp4", numbered(3, 3840, 2160), preset="ultrafast")
    footage = read_footage(path, "v.mp4", 1, 640)
    assert (footage.meta.width, footage.meta.height) == (3840, 2160)
    assert footage.images.shape == (3, 360, 640, 3)
    assert footage.scale == pytest.approx(1 / 6)
    np.testing.assert_allclose(footage.images[:, :, 320:].mean(axis=(1, 2, 3)), 4 * footage.frames, atol=3)


def test_one_frame(tmp_path: Path) -> None:
    footage = read_footage(write(tmp_path / "v.mp4", numbered(1)), "v.mp4", 6, 64)
    assert (footage.meta.num_frames, footage.frames.tolist(), footage.cuts) == (1, [0], ())


def cut_off(path: Path, share: float, **options: str) -> None:
    data = write(path, noisy(60), **options).read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def damaged(path: Path) -> None:
    data = bytearray(write(path, noisy(60)).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = bytes(9000)
    path.write_bytes(data)


def sound_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        sound.rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("none.mp4", lambda path: None, "found no such file"),
        ("folder.mp4", lambda path: path.mkdir(), "found a folder"),
        ("empty.mp4", lambda path: path.touch(), "found an empty file"),
        ("text.mp4", lambda path: path.write_text("hello"), "cut off or of another kind"),
        ("no_index.mp4", lambda path: cut_off(path, 0.6), "cut off or of another kind"),
        ("cut_off.mp4", lambda path: cut_off(path, 0.6, movflags="faststart"), r"60 frames.* cut off after frame 3\d"),
        ("cut_off.mkv", lambda path: cut_off(path, 0.6), r"expected 6.00 s .* ends after frame 3\d"),
        ("sound.mp4", sound_only, "expected a video stream"),
        ("no_frames.avi", lambda path: write(path, numbered(0), codec="mpeg4"), "at least one frame"),
        ("no_frames.mp4", lambda path: write(path, numbered(0)), "expected a video stream, found 0"),
    ],
)
def test_unusable_files_give_one_line(tmp_path: Path, name: str, make: Callable[[Path], object], message: str) -> None:
    path = tmp_path / name
    make(path)
    for read in (
        lambda: read_meta(path, name),
        lambda: read_footage(path, name, 2, 64),
        lambda: [*stream_images(path)],
    ):
        with pytest.raises(InputError, match=message) as caught:
            read()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_damage_in_the_middle_names_the_frame(tmp_path: Path) -> None:
    damaged(tmp_path / "v.mp4")
    assert read_meta(tmp_path / "v.mp4", "v.mp4").num_frames == 60  # the packets are there, their content is not
    with pytest.raises(InputError, match=r"v\.mp4: expected a whole video, got an error after frame \d+"):
        read_footage(tmp_path / "v.mp4", "v.mp4", 1, 64)


@pytest.mark.parametrize(("stride", "max_side"), [(0, 64), (1, 0)])
def test_senseless_arguments(tmp_path: Path, stride: int, max_side: int) -> None:
    with pytest.raises(ValueError, match="stride >= 1"):
        read_footage(tmp_path / "v.mp4", "v.mp4", stride, max_side)


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not there")
@pytest.mark.parametrize(
    ("name", "num_frames", "size"),
    [("two_men.mp4", 72, (1920, 1080)), ("charades.mp4", 460, (480, 270)), ("juggle.mp4", 247, (1280, 720))],
)
def test_real_clips(name: str, num_frames: int, size: tuple[int, int]) -> None:
    footage = read_footage(CLIPS / name, name, 6, 320)
    assert footage.meta == read_meta(CLIPS / name, name)
    assert (footage.meta.num_frames, footage.meta.width, footage.meta.height) == (num_frames, *size)
    assert footage.cuts == ()


def test_a_mirrored_picture_is_mirrored_not_turned(tmp_path: Path) -> None:
    """A display matrix of selfie cameras, put in place of the one that turns nothing."""
    path = write(tmp_path / "v.mp4", numbered(8))
    plain = np.stack(list(stream_images(path)))
    one, minus = (1 << 16).to_bytes(4, "big"), ((1 << 32) - (1 << 16)).to_bytes(4, "big")
    last = bytes(12) + (1 << 30).to_bytes(4, "big")
    data = path.read_bytes()
    start = data.index(one + bytes(12) + one + last, data.index(b"tkhd"))
    path.write_bytes(data[:start] + minus + data[start + 4 :])
    np.testing.assert_array_equal(np.stack(list(stream_images(path))), plain[:, :, ::-1])
    assert read_footage(path, "v", 1, 640).images.shape == plain.shape


def test_a_part_of_a_film_may_begin_at_any_time(tmp_path: Path) -> None:
    """Matroska's duration counts from 0, as in what ffmpeg -c copy -f segment leaves."""
    whole, part = write(tmp_path / "v.mp4", numbered(20)), tmp_path / "part.mkv"
    with av.open(str(whole)) as source, av.open(str(part), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                later = int(5 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + later, packet.dts + later, stream
                target.mux(packet)
    assert read_meta(part, "v").num_frames == 20
