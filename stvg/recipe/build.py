"""From a recipe to objects: the only place that knows concrete classes."""

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
from stvg.compute.device import usable
from stvg.errors import InputError
from stvg.evaluation.baselines import WholeLocalizer
from stvg.fusion.ranking import Explainer
from stvg.fusion.score_fusion import FusionConfig, JointWeights, ScoreFusion, read_fitted_weights
from stvg.interfaces import Detector, FeatureExtractor, MomentLocalizer, TubeMatcher
from stvg.pipeline import Grounder, Preparer
from stvg.recipe.networks import config_values, load_network
from stvg.recipe.schema import (
    DetectorConfig,
    Device,
    FeaturesConfig,
    Recipe,
)
from stvg.recipe.workspace import fusion_file, temporal_folder
from temporal.localizer import MMNLocalizer
from temporal.mmn.text_cache import CachedVectors
from temporal.sequences import ClipSequences, PeopleSequences, VideoSequence
from temporal.training.checkpoint import best_weights


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
            return TransformersDetector(**values, device=usable(device))
        case TorchvisionConfig():
            return TorchvisionDetector(**values, device=usable(device))
        case MmdetConfig():
            return MmdetDetector(**values, device=usable(device))
        case Detectron2Config():
            return Detectron2Detector(**values, device=usable(device))
    assert_never(config)


def _features(config: FeaturesConfig, device: Device) -> FeatureExtractor:
    values = config_values(config)
    match config:
        case ClassicConfig():
            return ClassicFeatures(**values)
        case ImageEncoderConfig():
            encoder, processor = load_image_encoder(values.pop("model"))
            return ImageEncoderFeatures(encoder, processor, **values, device=usable(device))
        case VideoNetworkConfig():
            library, model, weights = (values.pop(name) for name in ("library", "model", "weights"))
            return VideoNetworkFeatures(load_video_encoder(library, model, weights, usable(device)), **values)
        case ImageTextConfig():
            return ImageTextFeatures(load_image_text_model(values.pop("model"), usable(device)), **values)
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
    if alone:
        return Grounder(WholeLocalizer(), load_matcher(recipe), build_fusion(recipe))
    return Grounder(*load_stages(recipe), build_fusion(recipe))


def build_explainer(recipe: Recipe) -> Explainer:
    """Return the trained pipeline with reasons: the answers of build_grounder, and the values behind them.

    Raises:
        InputError: as build_grounder.
    """
    if recipe.zero_shot:
        return Explainer(*_untrained_stages(recipe), build_fusion(recipe))
    return Explainer(*load_stages(recipe), build_fusion(recipe))


def _untrained_stages(recipe: Recipe) -> tuple[MomentLocalizer, TubeMatcher]:
    """Return both stages of a recipe without training."""
    if not isinstance(recipe.features, ImageTextConfig):
        raise InputError(f"zero_shot: expected features.kind image_text, got {recipe.features.kind}")
    model = load_image_text_model(recipe.features.model, usable(recipe.device))
    parts = model.embed_sentences, model.scale
    return ZeroShotLocalizer(*parts), ZeroShotMatcher(*parts)


def build_fusion(recipe: Recipe, mode: str | None = None) -> ScoreFusion:
    """Return the fusion of the recipe, or of another mode; weights that the recipe does not name are those fitted."""
    config: FusionConfig = recipe.fusion
    weights = config.weights or read_fitted_weights(fusion_file(recipe)) or JointWeights()
    return ScoreFusion(
        mode or config.mode, weights, config.max_extrapolation, config.contrastive_power, config.smoothing
    )


def load_stages(recipe: Recipe) -> tuple[MMNLocalizer, MMNTubeMatcher]:
    """Return both trained stages; they share the text encoder where they name the same one and neither trains it.

    Raises:
        InputError: as build_grounder.
    """
    localizer, vectors = load_localizer(recipe), None
    if recipe.matcher.text == recipe.temporal.text and isinstance(localizer.sentences, CachedVectors):
        vectors = localizer.sentences
    return localizer, load_matcher(recipe, vectors)


def load_localizer(recipe: Recipe) -> MMNLocalizer:
    """Return the trained temporal stage.

    Raises:
        InputError: as build_grounder.
    """
    network, sentences = load_network(recipe, recipe.temporal)
    return MMNLocalizer(network, sentences, clip_sequences(recipe), recipe.temporal.power)


def load_matcher(recipe: Recipe, vectors: CachedVectors | None = None) -> MMNTubeMatcher:
    """Return the trained spatial stage; `vectors` of its sentences are used if it does not train its text encoder.

    Raises:
        InputError: as build_grounder.
    """
    return MMNTubeMatcher(*load_network(recipe, recipe.matcher, vectors))


def clip_sequences(recipe: Recipe) -> ClipSequences:
    """Return the clip sequences that the temporal stage searches.

    Raises:
        InputError: a search in whole videos with imported features, which have no features of whole videos.
    """
    if recipe.temporal.search == "video" and isinstance(recipe.features, ImportedConfig):
        raise InputError("temporal.search: expected people with features.kind imported, got video")
    num_clips = recipe.temporal.network.num_pre_clips
    return VideoSequence(num_clips) if recipe.temporal.search == "video" else PeopleSequences(num_clips)
