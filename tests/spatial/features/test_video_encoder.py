from pathlib import Path

import numpy as np
import pytest
import torch

from spatial.features.descriptors.crops import TubeSamples, sample_tube
from spatial.features.descriptors.flow_histograms import HISTOGRAM_DIM, flow_histograms
from spatial.features.descriptors.motion import MOTION_DIM, flow_fields, flow_in_boxes
from spatial.features.descriptors.scene import CAMERA_MOTION_DIM
from spatial.features.descriptors.shape import body_height
from spatial.features.video_backbones import VideoEncoder, load_video_encoder
from spatial.features.video_encoder import VideoNetworkConfig, VideoNetworkFeatures
from stvg.config import parse_config
from stvg.errors import InputError
from stvg.types import Tube, VideoFrames, VideoMeta

transformers = pytest.importorskip("transformers")
SIZES = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}


def footage_of(images, stride=2, cuts=()):
    count = len(images)
    meta = VideoMeta("a.mp4", Path("a.mp4"), stride * count, 10.0, images.shape[2], images.shape[1])
    return VideoFrames(meta, np.arange(0, stride * count, stride), images, 1.0, cuts)


def tube(x=20, count=40, right=30):
    return Tube(0, 0, np.tile(np.float32([x, 10, x + right, 80]), (count, 1)), np.ones(count), np.ones(count, bool))


def brightness_encoder(frames=4, side=8, last_to_nan=False):
    """A stand-in for a network: the mean brightness of each image of the clip, and 1."""

    def run(clips):
        means = clips.mean(dim=(1, 3, 4))
        means = means * float("nan") if last_to_nan else means
        return torch.cat([means, torch.ones(len(clips), 1)], dim=1)

    return VideoEncoder(run, frames, side, (0.0,) * 3, (1.0,) * 3, "cpu")


@pytest.fixture
def flickering():
    """20 images, 5 a second, each as bright as its number times 10."""
    images = np.zeros((20, 90, 160, 3), np.uint8)
    images[:] = (10 * np.arange(20, dtype=np.uint8))[:, None, None, None]
    return footage_of(images)


def test_rows_hold_embedding_histograms_and_motion(flickering):
    clip, (whole, short) = VideoNetworkFeatures(VideoNetworkConfig(), brightness_encoder()).extract(
        flickering, [tube(), tube(count=3)]
    )
    assert clip.shape == (20, 5 + CAMERA_MOTION_DIM)
    assert whole.shape == (20, 5 + HISTOGRAM_DIM + MOTION_DIM)
    assert short.shape == (2, 5 + HISTOGRAM_DIM + MOTION_DIM)
    assert clip.dtype == whole.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(whole[:, :5], axis=1), 5**0.5, rtol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_a_clip_spreads_its_images_over_the_window(flickering, batch_size):
    extractor = VideoNetworkFeatures(
        VideoNetworkConfig(window_s=1.6, every_s=1.0, batch_size=batch_size), brightness_encoder()
    )
    _, (rows,) = extractor.extract(flickering, [tube()])
    seen = 255 * rows[:, :4] / rows[:, 4:5] / 10
    # Clips lie at 0, 1, 2, 3 s; each looks 0.6 and 0.2 s back and forth, that is 3 and 1 images. Row 8 is at 1.6 s.
    np.testing.assert_allclose(seen[0], [0, 0, 1, 3], atol=0.1)
    np.testing.assert_allclose(seen[8], [7, 9, 11, 13], atol=0.1)
    np.testing.assert_allclose(seen[19], [12, 14, 16, 18], atol=0.1)


def test_a_clip_follows_the_person_and_keeps_the_form():
    images = np.zeros((10, 90, 160, 3), np.uint8)
    for row in range(10):
        images[row, 20:60, 10 * row : 10 * row + 40] = 200  # moves to the right by its quarter each time
    seen = []

    def run(clips):
        seen.append(clips)
        return torch.ones(len(clips), 1)

    encoder = VideoEncoder(run, 3, 8, (0.0,) * 3, (1.0,) * 3, "cpu")
    boxes = np.stack([np.float32([5 * k + 10, 20, 5 * k + 30, 60]) for k in range(20)])  # the middle half of the square
    moving = Tube(0, 0, boxes, np.ones(20), np.ones(20, bool))
    VideoNetworkFeatures(VideoNetworkConfig(margin=0.0), encoder).extract(footage_of(images), [moving])
    people = seen[-1]
    assert people.shape[1:] == (3, 3, 8, 8)
    assert float(people.min()) > 0.7  # squares, 40 pixels wide: all bright, in every image of every clip


def test_nan_is_refused(flickering):
    with pytest.raises(InputError, match=r"a\.mp4: expected finite features"):
        VideoNetworkFeatures(VideoNetworkConfig(), brightness_encoder(last_to_nan=True)).extract(flickering, [])


@pytest.mark.parametrize("seed", range(3))
def test_histograms_equal_a_loop(seed):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (90, 200, 3), dtype=np.uint8)
    shown = footage_of(np.stack([picture[:, 2 * k : 2 * k + 160] for k in range(4)]))
    one = sample_tube(shown, tube(count=8))
    fields = flow_fields(shown, [one], 80)
    height = body_height(one)
    found = flow_histograms(fields, one, height).reshape(4, 4, 3, 9)
    flow = flow_in_boxes(fields, one)[..., :2] / height[:, None, None, None]
    for row, top, left in np.ndindex(4, 4, 3):
        votes = np.zeros(9)
        for dx, dy in flow[row, 4 * top : 4 * top + 4, 4 * left : 4 * left + 4].reshape(-1, 2):
            speed = np.hypot(dx, dy)
            place = 8 if speed < 0.1 else int(np.round(np.degrees(np.arctan2(dy, dx)) / 45)) % 8
            votes[place] += max(speed, 0.1)
        np.testing.assert_allclose(found[row, top, left] ** 2, votes / votes.sum() / 12, atol=1e-5)


def test_who_walks_to_the_right_has_that_direction():
    rng = np.random.default_rng(0)
    picture, person = (rng.integers(0, 256, (90, side, 3), dtype=np.uint8) for side in (160, 30))
    images = np.stack([picture] * 5)
    for row in range(5):
        images[row, 10:80, 40 + 4 * row : 70 + 4 * row] = person[10:80]
    boxes = np.stack([np.float32([40 + 2 * k, 10, 70 + 2 * k, 80]) for k in range(10)])
    shown = footage_of(images)
    one = sample_tube(shown, Tube(0, 0, boxes, np.ones(10), np.ones(10, bool)))
    found = flow_histograms(flow_fields(shown, [one], 160), one, body_height(one)).reshape(5, 12, 9)
    assert ((found**2).sum(axis=1).argmax(axis=1) == 0).all()
    assert isinstance(one, TubeSamples)


def save_videomae(folder):
    config = transformers.VideoMAEConfig(**SIZES, num_frames=4, tubelet_size=2)
    transformers.VideoMAEModel(config).save_pretrained(folder)
    transformers.VideoMAEImageProcessor(size={"shortest_edge": 16}, crop_size=16).save_pretrained(folder)


def save_x_clip(folder):
    text = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 20,
    }
    vision = {**SIZES, "num_frames": 4, "mit_hidden_size": 8, "mit_intermediate_size": 8, "mit_num_attention_heads": 2}
    config = transformers.XCLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    transformers.XCLIPModel(config).save_pretrained(folder)
    transformers.VideoMAEImageProcessor(size={"shortest_edge": 16}, crop_size=16).save_pretrained(folder)


@pytest.mark.parametrize(("save", "width"), [(save_videomae, 16), (save_x_clip, 8)])
def test_networks_of_transformers(save, width, tmp_path, flickering):
    torch.manual_seed(0)
    save(tmp_path)
    encoder = load_video_encoder("transformers", str(tmp_path), None, "cpu")
    assert (encoder.frames, encoder.side) == (4, 16)
    clips = np.random.default_rng(0).integers(0, 256, (3, 4, 16, 16, 3), dtype=np.uint8)
    vectors = encoder.embed(clips)
    assert vectors.shape == (3, width)
    np.testing.assert_allclose(encoder.embed(clips[1:2])[0], vectors[1], atol=1e-5)
    if width == 16:
        processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
        pixels = processor([list(clip) for clip in clips], return_tensors="pt")["pixel_values"]
        model = transformers.AutoModel.from_pretrained(tmp_path).eval()
        with torch.inference_mode():
            expected = model(pixels).last_hidden_state.mean(dim=1).numpy()
        np.testing.assert_allclose(vectors, expected, atol=1e-4)
    _, (rows,) = VideoNetworkFeatures(VideoNetworkConfig(), encoder).extract(flickering, [tube()])
    assert rows.shape == (20, width + HISTOGRAM_DIM + MOTION_DIM)


def test_what_cannot_be_used_is_one_line(tmp_path):
    transformers.ViTModel(transformers.ViTConfig(**SIZES)).save_pretrained(tmp_path)
    transformers.ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(tmp_path)
    (tmp_path / "empty").mkdir()
    for options, message in [
        (("transformers", str(tmp_path), None), "expected a network that takes clips, got ViTModel"),
        (("transformers", str(tmp_path / "empty"), None), "expected a video network of transformers"),
        (("transformers", "any", tmp_path), "features.weights: expected none"),
    ]:
        with pytest.raises(InputError, match=message) as error:
            load_video_encoder(*options, "cpu")
        assert "\n" not in str(error.value)


def test_no_torchvision_is_one_line_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torchvision", None)
    monkeypatch.setitem(__import__("sys").modules, "torchvision.models", None)
    with pytest.raises(InputError, match=r"expected the package torchvision, .*to install: pip install") as error:
        load_video_encoder("torchvision", "r3d_18", None, "cpu")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "width", "side"), [("r3d_18", 512, 112), ("s3d", 1024, 224), ("mvit_v2_s", 768, 224)])
def test_networks_of_torchvision(name, width, side, tmp_path):
    models = pytest.importorskip("torchvision").models
    torch.manual_seed(0)
    network = models.get_model(name, weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    encoder = load_video_encoder("torchvision", name, tmp_path / "weights.pth", "cpu")
    assert (encoder.frames, encoder.side) == (16, side)
    clips = np.random.default_rng(0).integers(0, 256, (1, 16, side, side, 3), dtype=np.uint8)
    vectors = encoder.embed(clips)
    assert vectors.shape == (1, width)
    last = next(getattr(network, head) for head in ("fc", "head", "classifier") if hasattr(network, head))
    pixels = torch.from_numpy(clips).permute(0, 4, 1, 2, 3).float() / 255
    mean, std = (torch.tensor(one)[:, None, None, None] for one in (encoder.mean, encoder.std))
    with torch.inference_mode():
        given = torch.from_numpy(vectors)
        again = last(given[:, :, None, None, None]).flatten(1) if name == "s3d" else last(given)
        torch.testing.assert_close(again, network((pixels - mean) / std), atol=1e-3, rtol=1e-3)
    with pytest.raises(InputError, match=r"weights\.pth"):
        load_video_encoder("torchvision", "r2plus1d_18", tmp_path / "weights.pth", "cpu")
    with pytest.raises(InputError, match="expected one of"):
        load_video_encoder("torchvision", "resnet18", None, "cpu")


def test_config():
    config = parse_config(VideoNetworkConfig, {"kind": "video_network", "library": "torchvision", "model": "s3d"}, "x")
    assert (config.library, config.model, config.weights) == ("torchvision", "s3d", None)
    with pytest.raises(InputError, match="library"):
        parse_config(VideoNetworkConfig, {"library": "keras"}, "x")
