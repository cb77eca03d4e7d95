"""Train a stage of the pipeline, or an MMN on a benchmark of temporal grounding; all run under torchrun too."""

import argparse
from collections.abc import Sequence
from typing import Literal

from stvg.cli import ExitCode, recipe_parser, report_failures
from stvg.errors import InputError

_TEMPORAL = """Train the temporal stage, an MMN over the moments of videos.

Where the matcher is trained already, the weights of the joint mode are then fitted on val."""
_MATCHER = """Train the spatial stage, an MMN over person tubes.

Where the temporal stage is trained already, the weights of the joint mode are then fitted on val."""
_MMN = "Train an MMN on a benchmark of temporal grounding, from features that others extracted."


def main_temporal(arguments: Sequence[str] | None = None) -> int:
    """Train the temporal stage, then fit the joint weights if both stages are trained."""
    return _train("temporal", training_parser(_TEMPORAL, "stvg train temporal").parse_intermixed_args(arguments))


def main_matcher(arguments: Sequence[str] | None = None) -> int:
    """Train the matcher, then fit the joint weights if both stages are trained."""
    return _train("matcher", training_parser(_MATCHER, "stvg train matcher").parse_intermixed_args(arguments))


def _train(stage: Literal["temporal", "matcher"], asked: argparse.Namespace) -> int:
    from stvg.recipe.schema import BenchmarkRecipe, load_temporal_recipe
    from stvg.training.stages import fit_fusion, train_matcher, train_temporal

    recipe = load_temporal_recipe(asked.config, asked.overrides)
    if isinstance(recipe, BenchmarkRecipe):
        raise InputError(f"{asked.config}: expected a recipe of the pipeline, got a benchmark's; run stvg mmn train")
    failures = (train_temporal if stage == "temporal" else train_matcher)(recipe, asked.resume)
    fit_fusion(recipe)
    return report_failures(failures)


def main_mmn(arguments: Sequence[str] | None = None) -> int:
    """Train an MMN on a benchmark."""
    asked = training_parser(_MMN, "stvg mmn train").parse_intermixed_args(arguments)

    from stvg.config import load_config
    from stvg.recipe.schema import BenchmarkRecipe
    from stvg.training.benchmark import train_benchmark

    train_benchmark(load_config(BenchmarkRecipe, asked.config, asked.overrides), asked.resume)
    return ExitCode.DONE


def training_parser(description: str | None, prog: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of a training: a recipe, and --resume."""
    parser = recipe_parser(description, prog)
    parser.add_argument("--resume", action="store_true", help="take an interrupted training up again")
    return parser
