"""Save and restore the state of an interrupted training, checked whole.

The state is weights, optimiser, learning-rate schedule and history; temporal.training.loop keeps it in `last.pt`.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stvg.errors import InputError
from stvg.io.files import writing
from stvg.pickles.torch_file import read_torch_file
from temporal.training.checkpoint import Checkpoint, check_same_config

_MOMENTS = {"step", "exp_avg", "exp_avg_sq"}
"""What AdamW keeps of each weight."""


def save(
    path: Path,
    agreement: dict[str, Any],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LambdaLR,
    epochs: int,
    best: float,
) -> None:
    """Write the state after so many `epochs`, of which the best scored `best` on val."""
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epochs": epochs,
        "best": best,
        "config": json.dumps(agreement, sort_keys=True),
    }
    with writing(path) as part, part.open("wb") as file:
        torch.save(state, file)  # given a path, torch would write its name, drawn anew each time, into the file


def restore(
    path: Path,
    agreement: dict[str, Any],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LambdaLR,
) -> tuple[int, float]:
    """Restore what `path` holds; return the number of finished epochs and the best score.

    Raises:
        InputError: it cannot be read, belongs to another config or other data than `agreement` says, or holds
            something else than the state of such a training.
    """
    try:
        state = read_torch_file(path, mapped=False)
    except InputError as error:
        raise _unlike(path, str(error).removeprefix(f"{path}: ")) from error
    if not isinstance(state, dict) or not {"model", "optimizer", "scheduler", "epochs", "best"} <= state.keys():
        raise _unlike(path, f"expected weights, optimizer, scheduler and history, found {type(state).__name__}")
    check_same_config(_stored_config(path, state.get("config")), agreement, path)
    weights = state["model"]
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise _unlike(path, "model: expected weights by name")
    Checkpoint(path, {}, weights).load_into(model)
    _load(path, "optimizer", optimizer, state["optimizer"], lambda: _optimizer_problem(optimizer))
    fresh = scheduler.state_dict()
    _load(path, "scheduler", scheduler, state["scheduler"], lambda: _scheduler_problem(fresh, state["scheduler"]))
    epochs, best = state["epochs"], state["best"]
    if type(epochs) is not int or not 0 <= epochs < 1 << 31 or type(best) is not float or math.isnan(best):
        raise _unlike(path, f"expected a number of epochs and the best score, found {epochs!r:.40} and {best!r:.40}")
    return epochs, best


def _stored_config(path: Path, text: object) -> dict[str, Any]:
    try:
        stored = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        stored = None
    if not isinstance(stored, dict):
        raise _unlike(path, "config: expected a JSON object")
    return stored


def _load(path: Path, name: str, part: Any, stored: Any, problem: Callable[[], str | None]) -> None:
    """Load the state of a part, then ask for what is wrong with it; torch checks little, and fails in any way."""
    try:
        part.load_state_dict(stored)
        found = problem()
    except Exception as error:
        raise _unlike(path, f"{name}: {type(error).__name__}") from error
    if found is not None:
        raise _unlike(path, f"{name}: {found}")


def _optimizer_problem(optimizer: torch.optim.Optimizer) -> str | None:
    """Return what is wrong with a loaded optimizer, whose numbers a step would otherwise trip over."""
    for group in optimizer.param_groups:
        for key, fresh in optimizer.defaults.items():
            if key != "lr" and (group[key] != fresh or type(group[key]) is not type(fresh)):
                return f"{key} expected {fresh!r}"
        if type(group["lr"]) is not float or not 0 <= group["lr"] < math.inf or not 0 <= group["initial_lr"] < math.inf:
            return "lr expected a finite rate"
    parameters = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    for parameter, kept in optimizer.state.items():
        if parameter not in parameters or kept.keys() != _MOMENTS:
            return f"expected {', '.join(sorted(_MOMENTS))} of each weight"
        for key, value in kept.items():
            shape = () if key == "step" else parameter.shape
            if not isinstance(value, Tensor) or value.shape != shape or not bool(value.isfinite().all()):
                return f"{key} expected finite numbers of shape {tuple(shape)}"
            if key != "exp_avg" and bool((value < 0).any()):
                return f"{key} expected numbers from 0 on"
    return None


def _scheduler_problem(fresh: dict[str, Any], stored: dict[str, Any]) -> str | None:
    """Return what is wrong with a scheduler's stored state, beside the `fresh` one of the same training."""
    if stored.keys() != fresh.keys():
        return f"expected {', '.join(fresh)}"
    for key in ("base_lrs", "lr_lambdas"):
        if stored[key] != fresh[key]:
            return f"{key} expected {fresh[key]!r}"
    rates = stored["_last_lr"]
    if len(rates) != len(fresh["_last_lr"]) or not all(type(one) is float and 0 <= one < math.inf for one in rates):
        return "_last_lr expected finite rates"
    for key in ("last_epoch", "_step_count"):
        if type(stored[key]) is not int or not 0 <= stored[key] < 1 << 62:
            return f"{key} expected a whole number from 0 on"
    return None


def _unlike(path: Path, found: str) -> InputError:
    return InputError(
        f"{path}: expected the state of an interrupted training, found none ({found}); remove it to train anew"
    )
