"""Convert checkpoints of the official implementations to ours.

Source: Checkpointer of MCG-NJU/MMN (mmn/utils/checkpoint.py) and of atao99/MMN-STVG (tan/utils/checkpoint.py), which
save {"model": state dict, "optimizer": ..., "scheduler": ..., "epoch": ...}; trained on several GPUs, every name of the
state dict begins with "module.". Their loader also takes a bare state dict, and so does this one.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from stvg.errors import InputError
from stvg.io.files import refuse_overwriting, writing
from stvg.pickles.torch_file import is_dense, read_torch_file
from temporal.official.weight_names import is_unused, official_shapes, our_name
from temporal.training.checkpoint import ORIGIN, known_sizes, weight_problems

_WRAPPER = "module."
_ONLY_IN_MMN_STVG = "featpool.fc1.weight"


def convert_checkpoint(source: Path, target: Path) -> dict[str, Any]:
    """Write the weights of the official checkpoint `source` as safetensors to `target`; return their config.

    The config holds the sizes that follow from the tensors (temporal.training.checkpoint.known_sizes) and, under
    ORIGIN, the project, name and SHA-256 of `source`. What leaves no trace in tensors, such as the number of clips or
    the name of the text encoder, is taken from the recipe that the file is loaded with.

    Raises:
        InputError: `source` cannot be read, would have to execute something, or its weights are not exactly those of
            an MMN: all names that are missing, unexpected, ill-shaped or not finite are listed.
    """
    refuse_overwriting(target, [source])
    official = _read_state(source)
    weights = _our_weights(official, source)
    project = "atao99/MMN-STVG" if _ONLY_IN_MMN_STVG in official else "MCG-NJU/MMN"
    origin = {"project": project, "file": source.name, "sha256": hashlib.sha256(source.read_bytes()).hexdigest()}
    config = {**known_sizes(weights), ORIGIN: origin}
    with writing(target) as beside:
        save_file(weights, beside, metadata={"config": json.dumps(config, sort_keys=True)})
    return config


def _read_state(path: Path) -> dict[str, Tensor]:
    """Return the state dict of an official checkpoint, without the prefix of training on several GPUs."""
    loaded = read_torch_file(path)
    state = loaded["model"] if isinstance(loaded, dict) and "model" in loaded else loaded
    if not isinstance(state, dict) or not state:
        found = "none" if isinstance(state, dict) else f"a {type(state).__name__}"
        raise InputError(f'{path}: expected weights by name, bare or under "model", found {found}')
    strangers = [str(name) for name, value in state.items() if not (isinstance(name, str) and is_dense(value))]
    if strangers:
        raise InputError(f"{path}: expected dense tensors by name, found something else at {', '.join(strangers)}")
    prefix = _WRAPPER if all(name.startswith(_WRAPPER) for name in state) else ""
    return {name.removeprefix(prefix): value for name, value in state.items()}


def _our_weights(official: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return official weights, all checked, under our names; what takes no part is left out."""
    used = {name: value for name, value in official.items() if not is_unused(name)}
    ours: dict[str, Tensor] = {}
    for name, value in used.items():
        with suppress(InputError):  # an unexpected name, listed with all others below
            ours[our_name(name) or ""] = value
    shapes = official_shapes(known_sizes(ours))
    problems = weight_problems(shapes, used)
    problems += [problem for name in shapes if name in used and (problem := _number_problem(name, used[name]))]
    if problems:
        raise InputError(f"{path}: expected exactly the weights of an MMN, found: {'; '.join(problems)}")
    return {name: value.clone(memory_format=torch.contiguous_format) for name, value in ours.items()}


def _number_problem(name: str, value: Tensor) -> str | None:
    """Return what is wrong with the numbers of a weight: all are finite and floating but the count of batches."""
    whole = name.endswith("num_batches_tracked")
    small = value.is_floating_point() and value.element_size() < 2  # torch computes nothing with these
    if value.is_floating_point() == whole or value.is_complex() or small:
        return f"{name} expected {'whole' if whole else 'floating'} numbers, got {value.dtype}"
    return None if bool(value.isfinite().all()) else f"{name} expected finite numbers"
