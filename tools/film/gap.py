"""Measure how well a linear probe tells the people of two stores of prepared videos apart by their features.

    python tools/film/gap.py runs/film/prepared/val.h5 runs/film/prepared/film.h5 [--names val film]

The area under the ROC curve (AUC) is 0.5 where nothing tells them apart, 1 where everything does. Rows of the tubes
are standardised; a ridge regression of the label is fitted on four fifths of the videos of either store and judged on
the rest, five times, so that no video is judged by a probe that saw it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from stvg.cli import ExitCode
from stvg.prepare.stored_video import opened, read_entry, read_video
from stvg.types import BoolArray, Float64Array

FOLDS = 5
ROWS_OF_A_VIDEO = 60
"""Rows that are drawn from a video at most, so that long ones do not count for more."""
_RIDGE = 30.0


def auc(scores: Float64Array, labels: BoolArray) -> float:
    """Return the probability that a row of the one kind scores above one of the other, ties counting half.

    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    positives = int(labels.sum())
    ranks = rankdata(scores)[labels].sum() - positives * (positives + 1) / 2
    return float(ranks / (positives * (len(labels) - positives)))


def probe(one: Sequence[Float64Array], other: Sequence[Float64Array], seed: int) -> float:
    """Return the mean AUC over folds of telling rows of the videos `one`, each (R, D), from those of `other`."""
    rng = np.random.default_rng(seed)
    folds = [rng.permutation(len(videos)) % FOLDS for videos in (one, other)]
    found = []
    for fold in range(FOLDS):
        parts = {}
        for name, judged in (("fit", False), ("judge", True)):
            rows = [
                [rows for rows, own in zip(videos, of, strict=True) if (own == fold) == judged]
                for videos, of in zip((one, other), folds, strict=True)
            ]
            labels = np.concatenate([np.full(len(row), label) for label in (0, 1) for row in rows[label]])
            parts[name] = np.concatenate([row for side in rows for row in side]), labels
        (values, labels), (judged_values, judged_labels) = parts["fit"], parts["judge"]
        mean, scale = values.mean(axis=0), values.std(axis=0) + 1e-3
        weights = np.where(labels == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))[:, None]
        design = np.concatenate([(values - mean) / scale, np.ones((len(values), 1))], axis=1)
        normal = design.T @ (weights * design) + _RIDGE * np.eye(design.shape[1])
        solution = np.linalg.solve(normal, design.T @ (weights[:, 0] * (2.0 * labels - 1)))
        judged_design = (judged_values - mean) / scale
        found.append(auc(judged_design @ solution[:-1], judged_labels == 1))
    return float(np.mean(found))


def read_rows(path: Path, seed: int) -> list[Float64Array]:
    """Return the tubes' rows of each video of a store that has any; videos of one footage count once."""
    rng, found = np.random.default_rng(seed), []
    with opened(path) as file:
        for video_id, group in file.items():
            if read_entry(group).same_as is None:
                tubes = read_video(video_id, group).tube_features
                if tubes:
                    rows = np.concatenate(tubes).astype(np.float64)
                    found.append(rows[rng.permutation(len(rows))[:ROWS_OF_A_VIDEO]])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the AUC of two stores."""
    parser = argparse.ArgumentParser("film/gap.py", description=__doc__)
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    asked = parser.parse_args(arguments)
    one, other = read_rows(asked.one, 0), read_rows(asked.other, 0)
    values = [probe(one, other, seed) for seed in range(5)]
    print(f"{asked.one} ({len(one)} videos) against {asked.other} ({len(other)}): AUC {np.mean(values):.3f}")
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
