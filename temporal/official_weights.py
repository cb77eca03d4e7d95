"""Names of the official checkpoints' weights and of ours.

Source: the state dicts of MCG-NJU/MMN and atao99/MMN-STVG. Their loader matches names by suffix and keeps random
weights for what is missing; this one is strict.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from stvg.errors import InputError
from temporal.network import MMN

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


def our_name(official: str) -> str | None:
    """Return our name of an official weight, None for one that takes no part.

    Raises:
        InputError: the name is not one of an official checkpoint.

    >>> our_name("proposal_conv.bn.0.weight")
    'map_conv.norms.0.weight'
    """
    if _UNUSED.fullmatch(official):
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


def load_official(model: MMN, state: Mapping[str, Tensor]) -> None:
    """Copy an official state dict into `model`, which has a text backbone of the same kind.

    Raises:
        InputError: any name missing or unexpected, or of another shape; all of them are listed.
    """
    renamed, own = from_official(state), model.state_dict()
    problems = [f"missing {name}" for name in own if name not in renamed]
    problems += [f"unexpected {name}" for name in renamed if name not in own]
    problems += [
        f"{name} expected {tuple(own[name].shape)}, got {tuple(value.shape)}"
        for name, value in renamed.items()
        if name in own and own[name].shape != value.shape
    ]
    if problems:
        raise InputError(f"weights: {'; '.join(problems)}")
    model.load_state_dict(renamed)
