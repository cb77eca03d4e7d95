"""Files of trained weights: safetensors, with the config that the weights belong to in the metadata."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from stvg.errors import InputError
from stvg.io.files import writing
from temporal.training.weight_check import known_sizes, weight_problems

ORIGIN = "origin"
"""Key of a checkpoint's config that says whose weights these are, where another project trained them."""


def best_weights(folder: Path) -> Path:
    """Return where a training run in `folder` keeps its best weights."""
    return folder / "best.safetensors"


def save_weights(model: nn.Module, describe: dict[str, Any], path: Path) -> None:
    """Write the model's weights with the config that they belong to; atomic."""
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    with writing(path) as beside:
        save_file(state, beside, metadata={"config": json.dumps(describe, sort_keys=True)})


def read_description(path: Path, command: str) -> dict[str, Any]:
    """Return the config stored with the weights at `path`; `command` is what makes them.

    Raises:
        InputError: no such file, or not safetensors with a config.
    """
    return _read_weights(path, command)[0]


def load_weights(model: nn.Module, describe: dict[str, Any], path: Path, command: str) -> None:
    """Load what `save_weights` wrote, or stvg convert checkpoint, into a model of the same config.

    Raises:
        InputError: no such file (`command` is what makes it), not safetensors, weights of another config, or not
            exactly this model's names and shapes.
    """
    stored, state = _read_weights(path, command)
    own = model.state_dict()
    check_same_config(stored, {**known_sizes(own), **describe} if ORIGIN in stored else describe, path)
    problems = weight_problems({name: tuple(value.shape) for name, value in own.items()}, state)
    if problems:
        raise InputError(f"{path}: expected exactly this model's weights, found: {'; '.join(problems)}")
    model.load_state_dict(state)


def check_same_config(stored: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    """Compare the config stored in the checkpoint `path` with the wanted one.

    A converted checkpoint (one with ORIGIN) knows only what follows from its tensors; the rest is as wanted.

    Raises:
        InputError: they differ; the message names the first key that does.
    """
    wanted = json.loads(json.dumps(wanted))
    keys = stored.keys() & wanted.keys() if ORIGIN in stored else stored.keys() | wanted.keys()
    differing = sorted(key for key in keys if stored.get(key) != wanted.get(key))
    if differing:
        key = differing[0]
        raise InputError(
            f"{path}: a checkpoint of another config: {key} is {stored.get(key)!r} there, {wanted.get(key)!r} here"
        )


def _read_weights(path: Path, command: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise InputError(f"{path}: expected trained weights, found none; run {command}")
    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads((file.metadata() or {}).get("config", "null"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open has no iterator)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: expected a safetensors file, got: {error}") from error
    if not isinstance(config, dict):
        raise InputError(f"{path}: expected weights with their config, as {command} writes them, found no config")
    return config, state
