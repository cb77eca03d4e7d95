"""Times and memory of a computation that is run again and again."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from speed.device import peak_memory, synchronise


class Stopwatch:
    """Adds up the seconds of named parts of a computation.

    `waits`: whether the device finishes each part before the next one starts; without, a part on the GPU counts the
    time of giving it to the device alone.
    """

    def __init__(self, device: str, *, waits: bool = True) -> None:
        self._device = device if waits else "cpu"
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of the block to `name`."""
        synchronise(self._device)
        started = time.perf_counter()
        yield
        synchronise(self._device)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Run:
    """The seconds of one run, and of its parts."""

    seconds: float
    parts: dict[str, float]


class Runs:
    """Repeated runs of one computation on a device.

    `held` says how many bytes stay in use between runs (weights, optimiser state): the peak memory includes them.
    """

    def __init__(
        self, device: str, compute: Callable[[Stopwatch], object], held: Callable[[], int], *, waits: bool = True
    ) -> None:
        self._device, self._compute, self._held, self._waits = device, compute, held, waits
        self._runs: list[Run] = []
        self.peak_bytes: int | None = None

    def warm_up(self) -> None:
        """Run twice without counting the time: the first run allocates and compiles, the second tells the memory."""
        self._compute(Stopwatch(self._device))
        beyond = peak_memory(self._device, lambda: self._compute(Stopwatch(self._device)))
        self.peak_bytes = None if beyond is None else beyond + self._held()

    def run(self) -> None:
        """Run once and keep the times."""
        watch = Stopwatch(self._device, waits=self._waits)
        synchronise(self._device)
        started = time.perf_counter()
        self._compute(watch)
        synchronise(self._device)
        self._runs.append(Run(time.perf_counter() - started, watch.seconds))

    def fill(self, budget_s: float, most: int) -> None:
        """Run at least once, and until `budget_s` seconds have passed or `most` runs are made."""
        ends = time.perf_counter() + budget_s
        self.run()
        while time.perf_counter() < ends and len(self._runs) < most:
            self.run()

    @property
    def fastest(self) -> Run:
        """The run that took the least time."""
        return min(self._runs, key=lambda run: run.seconds)

    @property
    def median_s(self) -> float:
        """The median of the runs' seconds."""
        return statistics.median(run.seconds for run in self._runs)

    def __len__(self) -> int:
        return len(self._runs)
