"""Build, load and describe the networks of a recipe."""

from typing import Any

from stvg.compute.device import usable
from stvg.config import dump_config
from stvg.errors import InputError
from stvg.recipe.schema import BenchmarkRecipe, Recipe, StageConfig, TemporalConfig
from stvg.recipe.workspace import weights_file
from temporal.mmn.network import MMN, make_mmn
from temporal.mmn.text_cache import CachedTokens, CachedVectors, SentenceSource, SubjectVectors
from temporal.mmn.text_encoder import TextBackbone, load_text_backbone, load_text_tokenizer
from temporal.training.checkpoint import read_checkpoint

_NOT_DESCRIBED = ("feature_dropout", "map_kernel")
"""Fields of MMNConfig that change neither the weights nor what they compute."""


def describe_network(recipe: Recipe | BenchmarkRecipe, stage: StageConfig, input_size: int) -> dict[str, Any]:
    """Return the config that a checkpoint is stored with: the network's sizes, its text encoder and its features."""
    if isinstance(recipe, BenchmarkRecipe):
        features = {"clamp": recipe.data.clamp}
    else:
        unseen = getattr(recipe.features, "not_described", ())
        values = {key: value for key, value in dump_config(recipe.features).items() if key not in unseen}
        features = {f"features.{key}": value for key, value in values.items()}
    search = {"search": stage.search} if isinstance(stage, TemporalConfig) else {}
    text = {"text": stage.text, "text_learns": text_learns(stage), **({"subject": True} if stage.subject else {})}
    sizes = {key: value for key, value in dump_config(stage.network).items() if key not in _NOT_DESCRIBED}
    return {"input_size": input_size, **features, **text, **search, **sizes}


def text_learns(stage: StageConfig) -> bool:
    """Tell whether training ever moves the text encoder; if not, sentence vectors are computed once and cached."""
    return stage.training.frozen_text_epochs < stage.training.epochs


def build_network(
    stage: StageConfig, input_size: int, device: str, vectors: CachedVectors | None = None
) -> tuple[MMN, SentenceSource]:
    """Return an untrained network on `device` for features of width `input_size`, and the source of its sentences.

    `vectors` are those of the stage's text encoder where they are there already; else the encoder is loaded.

    Raises:
        InputError: sizes that do not fit each other, a text encoder that cannot be loaded, or no such device.
    """
    backbone: TextBackbone | None = None
    if text_learns(stage):
        if stage.subject:
            raise InputError("config: subject: expected a text encoder that does not learn (frozen_text_epochs)")
        sentences: SentenceSource = CachedTokens(load_text_tokenizer(stage.text))
        backbone = load_text_backbone(stage.text)
        text_size = backbone.hidden_size
    else:
        vectors = vectors or load_vectors(stage.text)
        known = SubjectVectors(vectors) if stage.subject else vectors
        sentences, text_size = known, known.size
    try:
        network = make_mmn(stage.network, input_size, text_size, backbone)
    except ValueError as error:
        raise InputError(f"config: network: {error}") from error
    return network.to(usable(device)), sentences


def load_vectors(text: str) -> CachedVectors:
    """Return the source of sentence vectors of the frozen text encoder `text`.

    Raises:
        InputError: it cannot be loaded.
    """
    return CachedVectors(load_text_tokenizer(text), load_text_backbone(text))


def load_network(
    recipe: Recipe | BenchmarkRecipe, stage: StageConfig, vectors: CachedVectors | None = None
) -> tuple[MMN, SentenceSource]:
    """Return a trained network, that of `stage.checkpoint` or the best under output.root, and its sentences' source.

    `vectors` are as for build_network.

    Raises:
        InputError: as stvg.recipe.build.build_grounder.
    """
    path = weights_file(recipe, stage)
    if not path.is_file() and isinstance(recipe, Recipe):
        demo = "stvg demo trains both stages of configs/demo.yaml on synthetic videos"
        raise InputError(f"{path}: expected trained weights, found none; run {stage.command} ({demo})")
    checkpoint = read_checkpoint(path, stage.command)
    checkpoint.check(describe_network(recipe, stage, checkpoint.input_size))
    network, sentences = build_network(stage, checkpoint.input_size, recipe.device, vectors)
    checkpoint.load_into(network)
    return network, sentences
