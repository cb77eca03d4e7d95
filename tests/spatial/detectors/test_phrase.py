"""Tiny models with random weights of the true classes, saved to folders and found by their names there."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from spatial.detectors.phrase import PhraseConfig, PhraseDetector
from stvg.config import load_config
from stvg.errors import InputError
from stvg.recipe.schema import Recipe
from stvg.types import VideoFrames, VideoMeta

PHRASE_YAML = Path(__file__).parents[3] / "configs" / "pipeline" / "phrase.yaml"
TEXT = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors are so small that several threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def vocabulary() -> dict[str, int]:
    """BERT's own numbers of the tokens that Grounding DINO knows by number: [CLS] 101, [SEP] 102, full stop 1012."""
    named = {
        0: "[PAD]",
        100: "[UNK]",
        101: "[CLS]",
        102: "[SEP]",
        103: "[MASK]",
        1012: ".",
        1013: "person",
        1014: "dog",
    }
    return {named.get(number, f"[unused{number}]"): number for number in range(1030)}


def save(model: torch.nn.Module, folder: Path) -> None:
    """Save the model, its weights shaken: else all queries have nearly the same scores."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
    model.save_pretrained(folder)


def save_grounding_dino(folder: Path, family: str = "GroundingDino") -> None:
    swin = transformers.SwinConfig(
        embed_dim=8, depths=[1, 1, 1], num_heads=[2, 2, 2], window_size=4, out_features=["stage1", "stage2", "stage3"]
    )
    config = getattr(transformers, f"{family}Config")(
        backbone_config=swin,
        text_config=transformers.BertConfig(**TEXT, vocab_size=1030),
        num_queries=12,
        encoder_layers=1,
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_layers=2,
        decoder_ffn_dim=16,
        decoder_attention_heads=2,
        d_model=32,
        num_feature_levels=4,
        max_text_len=16,
    )
    save(getattr(transformers, f"{family}ForObjectDetection")(config), folder)
    images = transformers.GroundingDinoImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 128})
    tokenizer = transformers.BertTokenizerFast(vocab=vocabulary())
    transformers.GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)


def save_mm_grounding_dino(folder: Path) -> None:
    save_grounding_dino(folder, "MMGroundingDino")


def save_owlv2(folder: Path) -> None:
    config = transformers.Owlv2Config(
        text_config={
            **TEXT,
            "vocab_size": 1030,
            "max_position_embeddings": 8,
            "bos_token_id": 101,
            "eos_token_id": 102,
        },
        vision_config={**TEXT, "image_size": 64, "patch_size": 16},
        projection_dim=16,
    )
    save(transformers.Owlv2ForObjectDetection(config), folder)
    images = transformers.Owlv2ImageProcessorPil(size={"height": 64, "width": 64})
    tokenizer = transformers.BertTokenizerFast(vocab=vocabulary(), model_max_length=8)
    transformers.Owlv2Processor(images, tokenizer).save_pretrained(folder)


SAVES = {"grounding-dino": save_grounding_dino, "mm-grounding-dino": save_mm_grounding_dino, "owlv2": save_owlv2}


@pytest.fixture(scope="module", params=list(SAVES))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param)
    SAVES[request.param](path)
    return path


def footage(count: int = 5) -> VideoFrames:
    images = np.random.default_rng(0).integers(0, 255, (count, 45, 80, 3), dtype=np.uint8)
    meta = VideoMeta("v.mp4", Path("v.mp4"), 3 * count, 10.0, 160, 90)
    return VideoFrames(meta, 3 * np.arange(count), images, 0.5, ())


def detector(folder: Path, **options: Any) -> PhraseDetector:
    return PhraseConfig(name=str(folder), **{"threshold": 0.0, "min_side": 0.0, **options}).build("cpu")


def test_boxes_are_the_models_own(folder: Path) -> None:
    found = detector(folder).detect(footage())
    assert [item.frame for item in found] == [0, 3, 6, 9, 12]
    processor = transformers.AutoProcessor.from_pretrained(folder)
    model = transformers.AutoModelForZeroShotObjectDetection.from_pretrained(folder).eval()
    for item, image in zip(found, footage().images, strict=True):
        with torch.no_grad():
            outputs = model(**processor(images=image, text=[["person"]], return_tensors="pt"))
        (result,) = processor.post_process_grounded_object_detection(outputs, threshold=0.0, target_sizes=[(90, 160)])
        scores, order = result["scores"].sort(descending=True, stable=True)
        expected = result["boxes"][order].clamp(min=torch.zeros(4), max=torch.tensor([160.0, 90, 160, 90]))
        assert len(item) > 5
        np.testing.assert_allclose(item.scores, scores, atol=1e-4)
        np.testing.assert_allclose(np.sort(item.boxes_xyxy, 0), np.sort(expected, 0), atol=0.05)


def test_the_phrase_decides(folder: Path) -> None:
    person, same, dog, both = (
        detector(folder, phrase=phrase).detect(footage(1))[0].scores
        for phrase in ("person.", "Person", "dog", "dog. person.")
    )
    np.testing.assert_array_equal(person, same)
    assert np.abs(person - dog).max() > 1e-3
    assert np.abs(person - both).max() > 1e-3


def test_batch_size_does_not_change_the_answer(folder: Path) -> None:
    one, many = (detector(folder, batch_size=size).detect(footage()) for size in (1, 4))
    for first, second in zip(one, many, strict=True):
        np.testing.assert_allclose(first.scores, second.scores, atol=1e-4)


def test_threshold(folder: Path) -> None:
    assert all(len(item) == 0 for item in detector(folder, threshold=1.0).detect(footage()))


def test_half_precision_is_near(folder: Path) -> None:
    """On the CPU; on a GPU the same lines run."""
    full, half = (detector(folder, half=half).detect(footage(1))[0] for half in (False, True))
    assert full.scores.max() == pytest.approx(half.scores.max(), abs=0.05)
    assert not np.array_equal(full.scores, half.scores)


def test_labels_go_as_lists_and_all_that_the_processor_gives_reaches_the_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = detector(folder, phrase="A person. Dog.", batch_size=2)
    texts, given, passed = [], [], []
    processor, forward = made._processor, made._model.forward

    class Watched:
        post_process_grounded_object_detection = processor.post_process_grounded_object_detection

        def __call__(self, **inputs: Any) -> Any:
            texts.append(inputs["text"])
            outputs = processor(**inputs)
            given.append(set(outputs))
            return outputs

    def watched_forward(**inputs: Any) -> Any:
        passed.append(set(inputs))
        return forward(**inputs)

    monkeypatch.setattr(made, "_processor", Watched())
    monkeypatch.setattr(made._model, "forward", watched_forward)
    made.detect(footage(3))
    assert texts == [[["a person", "dog"]] * 2, [["a person", "dog"]]]
    assert given == passed
    assert {"pixel_values", "input_ids", "attention_mask"} <= given[0]


def test_not_finite_is_refused(folder: Path) -> None:
    made = detector(folder)
    with torch.no_grad():
        for weight in made._model.parameters():
            weight.fill_(torch.nan)
    with pytest.raises(InputError, match=r"v\.mp4: frames 0 to 0: expected finite scores from"):
        made.detect(footage(1))


def save_bert(path: Path) -> Path:
    transformers.BertModel(transformers.BertConfig(**TEXT, vocab_size=30)).save_pretrained(path)
    return path


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (
            lambda rtdetr, _: rtdetr,
            "expected one of grounding-dino, .*, got rt_detr; detector.kind=transformers runs it$",
        ),
        (lambda _, path: save_bert(path), "expected one of grounding-dino, .*, got bert$"),
        (lambda _, path: path / "none", "expected a folder or hub name of a zero-shot detector, got: "),
    ],
    ids=["another detector", "no detector", "no folder"],
)
def test_other_folders_are_one_line(
    place: Callable[[Path, Path], Path], expected: str, rtdetr_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        detector(place(rtdetr_folder, tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("phrase", ["", " . ."])
def test_a_phrase_without_words(phrase: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"phrase: expected words, such as 'person\.', got"):
        detector(tmp_path, phrase=phrase)


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"^detector phrase: expected .*pip install transformers$"):
        detector(tmp_path)


def test_the_recipe(folder: Path) -> None:
    recipe = load_config(Recipe, PHRASE_YAML, [f"detector.name={folder}"])
    assert recipe.detector == PhraseConfig(name=str(folder), phrase="person.", threshold=0.25)
    assert isinstance(recipe.detector.build("cpu"), PhraseDetector)
