"""Build, load and describe the networks of a recipe."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from stvg.compute.device import ready_device
from stvg.config import dump_config
from stvg.errors import InputError
from stvg.recipe.schema import BenchmarkRecipe, Recipe, StageConfig, TemporalConfig
from temporal.mmn.network import MMN, make_mmn
from temporal.mmn.text_cache import CachedTokens, CachedVectors, SentenceSource
from temporal.mmn.text_encoder import load_text_backbone, load_text_tokenizer
from temporal.training.checkpoint import best_weights, check_same_config, load_weights, read_description


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
    sizes = {**config_values(stage.network), "input_size": input_size, "text_size": backbone.hidden_size}
    try:
        network = make_mmn(**sizes, text_backbone=backbone if text_learns(stage) else None)
    except ValueError as error:
        raise InputError(f"config: network: {error}") from error
    network.to(ready_device(device))
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


def config_values(config: Any) -> dict[str, Any]:
    """Return a config's fields as keyword arguments, without the one that only tells kinds apart."""
    return {item.name: getattr(config, item.name) for item in fields(config) if item.name != "kind"}
