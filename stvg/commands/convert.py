"""Convert what others published: checkpoints of MMN and MMN-STVG, MMN-STVG's tubes and tube features."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from stvg.cli import ExitCode, recipe_parser, report_failures
from stvg.errors import InputError

_CHECKPOINT = """Convert a checkpoint of the official MMN or MMN-STVG (.pth) to safetensors; nothing in it is executed.

Name the result in a recipe as temporal.checkpoint or matcher.checkpoint."""
_MMN_STVG = """Bring MMN-STVG's own person tubes and tube features into prepared/<split>.h5; nothing is executed.

The recipe has features.kind=imported. Imported videos are skipped; the tubes and features of a split may be in parts,
given in one call or one after another."""


def main_checkpoint(arguments: Sequence[str] | None = None) -> int:
    """Convert a checkpoint, print what its tensors tell of the network."""
    parser = argparse.ArgumentParser("stvg convert checkpoint", description=_CHECKPOINT)
    parser.add_argument("source", type=Path, metavar="IN", help="official checkpoint, as pool_model_10e.pth")
    parser.add_argument("target", type=Path, metavar="OUT", help="file to write, as pool_model_10e.safetensors")
    asked = parser.parse_args(arguments)

    from temporal.official.checkpoint import convert_checkpoint

    for key, value in convert_checkpoint(asked.source, asked.target).items():
        print(f"{key}: {value}")
    return ExitCode.DONE


def main_mmn_stvg(arguments: Sequence[str] | None = None) -> int:
    """Import one split, list the videos that failed."""
    asked = _mmn_stvg_parser().parse_intermixed_args(arguments)

    from stvg.config import load_config
    from stvg.recipe.schema import Recipe
    from stvg.workflows.mmn_stvg_import import OfficialFiles, import_mmn_stvg

    recipe = load_config(Recipe, asked.config, asked.overrides)
    features = _by_name(asked.features)
    files = OfficialFiles(asked.tubes, features, asked.first_frame, asked.ignore_feature_frames)
    return report_failures(
        import_mmn_stvg(recipe, asked.annotations, files, asked.videos, asked.allow_missing, asked.overwrite)
    )


def _mmn_stvg_parser() -> argparse.ArgumentParser:
    parser = recipe_parser(_MMN_STVG, "stvg convert mmn-stvg")
    add = parser.add_argument
    add("--annotations", type=Path, required=True, metavar="F", help="annotations of the split, or its test queries")
    add(
        "--tubes",
        type=Path,
        required=True,
        action="append",
        metavar="DIR",
        help="folder of STEM_tubes.pkl, as train_tubes_1, or of STEM.pkl, as train_prep; again for each part",
    )
    add(
        "--features",
        required=True,
        action="append",
        metavar="NAME=PATH",
        help="one kind of features: a file for all videos as csn=csn_train_split1.pkl, or a folder of STEM.pkl as "
        "csn=csn_train_feats; again for each kind and part",
    )
    add("--videos", type=Path, metavar="DIR", help="folder of the videos, for their true length (default: img_num)")
    add("--first-frame", type=int, choices=(0, 1), default=1, help="number of a video's first frame (default: 1)")
    add("--ignore-feature-frames", action="store_true", help="take rows as equal parts of their tube, as MMN-STVG does")
    add("--allow-missing", action="store_true", help="store videos that have no tube file without tubes")
    add("--overwrite", action="store_true", help="import finished videos again")
    return parser


def _by_name(arguments: Sequence[str]) -> dict[str, list[Path]]:
    """Return the paths of each kind of features."""
    features: dict[str, list[Path]] = {}
    for argument in arguments:
        name, sign, path = argument.partition("=")
        if not name or not sign or not path:
            raise InputError(f"--features: expected NAME=PATH, as csn=csn_train_split1.pkl, got {argument!r}")
        features.setdefault(name, []).append(Path(path))
    return features
