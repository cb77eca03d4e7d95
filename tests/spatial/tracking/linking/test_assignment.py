from itertools import pairwise, permutations

import numpy as np
import pytest

from spatial.tracking.linking.assignment import best_chains


def total(chains: list[list[int]], gain: dict[tuple[int, int], float]) -> float:
    return sum(gain[pair] for chain in chains for pair in pairwise(chain))


@pytest.mark.parametrize("seed", range(20))
def test_no_other_chains_gain_more(seed: int) -> None:
    """All ways to give each of five tracklets a later one or none, tried one by one."""
    rng = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5) if rng.random() < 0.7]
    gain = {pair: float(rng.normal(1, 2)) for pair in pairs}
    before, after = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    chains = best_chains(5, before, after, np.array(list(gain.values())))
    assert sorted(tracklet for chain in chains for tracklet in chain) == list(range(5))
    best = 0.0
    for heads in permutations([*range(5), *[None] * 5], 5):
        chosen = [gain.get((tail, head), -1e9) for tail, head in enumerate(heads) if head is not None]
        best = max(best, sum(chosen))
    assert total(chains, gain) == pytest.approx(best)
    assert all(gain[pair] > 0 for chain in chains for pair in pairwise(chain))


@pytest.mark.parametrize(
    ("gains", "expected", "reason"),
    [
        ((5.0, 1.0), [[0, 1], [2]], "far better than its rival"),
        ((5.0, 4.0), [[0], [1], [2]], "a rival is close"),
        ((5.0, -1.0), [[0, 1], [2]], "a rival that would never be joined does not count"),
        ((1.0, -9.0), [[0, 1], [2]], "a small gain without a rival"),
    ],
)
def test_margin(gains: tuple[float, float], expected: list[list[int]], reason: str) -> None:
    chains = best_chains(3, np.array([0, 0]), np.array([1, 2]), np.array(gains), margin=2.0)
    assert chains == expected, reason


def test_nothing_to_join() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    assert best_chains(2, nothing, nothing, np.zeros(0)) == [[0], [1]]
    assert best_chains(0, nothing, nothing, np.zeros(0)) == []
