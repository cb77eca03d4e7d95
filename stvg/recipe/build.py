"""Build objects from a recipe; only here concrete classes are chosen."""

import logging
from dataclasses import replace
from typing import assert_never

from spatial.detectors.detectron2 import Detectron2Config, Detectron2Detector
from spatial.detectors.hog import HogConfig, HogDetector
from spatial.detectors.mmdet import MmdetConfig, MmdetDetector
from spatial.detectors.mot_file import FileConfig, FileDetector
from spatial.detectors.onnx import OnnxConfig, OnnxDetector
from spatial.detectors.torchvision import TorchvisionConfig, TorchvisionDetector
from spatial.detectors.transformers import TransformersConfig, TransformersDetector
from spatial.features.classic import ClassicConfig, ClassicFeatures
from spatial.features.image_encoder import ImageEncoderConfig, ImageEncoderFeatures, load_image_encoder
from spatial.features.image_text import ImageTextConfig, ImageTextFeatures, load_image_text_model
from spatial.features.imported import IMPORT_COMMAND, ImportedConfig
from spatial.features.video_backbones import load_video_encoder
from spatial.features.video_encoder import VideoNetworkConfig, VideoNetworkFeatures
from spatial.matching.matcher import MMNTubeMatcher
from spatial.matching.zero_shot import ZeroShotLocalizer, ZeroShotMatcher
from spatial.tracking.linker import OfflineLinker
from spatial.tracking.tracker import EngineTracker
from stvg.errors import InputError
from stvg.fusion.score_fusion import JointWeights, Mode, ScoreFusion, read_fitted_weights
from stvg.interfaces import Detector, FeatureExtractor, MomentLocalizer, TubeMatcher
from stvg.pipeline import Grounder, Preparer, WholeLocalizer
from stvg.recipe.networks import config_values, load_network, ready_device
from stvg.recipe.schema import (
    DetectorConfig,
    Device,
    FeaturesConfig,
    Recipe,
)
from stvg.recipe.workspace import fusion_file, matcher_folder, temporal_folder
from temporal.localizer import MMNLocalizer
from temporal.sequences import PeopleStreams, Streams, VideoStream
from temporal.training.checkpoint import best_weights

logger = logging.getLogger(__name__)


def build_preparer(recipe: Recipe) -> Preparer:
    """Return what turns a video into candidate tubes and features.

    Raises:
        InputError: a model file is missing, or the features are imported ones.
    """
    return Preparer(
        detector=_detector(recipe.detector, recipe.device),
        tracker=EngineTracker(**config_values(recipe.tracking)),
        linker=OfflineLinker(**config_values(recipe.linking)),
        features=_features(recipe.features, recipe.device),
        stride=recipe.video.stride,
        max_side=recipe.video.max_side,
    )


def _detector(config: DetectorConfig, device: Device) -> Detector:
    values = config_values(config)
    match config:
        case FileConfig():
            return FileDetector(**values)
        case OnnxConfig():
            return OnnxDetector(**values)
        case HogConfig():
            return HogDetector(**values)
        case TransformersConfig():
            return TransformersDetector(**values, device=ready_device(device))
        case TorchvisionConfig():
            return TorchvisionDetector(**values, device=ready_device(device))
        case MmdetConfig():
            return MmdetDetector(**values, device=ready_device(device))
        case Detectron2Config():
            return Detectron2Detector(**values, device=ready_device(device))
    assert_never(config)


def _features(config: FeaturesConfig, device: Device) -> FeatureExtractor:
    values = config_values(config)
    match config:
        case ClassicConfig():
            return ClassicFeatures(**values)
        case ImageEncoderConfig():
            encoder, processor = load_image_encoder(values.pop("model"))
            return ImageEncoderFeatures(encoder, processor, **values, device=ready_device(device))
        case VideoNetworkConfig():
            library, model, weights = (values.pop(name) for name in ("library", "model", "weights"))
            return VideoNetworkFeatures(load_video_encoder(library, model, weights, ready_device(device)), **values)
        case ImageTextConfig():
            return ImageTextFeatures(load_image_text_model(values.pop("model"), ready_device(device)), **values)
        case ImportedConfig():
            raise InputError(
                "features.kind: expected an extractor for videos that are not prepared yet, got imported; "
                f"run {IMPORT_COMMAND}"
            )
    assert_never(config)


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


def _untrained_stages(recipe: Recipe) -> tuple[MomentLocalizer, TubeMatcher]:
    """Return both stages of a recipe without training."""
    if not isinstance(recipe.features, ImageTextConfig):
        raise InputError(f"zero_shot: expected features.kind image_text, got {recipe.features.kind}")
    model = load_image_text_model(recipe.features.model, ready_device(recipe.device))
    parts = model.embed_sentences, model.scale
    return ZeroShotLocalizer(*parts), ZeroShotMatcher(*parts)


def build_fusion(recipe: Recipe, mode: Mode | None = None) -> ScoreFusion:
    """Return the fusion of the recipe, or of another mode.

    Joint weights are those of the recipe, else those fitted on val, else all 1; for joint the log says which.

    Raises:
        InputError: the file of fitted weights cannot be read.
    """
    config = replace(recipe.fusion, mode=mode or recipe.fusion.mode)
    path = fusion_file(recipe)
    fitted = None if config.weights else read_fitted_weights(path)
    weights = config.weights or fitted or JointWeights()
    if config.mode == "joint":
        without = f"fitted on val, {path}" if fitted else f"none are fitted: no {path}"
        logger.info("joint weights: %s (%s)", weights, "of the recipe" if config.weights else without)
    return ScoreFusion(config, weights)


def load_localizer(recipe: Recipe) -> MMNLocalizer:
    """Return the trained temporal stage.

    Raises:
        InputError: as build_grounder.
    """
    network, sentences = load_network(recipe, recipe.temporal, temporal_folder(recipe), "tools/train_temporal.py")
    return MMNLocalizer(network, sentences, temporal_streams(recipe), recipe.temporal.power)


def load_matcher(recipe: Recipe) -> MMNTubeMatcher:
    """Return the trained spatial stage.

    Raises:
        InputError: as build_grounder.
    """
    network, sentences = load_network(recipe, recipe.matcher, matcher_folder(recipe), "tools/train_matcher.py")
    return MMNTubeMatcher(network, sentences, recipe.matcher.network.num_pre_clips)


def temporal_streams(recipe: Recipe) -> Streams:
    """Return what gives the temporal stage's streams of a video.

    Raises:
        InputError: streams of whole videos, of which imported features tell nothing.
    """
    if recipe.temporal.streams == "video" and isinstance(recipe.features, ImportedConfig):
        raise InputError("temporal.streams: expected people with features.kind imported, got video")
    num_clips = recipe.temporal.network.num_pre_clips
    return VideoStream(num_clips) if recipe.temporal.streams == "video" else PeopleStreams(num_clips)
