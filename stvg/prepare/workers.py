"""Run many independent jobs in this process or in several.

`work` is called with one job at a time and must be picklable with all that it needs. Its result, or `WorkerCrash` where
the process that ran it died, comes back with its job in any order; an exception that it raises ends the run. Finished
jobs survive the death of a process. stvg.prepare.ray_cluster does the same on a cluster.
"""

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import wait as wait_for_sentinels
from typing import Any, Protocol, TypeVar

from stvg.compute.allocator import keep_freed_memory
from stvg.errors import InputError

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class WorkerCrash:
    """The result of a job whose process died each time that it was tried."""

    reason: str


class Workers(Protocol):
    """Runs jobs in worker processes."""

    def run(self, work: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[Job, Result | WorkerCrash]]:
        """Yield each job with its result, in the order in which they end."""
        ...


@dataclass(frozen=True, slots=True)
class LocalWorkers:
    """`count` worker processes of this machine; one worker is the calling process itself."""

    count: int

    def run(self, work: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[Job, Result | WorkerCrash]]:
        """Yield each job with its result.

        When a process dies, all are started anew. It is not known whose job killed it, so those that were running are
        tried again one by one; the one at which a process dies again is a WorkerCrash.
        """
        if self.count == 1:
            yield from ((job, work(job)) for job in jobs)
            return
        call, todo, suspects = pickle.dumps(work), deque(jobs), deque[Job]()
        while todo or suspects:
            alone = bool(suspects)
            queue = suspects if alone else todo
            width = 1 if alone else min(self.count, len(queue))
            with _pool(width) as pool:
                broken = yield from _drain(pool, call, queue, width if alone else 2 * width)
            if alone and broken:
                yield from ((job, WorkerCrash("expected a result, but its process died twice")) for job in broken)
            else:
                suspects.extend(broken)


def local_workers(count: int | None) -> LocalWorkers:
    """Return `count` workers of this machine, None for one per core.

    Raises:
        InputError: fewer than one.
    """
    if count is not None and count < 1:
        raise InputError(f"--workers: expected a whole number of at least 1, got {count}")
    return LocalWorkers(count or len(os.sched_getaffinity(0)))


def call_pickled(call: bytes, job: Any) -> Any:
    """Call the pickled `work` with a job; a process unpickles it once and keeps it."""
    return _unpickled(call)(job)


@lru_cache(maxsize=1)
def _unpickled(call: bytes) -> Callable[[Any], Any]:
    work: Callable[[Any], Any] = pickle.loads(call)  # noqa: S301 (comes from the process that started this one)
    return work


def _pool(count: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")  # fork would copy the threads of torch and OpenCV in a broken state
    return ProcessPoolExecutor(count, context, _start)


def _drain(
    pool: ProcessPoolExecutor, call: bytes, queue: deque[Job], width: int
) -> Generator[tuple[Job, Any], None, list[Job]]:
    """Yield each job of the queue with its result; return the jobs that were running when a process died."""
    running: dict[Future[Any], Job] = {}
    try:
        while queue or running:
            while queue and len(running) < width:
                running[pool.submit(call_pickled, call, queue[0])] = queue[0]
                queue.popleft()  # not before it is accepted: a broken pool takes none
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                result = future.result()
                yield running.pop(future), result
    except BrokenProcessPool:
        return list(running.values())
    finally:
        pool.shutdown(cancel_futures=True)
    return []


def _start() -> None:
    """Set up a worker process: one OpenCV thread, interrupts ignored, end with the parent."""
    import cv2

    keep_freed_memory()
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent ends, also where the parent was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_sentinels([parent.sentinel])
        os._exit(1)
