import torch

from speed.device import fastest, peak_flops, peak_memory


def test_memory_is_that_of_what_was_computed():
    found = peak_memory("cpu", lambda: torch.ones(64 * 2**20))
    assert found is None or 200 * 2**20 < found < 400 * 2**20


def test_figures_of_a_device():
    calls = []
    assert fastest("cpu", lambda: calls.append(1), 3) >= 0
    assert len(calls) == 4
    assert peak_flops("cpu", repeats=1) > 1e6
