"""Prepare many videos: spread over processes or machines, resumable, failures recorded instead of raised.

The work is split by footage. Each finished video is written at once, whole or not at all, beside the split's file
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
from stvg.pipeline import Preparer
from stvg.prepare.store import PreparedStore, source_fingerprint
from stvg.prepare.workers import Engine, Lost, local_engine
from stvg.stage_times import StageTimes, total
from stvg.types import Failure

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HowToPrepare:
    """How a command's user wants videos prepared; the result does not depend on it.

    `engine` is where the work runs. `overwrite` prepares finished videos again, `retry_failed` those that are recorded
    as failed though file and config are what they were.
    """

    engine: Engine
    overwrite: bool = False
    retry_failed: bool = False

    @classmethod
    def on_this_machine(cls, workers: int | None = None) -> "HowToPrepare":
        """Return the plain way: `workers` processes, None for one per core."""
        return cls(local_engine(workers))


def prepare_videos(
    videos: Mapping[str, Path],
    store: PreparedStore,
    make_preparer: Callable[[], Preparer],
    how: HowToPrepare,
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
    with locked(store.path):
        return _prepare_locked(videos, store, make_preparer, how, fingerprint)


def _prepare_locked(
    videos: Mapping[str, Path],
    store: PreparedStore,
    make_preparer: Callable[[], Preparer],
    how: HowToPrepare,
    fingerprint: Callable[[Path], str],
) -> list[Failure]:
    started = time.monotonic()
    for target in (store.parts, store.path, store.failed):
        remove_leftovers(target)
    sources, failures = _sources(videos, fingerprint)
    done, failed = store.sources(), store.failures()
    finished = {key for key, source in sources.items() if done.get(key) == source and not how.overwrite}
    known = {key: failed[key, source] for key, source in sources.items() if (key, source) in failed}
    given_up = {key: reason for key, reason in known.items() if not (how.retry_failed or how.overwrite)}
    failures += [Failure(key, reason) for key, reason in given_up.items() if key not in finished]
    jobs = _jobs({key: source for key, source in sources.items() if key not in finished | given_up.keys()}, videos)
    found = _run(jobs, store, make_preparer, how.engine)
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
    jobs: Sequence[_Job], store: PreparedStore, make_preparer: Callable[[], Preparer], engine: Engine
) -> list[Failure]:
    """Do the jobs and record those that fail."""
    if not jobs:
        return []
    failures: list[Failure] = []
    times: list[StageTimes] = []
    results = engine.run(_Prepare(store, make_preparer), jobs)
    with tqdm(total=len(jobs), desc=f"prepare {store.path.stem}", unit="video") as bar:
        for job, result in results:
            if isinstance(result, StageTimes):
                times.append(result)
            elif result is not None:
                reason = f"{job.path}: {result.reason}" if isinstance(result, Lost) else result
                store.record_failures(dict.fromkeys(job.keys, reason), job.source)
                failures += [Failure(key, reason) for key in job.keys]
            bar.update()
    if times:
        logger.info("throughput by stage, of one process: %s", total(times))
    return failures


class _Prepare:
    """Prepares one footage, in whichever process; what it is made with is made at the first call."""

    def __init__(self, store: PreparedStore, make_preparer: Callable[[], Preparer]) -> None:
        self._store = store
        self._make = make_preparer

    def __getstate__(self) -> tuple[PreparedStore, Callable[[], Preparer]]:
        return self._store, self._make

    def __setstate__(self, state: tuple[PreparedStore, Callable[[], Preparer]]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __call__(self, job: _Job) -> str | StageTimes | None:
        """Store the footage under each of its ids; return why it cannot be prepared, or how long it took.

        An exception of any kind fails this video alone, with its traceback in the log, but for a full disk.

        Raises:
            InputError: the preparer cannot be made, or its result not be written.
        """
        preparer = self._preparer()
        try:
            prepared = preparer.prepare(job.path, job.keys[0])
        except InputError as error:
            return str(error)
        except Exception as error:
            if is_disk_full(error):
                raise
            logger.exception("%s: not foreseen", job.path)
            return f"{job.path}: expected to be prepared, got: {type(error).__name__}: {' '.join(str(error).split())}"
        others = [replace(prepared.meta, video_id=key, path=job.path.with_name(key)) for key in job.keys[1:]]
        self._store.write_part(prepared, job.source, others)
        return prepared.times

    def _preparer(self) -> Preparer:
        if not hasattr(self, "_made"):
            self._made = self._make()
        return self._made
