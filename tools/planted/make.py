"""Plant features with a known answer in the real annotations of a benchmark.

Writes what the config's `data` names (annotations of the drawn videos, features) and bounds.json: what a matched filter
reaches on them, the best moment for all sentences, and chance. In the checkout: PYTHONPATH=tools python -m planted.make
"""

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from planted.features import Bounds, Planting, SentenceImages, bounds, plant
from stvg.cli import ExitCode, recipe_parser, run
from stvg.config import load_config
from stvg.errors import InputError
from stvg.io.files import write_json_atomically, writing
from stvg.recipe.schema import BenchmarkRecipe
from stvg.types import FloatArray
from temporal.benchmarks.annotations import AnnotatedVideo, MomentAnnotations, read_moments
from temporal.mmn.text_cache import CachedVectors
from temporal.mmn.text_encoder import load_text_backbone, load_text_tokenizer

logger = logging.getLogger(__name__)


def main() -> int:
    """Parse, plant, print the bounds."""
    arguments = _parser().parse_intermixed_args()
    for name, least in (("width", arguments.rank), ("rate", 0.0), ("snr", 0.0), ("rank", 1)):
        value = getattr(arguments, name)
        if value < least or value == 0:
            raise InputError(
                f"--{name}: expected a number {'above 0' if least == 0 else f'of at least {least}'}, got {value}"
            )
    recipe = load_config(BenchmarkRecipe, arguments.config, arguments.overrides)
    planting = Planting(arguments.width, arguments.rate, arguments.snr, arguments.rank, recipe.seed)
    given = {split: getattr(arguments, split) for split in ("train", "val", "test")}
    counts = {split: getattr(arguments, f"{split}_videos") for split in given}
    annotations = {split: path for split, path in given.items() if path is not None}
    found = make_planted(recipe, annotations, counts, arguments.sentences, planting)["test"]
    for name in ("matched_filter", "prior", "chance"):
        sys.stdout.write(f"{name}: {json.dumps(getattr(found, name).to_json())}\n")
    return ExitCode.DONE


def make_planted(
    recipe: BenchmarkRecipe,
    annotations: Mapping[str, Path],
    counts: Mapping[str, int | None],
    sentences_per_video: int | None,
    planting: Planting,
) -> dict[str, Bounds]:
    """Plant features for some videos of each split; write all that the recipe's `data` names, and bounds.json.

    `annotations` are the benchmark's files by split; `counts` says how many videos of each are drawn (None: all), and
    of each at most `sentences_per_video` sentences are kept: TACoS has 130 to a video, so that many say the same and
    every clip would show twenty of them. The sentences' vectors are those of the recipe's text encoder.

    Raises:
        InputError: annotations that cannot be read or would be written over, too few videos in them, or fewer
            sentences than directions.
    """
    if recipe.data.form != "2d-tan":
        raise InputError(
            f"config: data.form: expected 2d-tan, in which the drawn items are written, got {recipe.data.form}"
        )
    _check_not_written_over(annotations, recipe)
    splits = {
        name: _draw(path, recipe, counts[name], sentences_per_video, planting.seed)
        for name, path in annotations.items()
    }
    _check_apart(annotations, splits)
    sentences = sorted({text for read in splits.values() for video in read.videos for text in video.sentences})
    if len(sentences) <= planting.rank:
        raise InputError(
            f"--rank: expected fewer directions than different sentences, of which there are "
            f"{len(sentences)}, got {planting.rank}"
        )
    backbone = load_text_backbone(recipe.temporal.text)
    vectors = CachedVectors(load_text_tokenizer(recipe.temporal.text), backbone).encode(sentences).numpy()
    images = SentenceImages(sentences, vectors, planting)
    planted = {name: plant(read.videos, images, planting, number) for number, (name, read) in enumerate(splits.items())}
    for name, read in splits.items():
        path = recipe.data.annotations(name)  # type: ignore[arg-type]
        if path is None:
            raise InputError(f"config: data.{name}: expected a file name for the {name} split, found none")
        _write_videos(path, read.videos)
    _write_features(recipe.data.root / recipe.data.features, planted)
    network, train = recipe.temporal.network, splits["train"].videos
    found = {
        name: bounds(
            read.videos,
            train,
            planted[name],
            images,
            planting,
            network.num_clips,
            network.pooling_counts,
            recipe.recall,
        )
        for name, read in splits.items()
    }
    write_json_atomically(
        recipe.data.root / "bounds.json",
        {
            "planting": {
                "width": planting.width,
                "rate": planting.rate,
                "snr": planting.snr,
                "rank": planting.rank,
                "seed": planting.seed,
            },
            **{
                name: {kind: getattr(one, kind).to_json() for kind in ("matched_filter", "prior", "chance")}
                for name, one in found.items()
            },
        },
        indent=1,
    )
    return found


def _check_not_written_over(annotations: Mapping[str, Path], recipe: BenchmarkRecipe) -> None:
    """Raise an InputError where a file that is read is one of those that are written."""
    written = {path.resolve() for name in annotations if (path := recipe.data.annotations(name)) is not None}  # type: ignore[arg-type]
    for name, path in annotations.items():
        if path.resolve() in written:
            raise InputError(
                f"--{name} {path}: expected a file outside of data.root, where this one would be written over"
            )


def _draw(
    path: Path, recipe: BenchmarkRecipe, count: int | None, per_video: int | None, seed: int
) -> MomentAnnotations:
    """Read a split and draw `count` of its videos, and of each `per_video` sentences, in the file's order."""
    read = read_moments(path, recipe.data.form, recipe.data.drop_empty)
    logger.info("%s: %s", path, read)
    if count is not None and not 1 <= count <= len(read.videos):
        raise InputError(f"{path}: expected at least the {count} videos that were asked for, got {len(read.videos)}")
    rng = np.random.default_rng([seed, 7])
    chosen = np.sort(rng.permutation(len(read.videos))[:count])
    videos = []
    for video in (read.videos[index] for index in chosen):
        kept = np.sort(rng.permutation(len(video.sentences))[:per_video])
        texts = tuple(video.sentences[index] for index in kept)
        videos.append(replace(video, sentences=texts, moments_s=video.moments_s[kept]))
    return replace(read, videos=tuple(videos))


def _check_apart(annotations: Mapping[str, Path], splits: Mapping[str, MomentAnnotations]) -> None:
    """Check that no video is of two splits: it can carry the sentences of one alone."""
    home: dict[str, str] = {}
    for name, read in splits.items():
        for video in read.videos:
            if home.setdefault(video.video_id, name) != name:
                raise InputError(
                    f"{annotations[name]}: {video.video_id}: expected videos of one split alone, it is "
                    f"in {home[video.video_id]} too"
                )


def _write_videos(path: Path, videos: Sequence[AnnotatedVideo]) -> None:
    """Write these videos in 2D-TAN's form, in seconds."""
    items = {
        video.video_id: {
            "duration": video.duration_s,
            "timestamps": video.moments_s.tolist(),
            "sentences": list(video.sentences),
        }
        for video in videos
    }
    write_json_atomically(path, items)


def _write_features(path: Path, planted: Mapping[str, Mapping[str, FloatArray]]) -> None:
    with writing(path) as beside, h5py.File(beside, "w", track_order=True) as file:
        for features in planted.values():
            for video_id, rows in features.items():
                file.create_dataset(video_id, data=rows.astype(np.float16))


def _parser() -> argparse.ArgumentParser:
    parser = recipe_parser(__doc__)
    for split in ("train", "val", "test"):
        parser.add_argument(f"--{split}", type=Path, metavar="F", required=split != "val", help=f"{split} annotations")
        parser.add_argument(f"--{split}-videos", type=int, metavar="N", help="how many of its videos; default: all")
    parser.add_argument("--sentences", type=int, metavar="N", help="sentences kept of each video; default: all")
    parser.add_argument("--width", type=int, default=64, metavar="D", help="columns of a feature (default %(default)s)")
    parser.add_argument("--rate", type=float, default=2.0, metavar="HZ", help="features a second (default %(default)s)")
    parser.add_argument(
        "--snr",
        type=float,
        default=1.0,
        help="power of an image over that of the noise, of one row (default %(default)s)",
    )
    parser.add_argument(
        "--rank",
        type=int,
        default=16,
        metavar="R",
        help="directions of the sentences that are shown, fewer than sentences and at most --width "
        "(default %(default)s)",
    )
    return parser


if __name__ == "__main__":
    run(main)
