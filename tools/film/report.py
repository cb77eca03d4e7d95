"""Report what trained weights answer on film: rows of the ablation, with intervals resampled by clip.

    python tools/film/report.py --annotations F --videos DIR --out report.md --weights runs/film/s0 runs/film/s1 ...

Each folder of --weights holds temporal/best.safetensors and matcher/best.safetensors of one training; the rows are
means over trainings, with the spread (standard deviation) between them. Sentences of one clip are not independent, so
clips are resampled, not sentences.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stvg.cli import ExitCode, configure_logging
from stvg.config import load_config
from stvg.evaluation.ablation import Ablation
from stvg.evaluation.breakdown import query_properties
from stvg.evaluation.error_analysis import CAUSES, error_shares
from stvg.fusion.score_fusion import MODES, ScoreFusion
from stvg.io.files import write_text_atomically
from stvg.io.hcstvg_annotations import read_annotations
from stvg.prepare.memory_cache import CachedReader, Reader
from stvg.recipe.build import build_fusion, load_stages
from stvg.recipe.schema import Recipe
from stvg.recipe.splits import prepare_wherever, video_paths
from stvg.types import Annotation, BoolArray, Float64Array
from temporal.mmn.moment_map import moment_cells

ROWS = (
    ("true moment x matcher", "truth", "matcher", "two_stage"),
    ("true moment x random tube", "truth", "random", "two_stage"),
    ("true moment x most confident tube", "truth", "confident", "two_stage"),
    ("oracle", "truth", "truth", "two_stage"),
    ("moment map x true tube", "mmn", "truth", "two_stage"),
    ("whole clip x true tube", "whole", "truth", "two_stage"),
    ("two_stage", "mmn", "matcher", "two_stage"),
    ("joint", "mmn", "matcher", "joint"),
    ("tube_mmn", "mmn", "matcher", "tube_mmn"),
    ("two_stage, shuffled captions", "mmn", "matcher", "shuffled_captions"),
    ("two_stage, no caption", "mmn", "matcher", "no_caption"),
    ("random moment x random tube", "uniform", "random", "two_stage"),
)
"""Name and (temporal, spatial, mode) of each row."""
PAIRS = (
    ("true moment x matcher", "true moment x most confident tube"),
    ("two_stage", "two_stage, shuffled captions"),
    ("joint", "two_stage, shuffled captions"),
    ("tube_mmn", "two_stage, shuffled captions"),
)
_RESAMPLES = 10_000
Values = dict[str, Float64Array]
"""For each row, (S, Q, 2): tIoU and vIoU of each training and query."""


def interval(values: Float64Array, clips: Sequence[str], seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean of `values` (Q,) over resampled clips; `clips` name each query's.

    >>> interval(np.array([0.5, 0.5, 0.5]), ["a", "a", "b"], 0)
    (0.5, 0.5)
    """
    names, of = np.unique(list(clips), return_inverse=True)
    sums, counts = np.bincount(of, values), np.bincount(of)
    drawn = np.random.default_rng(seed).integers(len(names), size=(_RESAMPLES, len(names)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def main(arguments: Sequence[str] | None = None) -> int:
    """Score the rows of each training and write the tables."""
    parser = argparse.ArgumentParser("film/report.py", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("configs/film.yaml"))
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--weights", type=Path, nargs="*", default=[], help="folders of trainings; default: the recipe's"
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    asked = parser.parse_intermixed_args(arguments)
    configure_logging()
    recipe = load_config(Recipe, asked.config, asked.overrides)
    truth = read_annotations(asked.annotations)
    stores, failures = prepare_wherever(
        recipe, asked.annotations.stem, video_paths((one.query.video_id for one in truth), asked.videos)
    )
    lost = {failure.video_id for failure in failures}
    truth = tuple(one for one in truth if one.query.video_id not in lost)
    reader = CachedReader(stores, recipe.data.memory_bytes)
    videos = [reader.read(one.query.video_id) for one in truth]
    runs = [_scores(_with_weights(recipe, folder), truth, reader) for folder in asked.weights or [None]]
    values = {name: np.stack([run[name] for run in runs]) for name in runs[0]}
    clips = [video.source_id or video.meta.video_id for video in videos]
    several = query_properties(truth, videos)["people"] > 1
    write_text_atomically(asked.out, _tables(values, clips, several, recipe.seed))
    print(asked.out.read_text(encoding="utf-8"))
    return ExitCode.DONE


def _with_weights(recipe: Recipe, folder: Path | None) -> Recipe:
    if folder is None:
        return recipe
    temporal = replace(recipe.temporal, checkpoint=folder / "temporal" / "best.safetensors")
    matcher = replace(recipe.matcher, checkpoint=folder / "matcher" / "best.safetensors")
    return replace(recipe, temporal=temporal, matcher=matcher)


def _scores(recipe: Recipe, truth: Sequence[Annotation], reader: Reader) -> Mapping[str, Float64Array]:
    """Return tIoU and vIoU (Q, 2) of each row, and the causes of error (Q, 4) of each mode."""
    localizer, matcher = load_stages(recipe)
    fusions: dict[str, ScoreFusion] = {mode: build_fusion(recipe, mode) for mode in MODES}
    mask = localizer.model.mask
    ablation = Ablation(
        truth, reader, localizer, matcher, fusions, moment_cells(mask.numpy()), len(mask), recipe.seed
    ).with_cache()
    found: dict[str, Float64Array] = {}
    for name, temporal, spatial, mode in ROWS:
        scores = ablation.row(temporal, spatial, mode).scores
        found[name] = np.array([[one.tiou, one.viou] for one in scores.per_query])
    for mode in MODES:
        answers = {one.query_id: one for one in ablation.predict(mode)}
        shares = [
            error_shares(one.tube, answers[one.query.query_id], reader.read(one.query.video_id), fusions[mode])
            for one in truth
        ]
        found[f"{mode}: causes"] = np.array([[getattr(share, cause) for cause in CAUSES] for share in shares])
    return found


def _tables(values: Values, clips: Sequence[str], several: BoolArray, seed: int) -> str:
    """Return the report as Markdown, all scores in percent."""
    lines = [
        f"{len(clips)} sentences, {len(set(clips))} clips, {int(several.sum())} sentences with several people in view; "
        f"{len(next(iter(values.values())))} training(s); intervals resampled by clip.",
        "",
        "| row | m_tIoU | m_vIoU (95 % interval) | spread between trainings | one person | several people |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, *_ in ROWS:
        mean = values[name].mean(axis=0)
        low, high = interval(mean[:, 1], clips, seed)
        spread = values[name][..., 1].mean(axis=1).std(ddof=1) if len(values[name]) > 1 else float("nan")
        alone = mean[~several, 1].mean() if (~several).any() else float("nan")
        many = mean[several, 1].mean() if several.any() else float("nan")
        scores = f"{100 * mean[:, 0].mean():.1f} | {100 * mean[:, 1].mean():.1f} ({100 * low:.1f} to {100 * high:.1f})"
        lines.append(f"| {name} | {scores} | {100 * spread:.1f} | {100 * alone:.1f} | {100 * many:.1f} |")
    lines += ["", "| difference | m_tIoU | m_vIoU | several people |", "| --- | --- | --- | --- |"]
    names = np.array(clips)
    for one, other in PAIRS:
        difference = (values[one] - values[other]).mean(axis=0)
        cells = []
        for chosen, column in ((slice(None), 0), (slice(None), 1), (several, 1)):
            part = difference[chosen, column]
            low, high = interval(part, list(names[chosen]), seed)
            cells.append(f"{100 * part.mean():.1f} ({100 * low:.1f} to {100 * high:.1f})")
        lines.append(f"| {one} - {other} | {' | '.join(cells)} |")
    lines += [
        "",
        f"| mode | {' | '.join(cause.replace('_', ' ') for cause in CAUSES)} |",
        "|" + " --- |" * (1 + len(CAUSES)),
    ]
    for mode in MODES:
        shares = values[f"{mode}: causes"].mean(axis=(0, 1))
        lines.append(f"| {mode} | {' | '.join(f'{100 * share:.1f}' for share in shares)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
