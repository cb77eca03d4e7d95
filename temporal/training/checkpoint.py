"""Checkpoints: safetensors files of weights with their config, read, checked and written."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from stvg.errors import InputError
from stvg.io.files import refuse_pointer, writing

ORIGIN = "origin"
"""Key of a config that names the source of weights that another project trained."""
Shape = tuple[int | None, ...]
"""A tensor's shape; None stands for any length."""
_ENCODER = "text_backbone.encoder."


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The content of a checkpoint `path`: the config stored with the weights, and the weights by name."""

    path: Path
    config: dict[str, Any]
    weights: dict[str, Tensor]

    def check(self, wanted: dict[str, Any]) -> None:
        """Compare the stored config with the wanted one; see check_same_config.

        Raises:
            InputError: they differ.
        """
        check_same_config(self.config, wanted, self.path)

    @property
    def input_size(self) -> int:
        """The width of the features that the network takes, as its config says and its weights have it.

        Raises:
            InputError: they do not agree, or have none.
        """
        said, found = self.config.get("input_size"), known_sizes(self.weights).get("input_size")
        if type(said) is not int or said != found:
            raise InputError(f"{self.path}: input_size: expected the weights' own, {found}, got {said!r:.80}")
        return said

    def load_into(self, model: nn.Module) -> None:
        """Copy the weights into a model whose config was checked.

        Raises:
            InputError: the weights are not exactly the model's by name and shape, or hold NaN or infinity.
        """
        own = model.state_dict()
        if ORIGIN in self.config:
            self.check(known_sizes(own))  # names a size where the list of weights below would be long
        problems = weight_problems({name: tuple(value.shape) for name, value in own.items()}, self.weights)
        if problems:
            raise InputError(f"{self.path}: expected exactly this model's weights, found: {'; '.join(problems)}")
        bad = [name for name, value in self.weights.items() if not holds_finite_numbers(value, own[name])]
        if bad:
            raise InputError(
                f"{self.path}: expected finite numbers of the model's kind, found others in {', '.join(bad)}"
            )
        model.load_state_dict(self.weights)


def best_weights(folder: Path) -> Path:
    """Return where a training run in `folder` keeps its best weights."""
    return folder / "best.safetensors"


def save_weights(model: nn.Module, describe: dict[str, Any], path: Path) -> None:
    """Write the model's weights with the config that they belong to; atomic."""
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    with writing(path) as beside:
        save_file(state, beside, metadata={"config": json.dumps(describe, sort_keys=True)})


def read_checkpoint(path: Path, command: str) -> Checkpoint:
    """Read a file of `save_weights`, or of a converted checkpoint; `command` is the one that makes it.

    Raises:
        InputError: no such file, or not safetensors with a config.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected trained weights, found none; run {command}")
    refuse_pointer(path)
    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads((file.metadata() or {}).get("config", "null"))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open has no iterator)
    except (SafetensorError, ValueError, RecursionError, OSError, RuntimeError, AttributeError, TypeError) as error:
        raise InputError(f"{path}: expected a safetensors file, got: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict):
        raise InputError(f"{path}: expected weights with their config, as {command} writes them, found no config")
    return Checkpoint(path, config, weights)


def check_same_config(stored: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    """Compare the config stored in the checkpoint `path` with the wanted one.

    The config of a converted checkpoint (one with ORIGIN) holds only what follows from its tensors; other keys are not
    compared.

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


def weight_problems(expected: Mapping[str, Shape], found: Mapping[str, Tensor]) -> list[str]:
    """Return each name that is missing, unexpected or ill-shaped in `found`, which should hold exactly `expected`.

    >>> import torch
    >>> weight_problems({"a": (2, None), "b": (1,)}, {"a": torch.zeros(3, 3), "c": torch.zeros(1)})
    ['missing b', 'unexpected c', 'a expected (2, any), got (3, 3)']
    """
    problems = [f"missing {name}" for name in expected if name not in found]
    problems += [f"unexpected {name}" for name in found if name not in expected]
    problems += [
        f"{name} expected {_shown(expected[name])}, got {_shown(tuple(value.shape))}"
        for name, value in found.items()
        if name in expected and not _fits(tuple(value.shape), expected[name])
    ]
    return problems


def known_sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the sizes of an MMN that follow from its weights `state`, our names; what does not is left out.

    Keys are those of MMNConfig, `input_size` and `text_learns` (see describe_network), and `text_size`,
    `text_layers`, `text_feedforward`, `text_words` and `text_positions` of a DistilBERT. `pooling_counts` follow from a
    learned moment map alone. Clip counts, pooling kernel, attention heads and names of encoders leave no trace.
    """
    map_layers = _count(state, "moment_map.convs.") or 0
    map_kernels = [_length(state, f"moment_map.convs.{layer}.weight", 2) for layer in range(map_layers)]
    sizes = {
        "input_size": _length(state, "clip_pool.conv.weight", 1),
        "hidden_size": _length(state, "clip_pool.conv.weight", 0),
        "joint_size": _length(state, "iou_head.weight", 0),
        "moment_map": "conv" if map_kernels else "pool",
        "pooling_counts": _pooling_counts(map_kernels),
        "conv_kernel": _length(state, "map_conv.convs.0.weight", 3),
        "conv_layers": _count(state, "map_conv.convs."),
        "text_learns": any(name.startswith("text_backbone.") for name in state),
        "text_size": _length(state, "query_heads.norm.weight", 0),
        "text_layers": _count(state, f"{_ENCODER}transformer.layer."),
        "text_feedforward": _length(state, f"{_ENCODER}transformer.layer.0.ffn.lin1.weight", 0),
        "text_words": _length(state, f"{_ENCODER}embeddings.word_embeddings.weight", 0),
        "text_positions": _length(state, f"{_ENCODER}embeddings.position_embeddings.weight", 0),
    }
    return {key: value for key, value in sizes.items() if value is not None}


def holds_finite_numbers(value: Tensor, like: Tensor) -> bool:
    """Tell whether all numbers of a tensor are finite, and floating where those of `like` are, in 16 bits or more."""
    if value.is_floating_point() != like.is_floating_point() or value.is_complex() or value.layout != like.layout:
        return False
    return not value.is_floating_point() or (value.element_size() > 1 and bool(value.isfinite().all()))


def _pooling_counts(kernels: list[int | None]) -> list[int] | None:
    """Return the diagonals at stride 1, 2, 4, ... of a learned map: kernel 3 begins each group but the first."""
    if not kernels:
        return None
    counts = [0]
    for kernel in kernels:
        counts.extend([0] if kernel == 3 else [])
        counts[-1] += 1
    return counts


def _count(state: Mapping[str, Tensor], prefix: str) -> int | None:
    """Return how many parts `prefix`0, `prefix`1, ... there should be by the highest number, None for no part.

    Numbers have at most three digits, so that no name asks for a million missing ones.
    """
    hits = (re.match(re.escape(prefix) + r"(\d{1,3})\.", name) for name in state)
    return max((int(hit[1]) + 1 for hit in hits if hit), default=None)


def _length(state: Mapping[str, Tensor], name: str, axis: int) -> int | None:
    tensor = state.get(name)
    return None if tensor is None or tensor.dim() <= axis else int(tensor.shape[axis])


def _fits(shape: tuple[int, ...], expected: Shape) -> bool:
    return len(shape) == len(expected) and all(want in (None, got) for got, want in zip(shape, expected, strict=True))


def _shown(shape: Shape) -> str:
    """Return a shape as Python writes it."""
    lengths = ["any" if length is None else str(length) for length in shape]
    return f"({lengths[0]},)" if len(lengths) == 1 else f"({', '.join(lengths)})"
