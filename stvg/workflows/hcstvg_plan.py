"""Estimate time and disk of a reproduction from a few prepared videos."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from stvg.datasets.hcstvg.item_checks import read_split
from stvg.datasets.hcstvg.layout import PrepareRequest
from stvg.datasets.hcstvg.sources import Sources, find_sources
from stvg.datasets.hcstvg.videos import find_file
from stvg.errors import InputError
from stvg.prepare.store import PreparedStore
from stvg.recipe.build import build_preparer
from stvg.recipe.schema import Recipe
from stvg.recipe.workspace import prepared_store
from stvg.training.step_time import training_cost


@dataclass(frozen=True, slots=True)
class PrepareCost:
    """What preparing `videos` of them took on this machine, in one process, and what was found in them.

    `tubes` are those of all of them; the widths are the columns of clip and tube features, 0 where there are none.
    """

    videos: int
    frames: int
    seconds: float
    bytes: int
    tubes: int
    clip_width: int
    tube_width: int


@dataclass(frozen=True, slots=True)
class SplitSize:
    """A split's queries, and how many of its videos were found, of which size."""

    split: str
    queries: int
    videos: int
    bytes: int


def plan(recipe: Recipe, request: PrepareRequest, workers: int, nodes: int, sample: int) -> list[str]:
    """Return the plan, a line each; nothing is written.

    `sample` videos are prepared in one process and thrown away; what they took is multiplied by the number of videos
    and divided by `nodes` machines of `workers` processes. Models are loaded before the clock starts.

    Raises:
        InputError: no data set in the folder, or none of its videos.
    """
    sources = find_sources(request.dataset, request.data, request.named, request.out)
    sizes, paths = _sizes(sources)
    if not paths:
        raise InputError(f"{request.data}: expected videos of the data set, found none")
    cost = measure(recipe, _spread(paths, sample))
    lines = [f"{one.split}: {one.queries} queries, {one.videos} videos found ({_gib(one.bytes)})" for one in sizes]
    missing = sum(one.queries - one.videos for one in sizes)
    lines += [f"missing videos: {missing}", ""]
    lines += [
        f"measured here, one process, {cost.videos} videos of {cost.frames} frames together: "
        f"{cost.seconds / cost.videos:.2f} s and {cost.bytes / cost.videos / 1e6:.2f} MB a video"
    ]
    total = len(paths)
    seconds = total * cost.seconds / cost.videos / (workers * nodes)
    disk = total * cost.bytes / cost.videos
    free = shutil.disk_usage(_existing(recipe.output.root)).free
    lines.append(f"prepare {total} videos: {_time(seconds)} on {nodes} machine(s) of {workers} processes")
    lines.append(f"disk for prepared videos: {_gib(disk)}, twice that while they are joined; {_gib(free)} free")
    return [*lines, *_training(recipe, cost, sizes), *_steps(recipe, request)]


def _training(recipe: Recipe, cost: PrepareCost, sizes: list[SplitSize]) -> list[str]:
    """Return what each stage's training takes: its steps, measured on this device, and the size of its items."""
    videos = {one.split: one.videos for one in sizes}
    tubes = cost.tubes / cost.videos, cost.tube_width
    sequences = tubes if recipe.temporal.search == "people" else (1.0, cost.clip_width)
    lines = []
    for name, stage, (maps, width) in (("temporal", recipe.temporal, sequences), ("matcher", recipe.matcher, tubes)):
        if not videos.get("train") or not maps:
            lines.append(f"train {name}: not estimated, nobody was found or there is no video of train")
            continue
        one = training_cost(stage, recipe.device, videos["train"], maps, width)
        lines.append(
            f"train {name}: {stage.training.epochs} epochs, at most {one.steps} steps of {stage.training.batch_size} "
            f"videos with {maps:.1f} maps each; measured here ({recipe.device}) {one.seconds:.2f} s a step: "
            f"{_time(one.total_s)} without validation; items {_gib(one.item_bytes)}"
        )
    held = recipe.data.memory_gib
    lines.append(
        f"memory of a training: up to {held:g} GiB of its items and {held:g} GiB of val's "
        f"{_gib(videos.get('val', 0) * cost.bytes / cost.videos)} of prepared videos; "
        "what is beyond that is read from disk (data.memory_gib)"
    )
    return lines


def _steps(recipe: Recipe, request: PrepareRequest) -> list[str]:
    out = recipe.output.root
    return [
        "",
        "steps, each skipped where it is done:",
        f"1. check the data, link them under {request.out}",
        f"2. prepare the videos into {out / 'prepared'}",
        f"3. train both stages into {out / 'temporal'} and {out / 'matcher'}, fit {out / 'fusion.json'}",
        f"4. ground, score and ablate val (v1: test) into {out}",
        "5. print the figures beside the published ones",
        "6. ground the test queries, check the submission",
    ]


def measure(recipe: Recipe, videos: list[Path]) -> PrepareCost:
    """Prepare these videos in this process and return what that took; nothing of it is kept.

    Raises:
        InputError: none of them can be prepared.
    """
    preparer = build_preparer(recipe)
    recipe_hash = prepared_store(recipe, "plan").recipe
    done, frames, tubes, started, reason = 0, 0, 0, time.perf_counter(), ""
    clip_width = tube_width = 0
    with TemporaryDirectory() as folder:
        store = PreparedStore(Path(folder) / "plan.h5", recipe_hash)
        for path in videos:
            try:
                prepared = preparer.prepare(path, path.name).video
            except InputError as error:
                reason = str(error)
                continue
            store.write_part(prepared, "plan")
            done, frames, tubes = done + 1, frames + prepared.meta.num_frames, tubes + len(prepared.tubes)
            clip_width = prepared.clip_features.shape[1]
            tube_width = max((tube_width, *(rows.shape[1] for rows in prepared.tube_features)))
        seconds = time.perf_counter() - started
        size = sum(path.stat().st_size for path in store.parts.glob("*.h5"))
    if not done:
        raise InputError(f"expected videos that can be prepared to measure with, got none: {reason}")
    return PrepareCost(done, frames, seconds, size, tubes, clip_width, tube_width)


def _sizes(sources: Sources) -> tuple[list[SplitSize], list[Path]]:
    """Return each split's size, and the files of all splits' videos, each once."""
    sizes, paths = [], dict[Path, None]()
    for split, file in sources.annotations.items():
        keys = read_split(split, file).items
        found = {path: None for key in keys if (path := find_file(key, sources.videos)) is not None}
        sizes.append(SplitSize(split, len(keys), len(found), sum(path.stat().st_size for path in found)))
        paths.update(found)
    return sizes, list(paths)


def _spread(paths: list[Path], count: int) -> list[Path]:
    """Return so many of the files, at even distances."""
    count = max(1, min(count, len(paths)))
    return [paths[(2 * k + 1) * len(paths) // (2 * count)] for k in range(count)]


def _existing(path: Path) -> Path:
    path = path.resolve()
    while not path.exists():
        path = path.parent
    return path


def _gib(size: float) -> str:
    return f"{size / 2**30:.2f} GiB"


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
