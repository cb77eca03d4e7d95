"""Names and shapes of the weights of official checkpoints.

Source: the state dicts of MCG-NJU/MMN and atao99/MMN-STVG. Their loader matches names by suffix and keeps random
weights for what is missing; this one is strict.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from stvg.errors import InputError
from temporal.training.checkpoint import Shape

_PREFIXES = (
    ("featpool.conv.", "clip_pool.conv."),
    ("feat2d.convs.", "moment_map.convs."),
    ("proposal_conv.convs.", "map_conv.convs."),
    ("proposal_conv.bn.", "map_conv.norms."),
    ("proposal_conv.conv1x1_contrastive.", "contrastive_head."),
    ("proposal_conv.conv1x1_iou.", "iou_head."),
    ("text_encoder.bert.", "text_backbone.encoder."),
    ("text_encoder.layernorm.", "query_heads.norm."),
    ("text_encoder.fc_out1.", "query_heads.iou."),
    ("text_encoder.fc_out2.", "query_heads.contrastive."),
)

_UNUSED = re.compile(r"featpool\.fc[12]\.(weight|bias)|text_encoder\.bert\.embeddings\.position_ids")
"""MMN-STVG's mean-feature branch, which leads nowhere, and a constant that old transformers versions saved."""


def is_unused(official: str) -> bool:
    """Tell whether an official weight takes no part in what the network computes."""
    return _UNUSED.fullmatch(official) is not None


def our_name(official: str) -> str | None:
    """Return our name of an official weight, None for one that takes no part.

    Raises:
        InputError: the name is not one of an official checkpoint.

    >>> our_name("proposal_conv.bn.0.weight")
    'map_conv.norms.0.weight'
    """
    if is_unused(official):
        return None
    for theirs, ours in _PREFIXES:
        if official.startswith(theirs):
            return ours + official.removeprefix(theirs)
    raise InputError(f"weight {official}: expected a name of MMN's official checkpoints")


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return an official state dict under our names; a leading "module." is dropped, unused weights are left out.

    Raises:
        InputError: names that no official checkpoint has, all of them listed.
    """
    renamed, unexpected = {}, []
    for name, value in state.items():
        try:
            ours = our_name(name.removeprefix("module."))
        except InputError:
            unexpected.append(name)
            continue
        if ours is not None:
            renamed[ours] = value
    if unexpected:
        raise InputError(f"weights: unexpected names {', '.join(sorted(unexpected))}")
    return renamed


def official_shapes(sizes: Mapping[str, Any]) -> dict[str, Shape]:
    """Return the shape of every weight of an MMN under its official name.

    `sizes` are those that temporal.training.checkpoint.known_sizes finds; one that it does not find fits any length.
    """
    hidden, joint, text = (sizes.get(key) for key in ("hidden_size", "joint_size", "text_size"))
    kernel = sizes.get("conv_kernel")
    shapes = _layer("featpool.conv", hidden, sizes.get("input_size"), 1)
    for number, map_kernel in enumerate(_map_kernels(sizes.get("pooling_counts", ()))):
        shapes |= _layer(f"feat2d.convs.{number}", hidden, hidden, map_kernel)
    for number in range(sizes.get("conv_layers", 1)):
        shapes |= _layer(f"proposal_conv.convs.{number}", hidden, hidden, kernel, kernel)
        shapes |= _norm(f"proposal_conv.bn.{number}", hidden)
        shapes |= {f"proposal_conv.bn.{number}.running_{name}": (hidden,) for name in ("mean", "var")}
        shapes[f"proposal_conv.bn.{number}.num_batches_tracked"] = ()
    for name in ("conv1x1_contrastive", "conv1x1_iou"):
        shapes |= _layer(f"proposal_conv.{name}", joint, hidden, 1, 1)
    shapes |= _norm("text_encoder.layernorm", text)
    for name in ("fc_out1", "fc_out2"):
        shapes |= _layer(f"text_encoder.{name}", joint, text)
    return shapes | _distilbert_shapes(sizes)


def _distilbert_shapes(sizes: Mapping[str, Any]) -> dict[str, Shape]:
    text, middle, bert = sizes.get("text_size"), sizes.get("text_feedforward"), "text_encoder.bert"
    shapes: dict[str, Shape] = {
        f"{bert}.embeddings.word_embeddings.weight": (sizes.get("text_words"), text),
        f"{bert}.embeddings.position_embeddings.weight": (sizes.get("text_positions"), text),
        **_norm(f"{bert}.embeddings.LayerNorm", text),
    }
    for number in range(sizes.get("text_layers", 1)):
        layer = f"{bert}.transformer.layer.{number}"
        for part in ("q_lin", "k_lin", "v_lin", "out_lin"):
            shapes |= _layer(f"{layer}.attention.{part}", text, text)
        shapes |= _norm(f"{layer}.sa_layer_norm", text) | _norm(f"{layer}.output_layer_norm", text)
        shapes |= _layer(f"{layer}.ffn.lin1", middle, text) | _layer(f"{layer}.ffn.lin2", text, middle)
    return shapes


def _map_kernels(pooling_counts: Sequence[int]) -> list[int]:
    """Return the kernels of a learned moment map: 3 opens each group of diagonals after the first, all others are 2."""
    return [3 if group and place == 0 else 2 for group, count in enumerate(pooling_counts) for place in range(count)]


def _layer(name: str, outputs: int | None, *inputs: int | None) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, *inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, size: int | None) -> dict[str, Shape]:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}
