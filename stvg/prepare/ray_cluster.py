"""Run jobs on a Ray cluster (https://docs.ray.io, the optional extra `ray`).

Every machine must reach videos, outputs and this package under the same paths. Jobs of a machine that dies run again on
another one; what it has written stays.
"""

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from stvg.errors import InputError
from stvg.prepare.workers import Job, Result, WorkerCrash, call_pickled

_TRIES = 3
"""Retries of a job whose machine or process died."""


@dataclass(frozen=True, slots=True)
class RayCluster:
    """The processors of a Ray cluster, one job each.

    `address` is that of the cluster ("auto": the one that this machine belongs to); "" starts one on this machine
    alone, of `workers` processes (None: one per core). `gpus` is the share of a GPU that each job is given.
    """

    address: str = ""
    workers: int | None = None
    gpus: float = 0.0

    def run(self, work: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[Job, Result | WorkerCrash]]:
        """Yield each job with its result; one whose process died `_TRIES` times again is a WorkerCrash.

        Raises:
            InputError: Ray is not installed, or the cluster does not answer.
        """
        ray = _import_ray()
        with self._connected(ray):
            call = ray.put(pickle.dumps(work))
            remote = ray.remote(num_cpus=1, num_gpus=self.gpus, max_retries=_TRIES)(call_pickled)
            left = iter(jobs)
            running: dict[Any, Job] = {}
            while True:
                # Twice as many as can run at once, asked each time: machines come and go.
                room = 2 * max(1, int(ray.cluster_resources().get("CPU", 1))) - len(running)
                for _ in range(room):
                    job = next(left, None)
                    if job is None:
                        break
                    running[remote.remote(call, job)] = job
                if not running:
                    return
                for done in ray.wait(list(running))[0]:
                    yield running.pop(done), _result(ray, done)

    @contextmanager
    def _connected(self, ray: Any) -> Iterator[None]:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        options = (
            {"address": self.address}
            if self.address
            else {"address": "local", "num_cpus": self.workers, "include_dashboard": False}
        )
        try:
            ray.init(**options, log_to_driver=False, logging_level="ERROR")
        except Exception as error:  # of a node that does not start in time it raises no narrower one
            reason = " ".join(str(error).split())
            raise InputError(
                f"--ray: expected a Ray cluster at {self.address or 'this machine'}, got: {reason}"
            ) from error
        try:
            yield
        finally:
            ray.shutdown()


def _result(ray: Any, done: Any) -> Any:
    """Return a job's result, or WorkerCrash; an exception of the job is raised here."""
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None
    except ray.exceptions.RayError as error:
        return WorkerCrash(f"expected a result, but its process died {_TRIES + 1} times ({type(error).__name__})")


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise InputError("--ray: expected the package ray, found none; pip install 'stvg[ray]'") from error
    return ray
