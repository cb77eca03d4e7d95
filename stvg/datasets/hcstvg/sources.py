"""Know the data sets: where published, and where their files are.

Nothing is downloaded here: the data sets have terms of their own, and their videos come from films.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stvg.errors import InputError

Dataset = Literal["hcstvg_v1", "hcstvg_v2", "vidstg"]
Split = Literal["train", "val", "test", "test_queries"]
VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".flv")

HCSTVG_WORDS = """\
HC-STVG is published by its authors on https://github.com/tzhhhh123/HC-STVG . Its page has a OneDrive and a Baidu link
for version 2 (annotations of train and val, queries of test, the videos in ten packages; the keys of the links stand
beside them), and a OneDrive link for version 1. Unpack all of it into one folder, in any subfolders, and name that
folder here."""
VIDSTG_WORDS = """\
VidSTG's sentences (train_annotations.json, val_annotations.json, test_annotations.json) are published by its authors
on https://github.com/Guaranteer/VidSTG-Dataset ; the videos and boxes are VidOR's, on
https://xdshang.github.io/docs/vidor.html . Unpack all of it into one folder: the three files, VidOR's annotations
(training/, validation/) and its videos, in any subfolders."""

ANNOTATION_NAMES: Mapping[Dataset, Mapping[Split, tuple[str, ...]]] = {
    "hcstvg_v1": {
        "train": ("train.json", "train_v1.json"),
        "val": ("val.json", "val_v1.json"),
        "test": ("test.json", "test_v1.json"),
        "test_queries": (),
    },
    "hcstvg_v2": {
        "train": ("train_v2.json", "trainv2.json", "train.json"),
        "val": ("val_v2.json", "valv2.json", "val.json"),
        "test": ("test_v2.json", "testv2.json"),
        "test_queries": ("query_v2.json", "queryv2.json", "test_queries.json", "query.json"),
    },
    "vidstg": {
        "train": ("train_annotations.json",),
        "val": ("val_annotations.json",),
        "test": ("test_annotations.json",),
        "test_queries": (),
    },
}
"""File names under which a split's annotations are looked for, the first one found counts."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What was found in a data set's folder: a file per split, and all videos by name, each with its places."""

    annotations: Mapping[Split, Path]
    videos: Mapping[str, tuple[Path, ...]]


def where_to_get(dataset: Dataset) -> str:
    """Return, in words, where the authors publish a data set."""
    return VIDSTG_WORDS if dataset == "vidstg" else HCSTVG_WORDS


def find_sources(dataset: Dataset, data: Path, named: Mapping[Split, Path], besides: Path) -> Sources:
    """Look for a data set's files under `data`, in any subfolder but `besides` (where links to them are written).

    `named` are annotation files that the user names.

    Raises:
        InputError: no such folder, no annotations in it, or one split's annotations twice.
    """
    if not data.is_dir():
        raise InputError(f"{data}: expected a folder with the data set, found none; {where_to_get(dataset)}")
    files: dict[str, list[Path]] = {}
    for path in _walk(data, besides.resolve()):
        files.setdefault(path.name, []).append(path)
    annotations = dict(named)
    for split, names in ANNOTATION_NAMES[dataset].items():
        found = next((files[name] for name in names if name in files), [])
        if len(found) > 1 and split not in named:
            raise InputError(
                f"{data}: expected one {found[0].name}, found {len(found)}: {found[0]} and {found[1]}; "
                f"name one (--{split.replace('_', '-')})"
            )
        if found:
            annotations.setdefault(split, found[0])
    if not annotations:
        expected = ", ".join(names[0] for names in ANNOTATION_NAMES[dataset].values() if names)
        raise InputError(f"{data}: expected annotations ({expected}), found none; {where_to_get(dataset)}")
    videos = {name: tuple(paths) for name, paths in files.items() if name.lower().endswith(VIDEO_SUFFIXES)}
    return Sources(annotations, videos)


def _walk(folder: Path, besides: Path) -> Iterator[Path]:
    """Yield all files below a folder, in a fixed order, links to folders followed."""
    for root, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if (Path(root) / name).resolve() != besides)
        yield from (Path(root) / name for name in sorted(names))
