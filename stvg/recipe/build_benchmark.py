"""Build the feature reader and the moment ranker of a benchmark recipe."""

from dataclasses import replace
from pathlib import Path

from stvg.config import load_config
from stvg.recipe.networks import load_network
from stvg.recipe.schema import BenchmarkRecipe
from temporal.benchmarks.features import ClipReader, FeatureFile
from temporal.benchmarks.ranker import MomentRanker
from temporal.mmn.network import MMN
from temporal.mmn.text_cache import SentenceSource


def feature_file(recipe: BenchmarkRecipe) -> FeatureFile:
    """Return the features of a benchmark's videos.

    Raises:
        InputError: the file cannot be read.
    """
    return FeatureFile(recipe.data.root / recipe.data.features, recipe.data.inner)


def clip_reader(recipe: BenchmarkRecipe, file: FeatureFile) -> ClipReader:
    """Return the reader of the clips of a benchmark's videos."""
    data, num_clips = recipe.data, recipe.temporal.network.num_pre_clips
    return ClipReader(file, num_clips, clamp=data.clamp, memory_gib=data.memory_gib)


def make_ranker(recipe: BenchmarkRecipe, network: MMN, sentences: SentenceSource) -> MomentRanker:
    """Return the ranker of a benchmark around a network."""
    return MomentRanker(network, sentences, recipe.recall, clamp=recipe.data.clamp, power=recipe.temporal.power)


def load_ranker(recipe: BenchmarkRecipe, checkpoint: Path | None) -> MomentRanker:
    """Return a trained network of a benchmark: that of `checkpoint`, or the best under output.root.

    Raises:
        InputError: a checkpoint is missing, or belongs to another config.
    """
    stage = recipe.temporal if checkpoint is None else replace(recipe.temporal, checkpoint=checkpoint)
    return make_ranker(recipe, *load_network(recipe, stage))


def load_temporal(config: str | Path, checkpoint: str | Path | None) -> MomentRanker:
    """Return a trained network of a benchmark for use from Python, from its YAML file and its weights.

    >>> ranker = load_temporal("configs/temporal/charades_vgg.yaml", "charades.safetensors")  # doctest: +SKIP
    >>> ranker.localize(features, ["person opens the door."], duration_s=30.6)  # doctest: +SKIP

    Raises:
        InputError: as load_config and load_ranker.
    """
    recipe = load_config(BenchmarkRecipe, Path(config))
    return load_ranker(recipe, None if checkpoint is None else Path(checkpoint))
