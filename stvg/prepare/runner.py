"""Prepare many videos in worker processes, resumably.

The work is split by video file. Each finished video is written at once, whole or not at all, beside the split's file
(see store), and a failed one is recorded with its reason; so a run that is killed loses nothing, and the next one
does only what is left.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from stvg.errors import InputError
from stvg.io.files import is_disk_full, remove_leftovers
from stvg.io.locks import locked
from stvg.pipeline import Preparer, StageTimes, total
from stvg.prepare.ray_cluster import RayCluster
from stvg.prepare.store import PreparedStore, source_fingerprint
from stvg.prepare.workers import WorkerCrash, Workers, local_workers
from stvg.types import Failure

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """How videos are prepared; the prepared videos do not depend on it.

    `workers` processes work, None for one per core: on this machine, or with `ray` on the Ray cluster at that address
    ("" starts one here). `ray_gpus` is the share of a GPU that each job gets there, None for one where the recipe's
    device is a GPU. `retry_failed` tries videos again that are recorded as failed, `overwrite` prepares all again.

    Raises:
        InputError: fewer than one worker, or a share of a GPU that is none.
    """

    workers: int | None = None
    ray: str | None = None
    ray_gpus: float | None = None
    retry_failed: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        local_workers(self.workers)
        if self.ray is not None and not 0 <= (self.ray_gpus or 0.0) <= 1:
            raise InputError(f"--ray-gpus: expected a share from 0 to 1, got {self.ray_gpus}")

    def make_workers(self, device: str) -> Workers:
        """Return the workers for a recipe's `device`."""
        local = local_workers(self.workers)
        if self.ray is None:
            return local
        gpus = self.ray_gpus if self.ray_gpus is not None else float(device == "cuda")
        return RayCluster(self.ray, local.count, gpus)


def prepare_videos(
    videos: Mapping[str, Path],
    store: PreparedStore,
    make_preparer: Callable[[], Preparer],
    workers: Workers,
    *,
    retry_failed: bool = False,
    overwrite: bool = False,
    fingerprint: Callable[[Path], str] = source_fingerprint,
) -> list[Failure]:
    """Prepare each video (id -> file) that the store lacks; return those that failed, now or earlier, with reasons.

    `make_preparer` is called once in every process and must be picklable. `fingerprint` of a file covers everything
    that preparing it depends on: files with the same one, such as clips that share their footage, are prepared once.
    The store is packed at the end. Files that are missing are looked for each time.

    Raises:
        InputError: another run fills this store, the disk is full, or the preparer cannot be made, say for want of a
            model file.
    """
    started = time.monotonic()
    with locked(store.path):
        for target in (store.parts, store.path, store.failed):
            remove_leftovers(target)
        sources, failures = _sources(videos, fingerprint)
        done, failed = store.sources(), store.failures()
        finished = {key for key, source in sources.items() if done.get(key) == source and not overwrite}
        known = {key: failed[key, source] for key, source in sources.items() if (key, source) in failed}
        given_up = {key: reason for key, reason in known.items() if not (retry_failed or overwrite)}
        failures += [Failure(key, reason) for key, reason in given_up.items() if key not in finished]
        jobs = _jobs({key: source for key, source in sources.items() if key not in finished | given_up.keys()}, videos)
        found = _run(jobs, store, make_preparer, workers)
        store.pack()
    logger.info(
        "prepared %d of %d videos into %s in %.1f s (%d were there, %d had failed before)",
        len(videos) - len(failures) - len(found),
        len(videos),
        store.path,
        time.monotonic() - started,
        len(finished),
        len(given_up),
    )
    return failures + found


@dataclass(frozen=True, slots=True)
class _Job:
    """One footage to prepare: the ids of the videos that it carries, its file and its fingerprint."""

    keys: tuple[str, ...]
    path: Path
    source: str


def _sources(videos: Mapping[str, Path], fingerprint: Callable[[Path], str]) -> tuple[dict[str, str], list[Failure]]:
    """Return the fingerprint of each file, and a failure for each that is missing or cannot be read."""
    sources, failures = {}, []
    for key, path in videos.items():
        try:
            if path.is_file():
                sources[key] = fingerprint(path)
            else:
                failures.append(Failure(key, f"{path}: expected a video file, found none"))
        except OSError as error:
            failures.append(Failure(key, f"{path}: expected a readable video file, got: {error.strerror or error}"))
    return sources, failures


def _jobs(sources: Mapping[str, str], videos: Mapping[str, Path]) -> list[_Job]:
    keys_of: dict[str, list[str]] = {}
    for key, source in sources.items():
        keys_of.setdefault(source, []).append(key)
    return [_Job(tuple(keys), videos[keys[0]], source) for source, keys in keys_of.items()]


def _run(
    jobs: Sequence[_Job], store: PreparedStore, make_preparer: Callable[[], Preparer], workers: Workers
) -> list[Failure]:
    """Do the jobs and record those that fail."""
    if not jobs:
        return []
    failures: list[Failure] = []
    times: list[StageTimes] = []
    results = workers.run(_Prepare(store, make_preparer), jobs)
    with tqdm(total=len(jobs), desc=f"prepare {store.path.stem}", unit="video") as bar:
        for job, result in results:
            if isinstance(result, StageTimes):
                times.append(result)
            elif result is not None:
                reason = f"{job.path}: {result.reason}" if isinstance(result, WorkerCrash) else result
                store.record_failures(dict.fromkeys(job.keys, reason), job.source)
                failures += [Failure(key, reason) for key in job.keys]
            bar.update()
    if times:
        logger.info("throughput by stage, of one process: %s", total(times))
    return failures


class _Prepare:
    """Prepares one video file in a worker process; the preparer is built at the first call."""

    def __init__(self, store: PreparedStore, make_preparer: Callable[[], Preparer]) -> None:
        self._store = store
        self._make = make_preparer
        self._made: Preparer | None = None

    def __reduce__(self) -> tuple[type["_Prepare"], tuple[PreparedStore, Callable[[], Preparer]]]:
        return _Prepare, (self._store, self._make)  # the preparer is made in each process

    def __call__(self, job: _Job) -> str | StageTimes | None:
        """Store the footage under each of its ids; return why it cannot be prepared, or how long it took.

        An exception of any kind fails this video alone, with its traceback in the log, but for a full disk.

        Raises:
            InputError: the preparer cannot be made, or its result not be written.
        """
        preparer = self._preparer()
        try:
            made = preparer.prepare(job.path, job.keys[0])
        except InputError as error:
            return str(error)
        except Exception as error:
            if is_disk_full(error, None):
                raise
            logger.exception("%s: not foreseen", job.path)
            return f"{job.path}: expected to be prepared, got: {type(error).__name__}: {' '.join(str(error).split())}"
        others = [replace(made.video.meta, video_id=key, path=job.path.with_name(key)) for key in job.keys[1:]]
        self._store.write_part(made.video, job.source, others)
        return made.times

    def _preparer(self) -> Preparer:
        if self._made is None:
            self._made = self._make()
        return self._made
