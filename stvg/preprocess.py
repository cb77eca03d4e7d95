"""Prepare many videos: one process per worker, resumable, failures listed instead of raised."""

import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from tqdm import tqdm

from stvg.errors import InputError
from stvg.pipeline import Preparer
from stvg.store import PreparedStore, source_fingerprint

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """A video that could not be prepared, and the one-line reason."""

    video_id: str
    reason: str


def prepare_videos(
    videos: Mapping[str, Path],
    store: PreparedStore,
    make_preparer: Callable[[], Preparer],
    workers: int | None = None,
    overwrite: bool = False,
    fingerprint: Callable[[Path], str] = source_fingerprint,
) -> list[Failure]:
    """Prepare each video (id -> file) that the store lacks; return those that failed, with reasons.

    `make_preparer` is called once in every worker process and must be picklable. `workers` None takes one per core; 1
    works in this process. `fingerprint` of a file covers everything that preparing it depends on: files with the same
    one, such as clips that share their footage, are prepared once. The store is packed at the end.

    Raises:
        InputError: fewer than one worker, or the preparer cannot be made, say for want of a model file.
    """
    if workers is not None and workers < 1:
        raise InputError(f"--workers: expected a whole number of at least 1, got {workers}")
    started = time.monotonic()
    sources, failures = _sources(videos, fingerprint)
    todo = [(key, source) for key, source in sources.items() if overwrite or not store.has(key, source)]
    keys_of: dict[str, list[str]] = {}
    for key, source in todo:
        keys_of.setdefault(source, []).append(key)
    jobs = [(store, tuple(keys), videos[keys[0]], source) for source, keys in keys_of.items()]
    results = _serial(jobs, make_preparer) if (workers or _cores()) == 1 else _parallel(jobs, make_preparer, workers)
    for failed in tqdm(results, total=len(jobs), desc=f"prepare {store.path.stem}", unit="video", disable=not jobs):
        failures.extend(failed)
    store.pack()
    logger.info("prepared %d of %d videos into %s in %.1f s (%d were there)",
                len(videos) - len(failures), len(videos), store.path, time.monotonic() - started,
                len(sources) - len(todo))  # fmt: skip
    return failures


def _sources(videos: Mapping[str, Path], fingerprint: Callable[[Path], str]) -> tuple[dict[str, str], list[Failure]]:
    """Return the fingerprint of each existing file, and a failure for each missing one."""
    sources, failures = {}, []
    for key, path in videos.items():
        if path.is_file():
            sources[key] = fingerprint(path)
        else:
            failures.append(Failure(key, f"{path}: expected a video file, found none"))
    return sources, failures


_Job = tuple[PreparedStore, tuple[str, ...], Path, str]
"""The store, the ids of the videos with this footage, its file and its fingerprint."""


def _serial(jobs: Sequence[_Job], make_preparer: Callable[[], Preparer]) -> Iterator[list[Failure]]:
    if jobs:
        preparer = make_preparer()
        yield from (_prepare_one(preparer, *job) for job in jobs)


def _parallel(
    jobs: Sequence[_Job], make_preparer: Callable[[], Preparer], workers: int | None
) -> Iterator[list[Failure]]:
    if not jobs:
        return
    count = min(workers or _cores(), len(jobs))
    context = multiprocessing.get_context("spawn")  # fork would copy the threads of torch and OpenCV in a broken state
    with ProcessPoolExecutor(count, context, _start_worker, (make_preparer,)) as pool:
        try:
            for future in as_completed([pool.submit(_work, job) for job in jobs]):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class _Worker:
    """The one object of a worker process: what its jobs share, made by the first so that its errors are theirs."""

    preparer: Callable[[], Preparer]


def _start_worker(make_preparer: Callable[[], Preparer]) -> None:
    import cv2

    cv2.setNumThreads(1)
    _Worker.preparer = staticmethod(lru_cache(maxsize=1)(make_preparer))


def _work(job: _Job) -> list[Failure]:
    return _prepare_one(_Worker.preparer(), *job)


def _prepare_one(
    preparer: Preparer, store: PreparedStore, keys: Sequence[str], path: Path, source: str
) -> list[Failure]:
    try:
        prepared = preparer.prepare(path, keys[0])
        for key in keys:
            store.write_part(
                replace(prepared, meta=replace(prepared.meta, video_id=key, path=path.with_name(key))), source
            )
    except InputError as error:
        return [Failure(key, str(error)) for key in keys]
    return []
