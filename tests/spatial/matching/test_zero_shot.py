"""Grounding without training: features that share a space with sentences, and the matcher on them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from spatial.features.image_text import ImageTextConfig, ImageTextFeatures, load_image_text_model
from spatial.matching.zero_shot import NUM_CLIPS, ZeroShotLocalizer, ZeroShotMatcher, standing_out
from stvg.api import ground_video
from stvg.config import load_config, override, parse_config
from stvg.datasets.synthetic.make import write_video
from stvg.errors import InputError
from stvg.fusion.score_fusion import FusionConfig, JointWeights, ScoreFusion
from stvg.io.mot_text import MotRows, write_mot
from stvg.recipe.build import build_grounder
from stvg.recipe.schema import Recipe
from stvg.types import FrameSpan, PreparedVideo, Query, Tube, VideoFrames, VideoMeta

transformers = pytest.importorskip("transformers")
SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
ZERO_SHOT = Path(__file__).parents[3] / "configs" / "pipeline" / "zero_shot.yaml"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "man", "woman", "walks", "sits", "down"]


def save_tokenizer(folder):
    vocab = {word: index for index, word in enumerate(WORDS)}
    transformers.BertTokenizerFast(vocab=vocab).save_pretrained(folder)


def save_clip(folder):
    text = {**SIZES, "vocab_size": 11, "max_position_embeddings": 12, "eos_token_id": 3, "bos_token_id": 2}
    vision = {**SIZES, "image_size": 32, "patch_size": 8}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    transformers.CLIPModel(config).save_pretrained(folder)
    transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32).save_pretrained(folder)
    save_tokenizer(folder)


def save_siglip(folder):
    text = {**SIZES, "vocab_size": 11, "max_position_embeddings": 12, "projection_size": 16}
    vision = {**SIZES, "image_size": 32, "patch_size": 8}
    transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    transformers.SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    save_tokenizer(folder)


@pytest.fixture
def footage():
    images = np.random.default_rng(0).integers(0, 256, (5, 90, 160, 3), dtype=np.uint8)
    return VideoFrames(VideoMeta("a.mp4", Path("a.mp4"), 10, 10.0, 160, 90), np.arange(0, 10, 2), images, 1.0, ())


def tube(x=20, count=10, start=0, tube_id=0):
    box = np.float32([x, 10, x + 30, 80])
    return Tube(tube_id, start, np.tile(box, (count, 1)), np.ones(count), np.ones(count, bool))


@pytest.mark.parametrize(("save", "width"), [(save_clip, 8), (save_siglip, 16)])
def test_pictures_and_sentences_come_into_one_space(save, width, tmp_path, footage):
    torch.manual_seed(0)
    save(tmp_path)
    model = load_image_text_model(str(tmp_path), "cpu")
    clip, (rows, short) = ImageTextFeatures(ImageTextConfig(batch_size=2), model).extract(
        footage, [tube(), tube(90, count=3)]
    )
    sentences = model.embed_sentences(["the man sits down", "the woman walks", " ".join(["walks"] * 50)])
    assert (clip.shape, rows.shape, short.shape, sentences.shape) == ((5, width), (5, width), (2, width), (3, width))
    assert clip.dtype == rows.dtype == sentences.dtype == np.float32
    for vectors in (clip, rows, sentences):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.abs(sentences[0] - sentences[1]).max() > 1e-4
    np.testing.assert_allclose(model.embed_sentences(["the woman walks"])[0], sentences[1], atol=1e-5)
    assert np.abs(rows[0] - clip[0]).max() > 1e-4


def test_cosines_are_the_models_own(tmp_path, footage):
    torch.manual_seed(0)
    save_clip(tmp_path)
    ours = load_image_text_model(str(tmp_path), "cpu")
    model = transformers.CLIPModel.from_pretrained(tmp_path).eval()
    processor = transformers.CLIPImageProcessor.from_pretrained(tmp_path)
    tokens = transformers.AutoTokenizer.from_pretrained(tmp_path)(["the man sits down"], return_tensors="pt")
    pixels = processor(images=list(footage.images), return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        expected = model(**{**tokens, "pixel_values": pixels}).logits_per_image[:, 0].numpy()
    found = ours.embed_images(footage.images, 2) @ ours.embed_sentences(["the man sits down"])[0]
    np.testing.assert_allclose(ours.scale * found, expected, atol=1e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: None,
        lambda folder: transformers.ViTModel(
            transformers.ViTConfig(**SIZES, image_size=32, patch_size=8)
        ).save_pretrained(folder),
    ],
)
def test_a_model_of_another_kind_is_one_line_that_says_what_to_do(make, tmp_path):
    make(tmp_path)
    with pytest.raises(InputError, match=r"expected a CLIP-like model, .* where no hub answers, fetch it") as error:
        load_image_text_model(str(tmp_path), "cpu")
    assert "\n" not in str(error.value)


def naive(similar, span, scale):
    """The scan statistic cell by cell, for lengths that clips divide."""
    clips = similar.reshape(NUM_CLIPS, -1).mean(axis=1).astype(np.float64)
    spans, values = [], []
    for first in range(NUM_CLIPS):
        for last in range(first, NUM_CLIPS):
            inside = clips[first : last + 1]
            outside = np.concatenate([clips[:first], clips[last + 1 :]])
            z = 0.0
            if len(outside):
                error = max(clips.std(), 1 / scale) / np.sqrt(len(inside) * len(outside) / NUM_CLIPS)
                z = (inside.mean() - outside.mean()) / error
            per_clip = span.length // NUM_CLIPS
            spans.append([span.start + first * per_clip, span.start + (last + 1) * per_clip])
            values.append(1 / (1 + np.exp(-z)))
    return spans, values


@pytest.mark.parametrize("seed", range(3))
def test_what_stands_out_equals_a_loop(seed):
    similar = np.random.default_rng(seed).normal(0.25, 0.03, 48).astype(np.float32)
    span = FrameSpan(5, 5 + 64)
    spans, out = standing_out(similar, span, 100.0)
    expected_spans, expected = naive(similar, span, 100.0)
    assert spans.tolist() == expected_spans
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_nothing_stands_out_of_a_still_tube_and_short_tubes_have_no_empty_spans():
    _, out = standing_out(np.full(9, 0.25, np.float32), FrameSpan(0, 90), 100.0)
    np.testing.assert_allclose(out, 0.5, atol=1e-6)
    spans, _ = standing_out(np.full(1, 0.25, np.float32), FrameSpan(3, 8), 100.0)
    assert (spans[:, 1] > spans[:, 0]).all()
    assert spans.min() == 3
    assert spans.max() == 8


def planted():
    """A video of 160 frames with two tubes; the second is like the sentence, most of all in frames 60 to 100."""
    sentence, other = np.eye(4, dtype=np.float32)[:2]
    rows = [np.tile(0.2 * sentence + 0.98 * other, (80, 1)), np.tile(0.3 * sentence + 0.95 * other, (80, 1))]
    rows[1][30:50] = 0.5 * sentence + 0.87 * other
    clip = np.tile(0.1 * sentence + other, (80, 1))
    clip[30:50] = 0.3 * sentence + other
    meta = VideoMeta("a.mp4", Path("a.mp4"), 160, 10.0, 160, 90)
    return sentence, PreparedVideo(meta, clip, (tube(count=160), tube(90, count=160, tube_id=1)), tuple(rows))


@pytest.mark.parametrize("mode", ["tube_mmn", "two_stage", "joint"])
def test_who_and_when_are_found(mode):
    sentence, video = planted()
    parts = (lambda texts: np.stack([sentence] * len(texts))), 100.0
    queries = [Query("q", "a.mp4", "the man sits down")]
    moments, maps = ZeroShotLocalizer(*parts).localize(queries, video), ZeroShotMatcher(*parts).match(queries, video)
    answer = ScoreFusion(FusionConfig(mode=mode), JointWeights()).fuse(queries[0], video, moments[0], maps[0])
    assert answer.tube.tube_id == 1
    assert answer.tube.span == FrameSpan(60, 100)


def test_no_tubes_and_no_queries():
    sentence, video = planted()
    parts = (lambda texts: np.stack([sentence] * len(texts))), 100.0
    nobody = PreparedVideo(video.meta, video.clip_features, (), ())
    assert ZeroShotMatcher(*parts).match([Query("q", "a.mp4", "x")], nobody) == [()]
    assert ZeroShotMatcher(*parts).match([], video) == []
    assert ZeroShotLocalizer(*parts).localize([], video) == []


def test_a_recipe_without_training(tmp_path):
    torch.manual_seed(0)
    save_clip(tmp_path)
    plain = {
        "data": {"root": "d"},
        "output": {"root": str(tmp_path)},
        "detector": {"kind": "hog"},
        "zero_shot": True,
        "fusion": {"mode": "tube_mmn"},
    }
    recipe = parse_config(Recipe, plain | {"features": {"kind": "image_text", "model": str(tmp_path)}}, "here")
    meta = VideoMeta("a.mp4", Path("a.mp4"), 160, 10.0, 160, 90)
    rows = np.random.default_rng(0).normal(size=(3, 80, 8)).astype(np.float32)
    video = PreparedVideo(meta, rows[0], (tube(count=160), tube(90, count=160, tube_id=1)), (rows[1], rows[2]))
    query = Query("q", "a.mp4", "the man sits down")
    (answer,) = build_grounder(recipe).ground([query], video)
    assert answer.prediction.query_id == "q"
    assert len(answer.ranking.tubes) == 2
    with pytest.raises(InputError, match=r"zero_shot: expected features\.kind image_text, got classic"):
        build_grounder(parse_config(Recipe, plain, "here"))


def test_a_video_of_ones_own_before_any_training(tmp_path):
    torch.manual_seed(0)
    save_clip(tmp_path / "clip")
    pictures = np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), dtype=np.uint8)
    write_video(tmp_path / "mine.mp4", pictures, 10, 64, 48)
    boxes = np.tile(np.float32([5, 5, 25, 45]), (20, 1))
    write_mot(tmp_path / "mine.txt", MotRows(np.arange(20), np.full(20, -1), boxes, np.full(20, 0.9, np.float32)))
    recipe = load_config(
        Recipe,
        ZERO_SHOT,
        [
            override("features.model", tmp_path / "clip"),
            "detector.kind=file",
            override("detector.folder", tmp_path),
            "video.stride=2",
            override("output.root", tmp_path / "out"),
        ],
    )
    answer = ground_video(recipe, tmp_path / "mine.mp4", "The man sits down.", tmp_path / "out")
    assert answer is not None
    assert answer.tube.span.stop <= 20
    assert {"results.json", "mine_overlay.mp4"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_config():
    assert parse_config(ImageTextConfig, {"kind": "image_text", "model": "folder"}, "x").model == "folder"
