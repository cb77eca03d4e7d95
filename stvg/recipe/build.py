"""From a recipe to objects: the only place that knows concrete classes."""

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any, assert_never

from spatial.detectors.detectron2 import Detectron2Config, Detectron2Detector
from spatial.detectors.hog import HogConfig, HogDetector
from spatial.detectors.mmdet import MmdetConfig, MmdetDetector
from spatial.detectors.mot_file import FileConfig, FileDetector, detections_path
from spatial.detectors.onnx import OnnxConfig, OnnxDetector
from spatial.detectors.torchvision import TorchvisionConfig, TorchvisionDetector
from spatial.detectors.transformers import TransformersConfig, TransformersDetector
from spatial.features.classic import ClassicConfig, ClassicFeatures
from spatial.features.image_encoder import ImageEncoderConfig, ImageEncoderFeatures, load_image_encoder
from spatial.features.image_text import ImageTextConfig, ImageTextFeatures, load_image_text_model
from spatial.features.imported import IMPORT_COMMAND, ImportedConfig, imported_source
from spatial.features.video_backbones import load_video_encoder
from spatial.features.video_encoder import VideoNetworkConfig, VideoNetworkFeatures
from spatial.matching.matcher import MMNTubeMatcher
from spatial.matching.zero_shot import ZeroShotLocalizer, ZeroShotMatcher
from spatial.tracking.linker import OfflineLinker
from spatial.tracking.tracker import EngineTracker
from stvg.compute.allocator import keep_freed_memory
from stvg.compute.device import usable
from stvg.config import dump_config
from stvg.errors import InputError
from stvg.evaluation.baselines import WholeLocalizer
from stvg.fusion.ranking import Explainer
from stvg.fusion.score_fusion import FusionConfig, JointWeights, ScoreFusion
from stvg.interfaces import Detector, FeatureExtractor, MomentLocalizer, TubeMatcher
from stvg.pipeline import Grounder, Preparer
from stvg.prepare.store import PreparedStore, source_fingerprint
from stvg.recipe.schema import (
    BenchmarkRecipe,
    DetectorConfig,
    Device,
    FeaturesConfig,
    Recipe,
    StageConfig,
    TemporalConfig,
)
from stvg.training.joint_weights import read_fitted_weights
from temporal.localizer import MMNLocalizer
from temporal.mmn.network import MMN, make_mmn
from temporal.mmn.text_cache import CachedTokens, CachedVectors, SentenceSource
from temporal.mmn.text_encoder import load_text_backbone, load_text_tokenizer
from temporal.sequences import PeopleStreams, Streams, VideoStream
from temporal.training.checkpoint import best_weights, check_same_config, load_weights, read_description


def build_preparer(recipe: Recipe) -> Preparer:
    """Return what turns a video into candidate tubes and features.

    Raises:
        InputError: a model file is missing, or the features are imported ones.
    """
    return Preparer(
        detector=_detector(recipe.detector, recipe.device),
        tracker=EngineTracker(**_values(recipe.tracking)),
        linker=OfflineLinker(**_values(recipe.linking)),
        features=_features(recipe.features, recipe.device),
        stride=recipe.video.stride,
        max_side=recipe.video.max_side,
    )


def _detector(config: DetectorConfig, device: Device) -> Detector:
    values = _values(config)
    match config:
        case FileConfig():
            return FileDetector(**values)
        case OnnxConfig():
            return OnnxDetector(**values)
        case HogConfig():
            return HogDetector(**values)
        case TransformersConfig():
            return TransformersDetector(**values, device=_ready(device))
        case TorchvisionConfig():
            return TorchvisionDetector(**values, device=_ready(device))
        case MmdetConfig():
            return MmdetDetector(**values, device=_ready(device))
        case Detectron2Config():
            return Detectron2Detector(**values, device=_ready(device))
    assert_never(config)


def _features(config: FeaturesConfig, device: Device) -> FeatureExtractor:
    values = _values(config)
    match config:
        case ClassicConfig():
            return ClassicFeatures(**values)
        case ImageEncoderConfig():
            encoder, processor = load_image_encoder(values.pop("model"))
            return ImageEncoderFeatures(encoder, processor, **values, device=_ready(device))
        case VideoNetworkConfig():
            library, model, weights = (values.pop(name) for name in ("library", "model", "weights"))
            return VideoNetworkFeatures(load_video_encoder(library, model, weights, _ready(device)), **values)
        case ImageTextConfig():
            return ImageTextFeatures(load_image_text_model(values.pop("model"), _ready(device)), **values)
        case ImportedConfig():
            raise InputError(
                "features.kind: expected an extractor for videos that are not prepared yet, got imported; "
                f"run {IMPORT_COMMAND}"
            )
    assert_never(config)


def _ready(device: str) -> str:
    """Return the device of a network, which is there; on the CPU this process then keeps freed memory for tensors."""
    if usable(device) == "cpu":
        keep_freed_memory()
    return device


def prepared_store(recipe: Recipe, split: str) -> PreparedStore:
    """Return the store of a split's prepared videos under this recipe."""
    imported = isinstance(recipe.features, ImportedConfig)
    made_by: tuple[Any, ...] = (recipe.video, recipe.detector, recipe.tracking, recipe.linking)
    parts = (*(() if imported else made_by), recipe.features)
    text = json.dumps([dump_config(part) for part in parts], sort_keys=True)
    path = recipe.output.root / "prepared" / f"{split}.h5"
    command = IMPORT_COMMAND if imported else "stvg prepare"
    return PreparedStore(path, hashlib.sha256(text.encode()).hexdigest(), command)


def video_fingerprint(recipe: Recipe, path: Path) -> str:
    """Return a hash of a video file and of what else preparing it reads: its public detections, where they are used.

    "" where there is no file; of an imported video the name alone counts.
    """
    if isinstance(recipe.features, ImportedConfig):
        return imported_source(path.name)
    if not path.is_file():
        return ""
    detector = recipe.detector
    beside = [detections_path(detector.folder, path)] if isinstance(detector, FileConfig) else []
    return source_fingerprint(path, *(file for file in beside if file.is_file()))


def build_grounder(recipe: Recipe) -> Grounder:
    """Return the trained pipeline, with the best checkpoints under output.root and the weights fitted there.

    Mode tube_mmn asks for a moment only where nobody was found: with no temporal stage trained, it is the whole video.

    Raises:
        InputError: a checkpoint is missing, or belongs to another config; in a recipe without training, features that
            know no sentences.
    """
    if recipe.zero_shot:
        return Grounder(*_untrained_stages(recipe), build_fusion(recipe))
    untrained = recipe.temporal.checkpoint is None and not best_weights(temporal_folder(recipe)).is_file()
    alone = untrained and recipe.fusion.mode == "tube_mmn"
    localizer: MomentLocalizer = WholeLocalizer() if alone else load_localizer(recipe)
    return Grounder(localizer, load_matcher(recipe), build_fusion(recipe))


def build_explainer(recipe: Recipe) -> Explainer:
    """Return the trained pipeline with reasons: the answers of build_grounder, and the values behind them.

    Raises:
        InputError: as build_grounder.
    """
    if recipe.zero_shot:
        return Explainer(*_untrained_stages(recipe), build_fusion(recipe))
    return Explainer(load_localizer(recipe), load_matcher(recipe), build_fusion(recipe))


def _untrained_stages(recipe: Recipe) -> tuple[MomentLocalizer, TubeMatcher]:
    """Return both stages of a recipe without training."""
    if not isinstance(recipe.features, ImageTextConfig):
        raise InputError(f"zero_shot: expected features.kind image_text, got {recipe.features.kind}")
    model = load_image_text_model(recipe.features.model, _ready(recipe.device))
    parts = model.embed_sentences, model.scale
    return ZeroShotLocalizer(*parts), ZeroShotMatcher(*parts)


def build_fusion(recipe: Recipe, mode: str | None = None) -> ScoreFusion:
    """Return the fusion of the recipe, or of another mode; weights that the recipe does not name are those fitted."""
    config: FusionConfig = recipe.fusion
    weights = config.weights or read_fitted_weights(fusion_file(recipe)) or JointWeights()
    return ScoreFusion(
        mode or config.mode, weights, config.max_extrapolation, config.contrastive_power, config.smoothing
    )


def load_localizer(recipe: Recipe) -> MMNLocalizer:
    """Return the trained temporal stage.

    Raises:
        InputError: as build_grounder.
    """
    network, sentences = load_network(recipe, recipe.temporal, temporal_folder(recipe), "stvg train temporal")
    return MMNLocalizer(network, sentences, temporal_streams(recipe), recipe.temporal.power)


def load_matcher(recipe: Recipe) -> MMNTubeMatcher:
    """Return the trained spatial stage.

    Raises:
        InputError: as build_grounder.
    """
    network, sentences = load_network(recipe, recipe.matcher, matcher_folder(recipe), "stvg train matcher")
    return MMNTubeMatcher(network, sentences, recipe.matcher.network.num_pre_clips)


def temporal_folder(recipe: Recipe | BenchmarkRecipe) -> Path:
    """Return where the temporal stage's training leaves its checkpoints."""
    return recipe.output.root / "temporal"


def matcher_folder(recipe: Recipe) -> Path:
    """Return where the matcher's training leaves its checkpoints."""
    return recipe.output.root / "matcher"


def fusion_file(recipe: Recipe) -> Path:
    """Return where the joint weights fitted on val stand."""
    return recipe.output.root / "fusion.json"


def temporal_streams(recipe: Recipe) -> Streams:
    """Return what gives the temporal stage's streams of a video.

    Raises:
        InputError: streams of whole videos, of which imported features tell nothing.
    """
    if recipe.temporal.streams == "video" and isinstance(recipe.features, ImportedConfig):
        raise InputError("temporal.streams: expected people with features.kind imported, got video")
    num_clips = recipe.temporal.network.num_pre_clips
    return VideoStream(num_clips) if recipe.temporal.streams == "video" else PeopleStreams(num_clips)


def describe_network(recipe: Recipe | BenchmarkRecipe, stage: StageConfig, input_size: int) -> dict[str, Any]:
    """Return what a checkpoint says of the network that it belongs to, and of the features that it reads."""
    if isinstance(recipe, BenchmarkRecipe):
        features = {"clamp": recipe.data.clamp}
    else:
        features = {f"features.{key}": value for key, value in dump_config(recipe.features).items()}
    streams = {"streams": stage.streams} if isinstance(stage, TemporalConfig) else {}
    text = {"text": stage.text, "text_learns": text_learns(stage)}
    sizes = {
        key: value for key, value in dump_config(stage.network).items() if key not in ("feature_dropout", "map_kernel")
    }
    return {"input_size": input_size, **features, **text, **streams, **sizes}


def text_learns(stage: StageConfig) -> bool:
    """Tell whether the recipe ever trains the text encoder; if not, sentence vectors are made once and kept."""
    return stage.training.frozen_text_epochs < stage.training.epochs


def build_network(stage: StageConfig, input_size: int, device: str) -> tuple[MMN, SentenceSource]:
    """Return an untrained network on `device` for features of width `input_size`, and what it is given of sentences.

    Raises:
        InputError: sizes that do not fit each other, a text encoder that cannot be loaded, or no such device.
    """
    tokenizer, backbone = load_text_tokenizer(stage.text), load_text_backbone(stage.text)
    sizes = {**_values(stage.network), "input_size": input_size, "text_size": backbone.hidden_size}
    try:
        network = make_mmn(**sizes, text_backbone=backbone if text_learns(stage) else None)
    except ValueError as error:
        raise InputError(f"config: network: {error}") from error
    network.to(_ready(device))
    return network, CachedTokens(tokenizer) if text_learns(stage) else CachedVectors(tokenizer, backbone)


def load_network(
    recipe: Recipe | BenchmarkRecipe, stage: StageConfig, folder: Path, command: str
) -> tuple[MMN, SentenceSource]:
    """Return a trained network, that of `stage.checkpoint` or the best in `folder`, and what it is given of sentences.

    Raises:
        InputError: as build_grounder; `command` is what makes the checkpoint.
    """
    path = stage.checkpoint or best_weights(folder)
    stored = read_description(path, command)
    input_size = int(stored.get("input_size", 0))
    described = describe_network(recipe, stage, input_size)
    check_same_config(stored, described, path)
    network, sentences = build_network(stage, input_size, recipe.device)
    load_weights(network, described, path, command)
    return network, sentences


def _values(config: Any) -> dict[str, Any]:
    """Return a config's fields as keyword arguments, without the one that only tells kinds apart."""
    return {item.name: getattr(config, item.name) for item in fields(config) if item.name != "kind"}
