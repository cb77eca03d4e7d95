"""How long each stage of preparing videos took, and the throughput that follows."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

DECODE = "decode"
"""The stage that sees every frame; the others see only those that are looked at."""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """What was done to some videos, and how long each stage took, in the order of the stages.

    `frames` were decoded, `looked_at` of them went on to the other stages; `seconds` are wall time of one process.
    """

    frames: int
    looked_at: int
    seconds: Mapping[str, float]

    def throughput(self, stage: str) -> float:
        """Return how many frames a second the stage saw.

        >>> StageTimes(600, 100, {"decode": 2.0, "detect": 5.0}).throughput("detect")
        20.0
        """
        return (self.frames if stage == DECODE else self.looked_at) / max(self.seconds[stage], 1e-9)

    def __str__(self) -> str:
        """Return one line: frames a second of each stage and its share of the time.

        >>> print(StageTimes(600, 100, {"decode": 2.0, "detect": 6.0}))
        600 frames decoded, 100 looked at, 8.0 s: decode 300.0 frames/s (25 %), detect 16.7 frames/s (75 %)
        """
        total = max(sum(self.seconds.values()), 1e-9)
        stages = (
            f"{stage} {self.throughput(stage):,.1f} frames/s ({100 * own / total:.0f} %)"
            for stage, own in self.seconds.items()
        )
        return f"{self.frames} frames decoded, {self.looked_at} looked at, {total:.1f} s: {', '.join(stages)}"


def total(times: Iterable[StageTimes]) -> StageTimes:
    """Return the sum over several videos."""
    frames = looked_at = 0
    seconds: dict[str, float] = {}
    for one in times:
        frames, looked_at = frames + one.frames, looked_at + one.looked_at
        for stage, own in one.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + own
    return StageTimes(frames, looked_at, seconds)


@dataclass(frozen=True, slots=True)
class Clock:
    """Adds up the seconds of named stages."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the block to `name`."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
