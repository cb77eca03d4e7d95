"""Save and restore the state of an interrupted training: weights, optimiser, learning-rate schedule, history."""

import json
import math
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stvg.errors import InputError
from stvg.io.files import writing
from temporal.training.checkpoint import check_same_config


@dataclass(frozen=True, slots=True, eq=False)
class ResumableState:
    """What a training must have again to go on; `agreement` is what a resumed run must have in common with it."""

    path: Path
    model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LambdaLR
    agreement: dict[str, Any]

    def save(self, done: int, best: float) -> None:
        """Write the state after `done` epochs, of which the best scored `best` on val."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "epochs": done,
            "best": best,
            "config": json.dumps(self.agreement, sort_keys=True),
        }
        with writing(self.path) as path, path.open("wb") as file:
            torch.save(state, file)  # given a path, torch would write its name, drawn anew each time, into the file

    def restore(self) -> tuple[int, float]:
        """Restore what `save` wrote; return the finished epochs and the best score. Without a file training begins.

        Raises:
            InputError: the file is no such state, or that of a training with another config or other data.
        """
        if not self.path.is_file():
            return 0, -math.inf
        try:
            state = torch.load(self.path, weights_only=True, map_location="cpu")
            stored = json.loads(state["config"])
        except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.path}: expected the state of an interrupted training, found none ({type(error).__name__}); "
                "remove it to train anew"
            ) from error
        check_same_config(stored, self.agreement, self.path)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        return int(state["epochs"]), float(state["best"])
