"""Build objects from a recipe; only here concrete classes are chosen."""

import logging
from dataclasses import replace

from spatial.features.image_text import ImageTextConfig, load_image_text_model
from spatial.features.imported import ImportedConfig
from spatial.matching.matcher import MMNTubeMatcher
from spatial.matching.zero_shot import ZeroShotLocalizer, ZeroShotMatcher
from spatial.tracking.tracker import BidirectionalTracker
from spatial.tracking.tracklet_linker import OfflineLinker
from stvg.compute.device import usable
from stvg.errors import InputError
from stvg.fusion.score_fusion import JointWeights, Mode, ScoreFusion, read_fitted_weights
from stvg.interfaces import MomentLocalizer, TubeMatcher
from stvg.pipeline import Grounder, Preparer, WholeLocalizer
from stvg.recipe.networks import load_network
from stvg.recipe.schema import Recipe
from stvg.recipe.workspace import fusion_file, temporal_folder
from temporal.localizer import MMNLocalizer
from temporal.mmn.text_cache import CachedVectors, SubjectVectors
from temporal.sequences import ClipSequences, PeopleSequences, VideoSequence
from temporal.training.checkpoint import best_weights

logger = logging.getLogger(__name__)


def build_preparer(recipe: Recipe) -> Preparer:
    """Return what turns a video into candidate tubes and features.

    Raises:
        InputError: a model file is missing, or the features are imported ones.
    """
    return Preparer(
        detector=recipe.detector.build(recipe.device),
        tracker=BidirectionalTracker(recipe.tracking),
        linker=OfflineLinker(recipe.linking),
        features=recipe.features.build(recipe.device),
        sampling=recipe.video,
    )


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


def _untrained_stages(recipe: Recipe) -> tuple[MomentLocalizer, TubeMatcher]:
    """Return both stages of a recipe without training."""
    if not isinstance(recipe.features, ImageTextConfig):
        raise InputError(f"zero_shot: expected features.kind image_text, got {recipe.features.kind}")
    model = load_image_text_model(recipe.features.model, usable(recipe.device))
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


def load_stages(recipe: Recipe) -> tuple[MMNLocalizer, MMNTubeMatcher]:
    """Return both trained stages; they share the text encoder where they name the same one and neither trains it.

    Raises:
        InputError: as build_grounder.
    """
    localizer, vectors = load_localizer(recipe), None
    sentences = localizer.sentences
    own = sentences.whole if isinstance(sentences, SubjectVectors) else sentences
    if recipe.matcher.text == recipe.temporal.text and isinstance(own, CachedVectors):
        vectors = own
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
