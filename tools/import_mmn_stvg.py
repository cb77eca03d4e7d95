"""Bring MMN-STVG's own person tubes and tube features into prepared/<split>.h5; nothing in its files is executed.

The recipe has features.kind=imported. Imported videos are skipped; the tubes and features of a split may be in parts,
given in one call or one after another.
"""

from pathlib import Path

from stvg.cli import recipe_parser, report_failures, run
from stvg.errors import InputError


def main() -> int:
    """Parse and import one split."""
    parser = recipe_parser(__doc__)
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
    arguments = parser.parse_intermixed_args()

    from stvg.commands.convert import OfficialFiles, import_mmn_stvg
    from stvg.config import load_config
    from stvg.recipe.schema import Recipe

    recipe = load_config(Recipe, arguments.config, arguments.overrides)
    features = _by_name(arguments.features)
    files = OfficialFiles(arguments.tubes, features, arguments.first_frame, arguments.ignore_feature_frames)
    return report_failures(
        import_mmn_stvg(
            recipe, arguments.annotations, files, arguments.videos, arguments.allow_missing, arguments.overwrite
        )
    )


def _by_name(arguments: list[str]) -> dict[str, list[Path]]:
    """Return the paths of each kind of features."""
    features: dict[str, list[Path]] = {}
    for argument in arguments:
        name, sign, path = argument.partition("=")
        if not name or not sign or not path:
            raise InputError(f"--features: expected NAME=PATH, as csn=csn_train_split1.pkl, got {argument!r}")
        features.setdefault(name, []).append(Path(path))
    return features


if __name__ == "__main__":
    run(main)
