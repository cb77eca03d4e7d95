"""Whether weights are those of a network, name by name, and which sizes of a network follow from its weights."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

Shape = tuple[int | None, ...]
"""A tensor's shape; None stands for any length."""

_ENCODER = "text_backbone.encoder."


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
