"""Prepare many videos: one process per worker, resumable, failures listed instead of raised."""

import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
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
) -> list[Failure]:
    """Prepare each video (id -> file) that the store lacks; return those that failed, with reasons.

    `make_preparer` is called once in every worker process and must be picklable. `workers` None takes one per core; 1
    works in this process. The store is packed at the end.

    Raises:
        InputError: fewer than one worker, or the preparer cannot be made, say for want of a model file.
    """
    if workers is not None and workers < 1:
        raise InputError(f"--workers: expected a whole number of at least 1, got {workers}")
    started = time.monotonic()
    sources, failures = _sources(videos)
    todo = [(key, source) for key, source in sources.items() if overwrite or not store.has(key, source)]
    jobs = [(store, key, videos[key], source) for key, source in todo]
    results = _serial(jobs, make_preparer) if (workers or _cores()) == 1 else _parallel(jobs, make_preparer, workers)
    for failure in tqdm(results, total=len(jobs), desc=f"prepare {store.path.stem}", unit="video", disable=not jobs):
        if failure is not None:
            failures.append(failure)
    store.pack()
    logger.info("prepared %d of %d videos into %s in %.1f s (%d were there)",
                len(videos) - len(failures), len(videos), store.path, time.monotonic() - started,
                len(sources) - len(todo))  # fmt: skip
    return failures


def _sources(videos: Mapping[str, Path]) -> tuple[dict[str, str], list[Failure]]:
    """Return the fingerprint of each existing file, and a failure for each missing one."""
    sources, failures = {}, []
    for key, path in videos.items():
        if path.is_file():
            sources[key] = source_fingerprint(path)
        else:
            failures.append(Failure(key, f"{path}: expected a video file, found none"))
    return sources, failures


_Job = tuple[PreparedStore, str, Path, str]


def _serial(jobs: Sequence[_Job], make_preparer: Callable[[], Preparer]) -> Iterator[Failure | None]:
    if jobs:
        preparer = make_preparer()
        yield from (_prepare_one(preparer, *job) for job in jobs)


def _parallel(
    jobs: Sequence[_Job], make_preparer: Callable[[], Preparer], workers: int | None
) -> Iterator[Failure | None]:
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


def _work(job: _Job) -> Failure | None:
    return _prepare_one(_Worker.preparer(), *job)


def _prepare_one(preparer: Preparer, store: PreparedStore, key: str, path: Path, source: str) -> Failure | None:
    try:
        store.write_part(preparer.prepare(path, key), source)
    except InputError as error:
        return Failure(key, str(error))
    return None
