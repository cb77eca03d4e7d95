"""AdamW with a slower rate for the text backbone, and gradient clipping.

Source: train_net.py and engine/trainer.py of MCG-NJU/MMN and atao99/MMN-STVG.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from temporal.training.config import TrainingConfig


def make_optimizer(
    model: nn.Module, text_parameters: Iterable[nn.Parameter], config: TrainingConfig
) -> torch.optim.AdamW:
    """Return AdamW over two groups: `text_parameters` of `model` at `text_lr_scale` * lr, all others at lr.

    A step neither moves nor decays weights that have no gradient (a frozen backbone).
    """
    text = list(text_parameters)
    in_text = {id(parameter) for parameter in text}
    others = [parameter for parameter in model.parameters() if id(parameter) not in in_text]
    groups = [{"params": others, "lr": config.lr}, {"params": text, "lr": config.lr * config.text_lr_scale}]
    used = [group for group in groups if group["params"]]
    return torch.optim.AdamW(used, betas=config.betas, weight_decay=config.weight_decay)


def clip_and_step(optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter], clip_norm: float) -> Tensor:
    """Scale the gradients of `parameters` to a joint norm of at most `clip_norm`, step, and return the norm before."""
    norm = nn.utils.clip_grad_norm_(parameters, clip_norm)
    optimizer.step()
    return norm
