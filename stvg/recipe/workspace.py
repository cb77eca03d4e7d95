"""Name the files and stores in a recipe's output folder."""

import hashlib
import json
from pathlib import Path
from typing import Any

from spatial.detectors.detections_file import FileConfig, detections_path
from spatial.features.imported import IMPORT_COMMAND, ImportedConfig, imported_source
from stvg.config import dump_config
from stvg.io.packages import PREFIX, package_path
from stvg.prepare.store import PreparedStore, source_fingerprint
from stvg.recipe.schema import BenchmarkRecipe, Recipe, StageConfig
from temporal.training.checkpoint import best_weights


def temporal_folder(recipe: Recipe | BenchmarkRecipe) -> Path:
    """Return where the temporal stage's training leaves its checkpoints."""
    return recipe.output.root / recipe.temporal.folder


def matcher_folder(recipe: Recipe) -> Path:
    """Return where the matcher's training leaves its checkpoints."""
    return recipe.output.root / recipe.matcher.folder


def weights_file(recipe: Recipe | BenchmarkRecipe, stage: StageConfig) -> Path:
    """Return the weights to ground with: `stage.checkpoint`, also inside a package, or the best under output.root.

    Raises:
        InputError: no such package.
    """
    if stage.checkpoint is None:
        return best_weights(recipe.output.root / stage.folder)
    name = str(stage.checkpoint)
    return package_path(name, "checkpoint") if name.startswith(PREFIX) else stage.checkpoint


def fusion_file(recipe: Recipe) -> Path:
    """Return where the joint weights fitted on val stand."""
    return recipe.output.root / "fusion.json"


def prepared_store(recipe: Recipe, split: str) -> PreparedStore:
    """Return the store of a split's prepared videos under this recipe."""
    imported = isinstance(recipe.features, ImportedConfig)
    made_by: tuple[Any, ...] = (recipe.video, recipe.detector, recipe.tracking, recipe.linking)
    parts = (*(() if imported else made_by), recipe.features)
    text = json.dumps([dump_config(part) for part in parts], sort_keys=True)
    path = recipe.output.root / "prepared" / f"{split}.h5"
    command = IMPORT_COMMAND if imported else "stvg prepare"
    return PreparedStore(path, hashlib.sha256(text.encode()).hexdigest(), command)


def video_fingerprint(recipe: Recipe, path: Path) -> str:
    """Return a hash of a video file and of what else preparing it reads: its public detections, where they are used.

    "" where there is no file; of an imported video the name alone counts.
    """
    if isinstance(recipe.features, ImportedConfig):
        return imported_source(path.name)
    if not path.is_file():
        return ""
    detector = recipe.detector
    beside = [detections_path(detector.folder, path)] if isinstance(detector, FileConfig) else []
    return source_fingerprint(path, *(file for file in beside if file.is_file()))
