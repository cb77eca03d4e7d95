import torch

from speed import timing
from speed.timing import Runs


def test_runs_are_made_warm_counted_and_ranked(monkeypatch):
    ticks = iter([0.0, 5.0, 10.0, 12.0, 20.0, 26.0])  # runs of 5, 2 and 6 seconds
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(ticks))
    calls = []
    runs = Runs("cpu", calls.append, lambda: 7)
    for _ in range(3):
        runs.run()
    assert (len(calls), len(runs), runs.fastest.seconds, runs.median_s) == (3, 3, 2.0, 5.0)


def test_the_peak_includes_what_is_held():
    runs = Runs("cpu", lambda watch: torch.ones(64 * 2**20), lambda: 2**40)
    runs.warm_up()
    assert len(runs) == 0
    assert runs.peak_bytes is None or 200 * 2**20 < runs.peak_bytes - 2**40 < 400 * 2**20


def test_runs_end_with_the_budget_or_at_the_most(monkeypatch):
    runs = Runs("cpu", lambda watch: None, lambda: 0)
    runs.fill(0.0, 9)
    assert len(runs) == 1
    runs.fill(1e9, 4)
    assert len(runs) == 4


def test_parts_are_added_up(monkeypatch):
    ticks = iter([0.0, 1.0, 3.0, 10.0, 14.0, 15.0, 20.0, 30.0])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(ticks))

    def compute(watch):
        for name in ("a", "b", "a"):
            with watch.part(name):
                pass

    runs = Runs("cpu", compute, lambda: 0)
    runs.run()
    assert runs.fastest.parts == {"a": 2.0 + 5.0, "b": 4.0}
    assert runs.fastest.seconds == 30.0
