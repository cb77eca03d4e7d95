"""The recipe's optimiser: AdamW with a slower rate for the text backbone, gradients clipped by their joint norm.

Source: train_net.py and engine/trainer.py of MCG-NJU/MMN and atao99/MMN-STVG.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def make_optimizer(
    model: nn.Module,
    text_parameters: Iterable[nn.Parameter],
    *,
    lr: float,
    text_lr_scale: float,
    betas: tuple[float, float],
    weight_decay: float,
) -> torch.optim.AdamW:
    """Return AdamW over two groups: `text_parameters` of `model` at `text_lr_scale` * lr, all others at `lr`.

    Weights without a gradient in a step (a frozen backbone) are neither moved nor decayed by it.
    """
    text = list(text_parameters)
    in_text = {id(parameter) for parameter in text}
    others = [parameter for parameter in model.parameters() if id(parameter) not in in_text]
    groups = [{"params": others, "lr": lr}, {"params": text, "lr": lr * text_lr_scale}]
    return torch.optim.AdamW([g for g in groups if g["params"]], betas=betas, weight_decay=weight_decay)


def clip_and_step(optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter], clip_norm: float) -> Tensor:
    """Scale the gradients of `parameters` to a joint norm of at most `clip_norm`, step, and return the norm before."""
    norm = nn.utils.clip_grad_norm_(parameters, clip_norm)
    optimizer.step()
    return norm
