from pathlib import Path

import numpy as np
import pytest

from spatial.features.descriptors.motion import MOTION_DIM
from spatial.features.descriptors.scene import CAMERA_MOTION_DIM
from spatial.features.image_encoder import ImageEncoderConfig, ImageEncoderFeatures, load_image_encoder
from stvg.config import parse_config
from stvg.errors import InputError
from stvg.types import Tube, VideoFrames, VideoMeta

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
EMBEDDING = 16
SIZES = {
    "hidden_size": EMBEDDING,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


def save_vit(folder):
    torch.manual_seed(0)
    transformers.ViTModel(transformers.ViTConfig(**SIZES)).save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)


def save_clip(folder):
    torch.manual_seed(0)
    text = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 20,
    }
    config = transformers.CLIPConfig(text_config=text, vision_config=SIZES, projection_dim=8)
    transformers.CLIPModel(config).save_pretrained(folder)
    transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32).save_pretrained(folder)


def save_siglip(folder):
    torch.manual_seed(0)
    text = {**SIZES, "vocab_size": 20, "projection_size": EMBEDDING}
    transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=SIZES)).save_pretrained(folder)
    transformers.SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)


def save_dinov2(folder):
    torch.manual_seed(0)
    transformers.Dinov2Model(transformers.Dinov2Config(**SIZES)).save_pretrained(folder)
    transformers.BitImageProcessor(size={"shortest_edge": 32}, crop_size=32).save_pretrained(folder)


def save_bert(folder):
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=20
    )
    transformers.BertModel(config).save_pretrained(folder)
    transformers.ViTImageProcessor().save_pretrained(folder)


@pytest.fixture
def footage():
    images = np.random.default_rng(0).integers(0, 256, (5, 90, 160, 3), dtype=np.uint8)
    return VideoFrames(VideoMeta("a.mp4", Path("a.mp4"), 10, 10.0, 160, 90), np.arange(0, 10, 2), images, 1.0, ())


def tube(x, count=10):
    return Tube(0, 0, np.tile(np.float32([x, 10, x + 30, 80]), (count, 1)), np.ones(count), np.ones(count, bool))


@pytest.mark.parametrize("save", [save_vit, save_clip, save_siglip, save_dinov2])
def test_rows_hold_the_embedding_and_the_motion(save, tmp_path, footage):
    save(tmp_path)
    extractor = ImageEncoderConfig(model=str(tmp_path), batch_size=2).build("cpu")
    clip, (first, short) = extractor.extract(footage, [tube(20), tube(90, count=3)])
    assert clip.shape == (5, EMBEDDING + CAMERA_MOTION_DIM)
    assert first.shape == (5, EMBEDDING + MOTION_DIM)
    assert short.shape == (2, EMBEDDING + MOTION_DIM)
    assert clip.dtype == first.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(first[:, :EMBEDDING], axis=1), EMBEDDING**0.5, rtol=1e-4)


def test_embeddings_are_the_models_own_whatever_the_batch(tmp_path, footage):
    save_vit(tmp_path)
    encoder, processor = load_image_encoder(str(tmp_path))
    clips = [
        ImageEncoderFeatures(ImageEncoderConfig(batch_size=n), encoder, processor).extract(footage, [])[0]
        for n in (1, 3, 32)
    ]
    np.testing.assert_allclose(clips[0], clips[1], atol=1e-5)
    np.testing.assert_allclose(clips[0], clips[2], atol=1e-5)
    with torch.inference_mode():
        pixels = processor(images=[footage.images[3]], return_tensors="pt")["pixel_values"]
        expected = encoder(pixel_values=pixels).pooler_output[0].numpy()
    found = clips[0][3, :EMBEDDING]
    np.testing.assert_allclose(found / np.linalg.norm(found), expected / np.linalg.norm(expected), atol=1e-4)


def test_the_box_is_what_is_embedded(tmp_path, footage):
    save_vit(tmp_path)
    extractor = ImageEncoderConfig(model=str(tmp_path)).build("cpu")
    _, (here, there) = extractor.extract(footage, [tube(20), tube(100)])
    assert np.abs(here[:, :EMBEDDING] - there[:, :EMBEDDING]).max() > 1e-3


def test_a_folder_without_a_model_fails_in_one_line(tmp_path):
    with pytest.raises(InputError, match="expected a transformers vision model") as error:
        load_image_encoder(str(tmp_path))
    assert "\n" not in str(error.value)


def test_a_text_encoder_fails(tmp_path):
    save_bert(tmp_path)
    with pytest.raises(InputError, match="takes images, got BertModel"):
        load_image_encoder(str(tmp_path))


def test_config():
    config = parse_config(ImageEncoderConfig, {"kind": "image_encoder", "model": "folder"}, "test")
    assert config.model == "folder"
    with pytest.raises(InputError, match="unknown key weights"):
        parse_config(ImageEncoderConfig, {"weights": "x"}, "test")
