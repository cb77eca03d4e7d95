"""Link tracklets end to end by one assignment of tails to heads."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stvg.types import Float64Array, IntArray


def best_chains(
    count: int, before: IntArray, after: IntArray, gains: Float64Array, margin: float | None = None
) -> list[list[int]]:
    """Return the chains of 0 to `count` - 1 with the largest sum of gains; each is in one chain, alone perhaps.

    Pair k may join `before[k]` to `after[k]` for `gains[k]`; pairs without a gain over 0 are never joined. With a
    `margin`, a joined pair is taken back where either side had another choice over 0 that is less than that much worse.
    The assignment is solved for each connected group of pairs alone, which changes nothing but the time.

    >>> best_chains(4, np.array([0, 0, 1]), np.array([2, 3, 2]), np.array([5.0, 4.0, 3.0]))
    [[0, 3], [1, 2]]
    >>> best_chains(4, np.array([0, 0, 1]), np.array([2, 3, 2]), np.array([5.0, 4.0, 3.0]), margin=2.0)
    [[0], [1], [2], [3]]
    """
    useful = gains > 0
    before, after, gains = before[useful], after[useful], gains[useful]
    followers: dict[int, int] = {}
    for group in _groups(count, before, after):
        followers |= _assign(before[group], after[group], gains[group], margin)
    chains: list[list[int]] = []
    for first in sorted(set(range(count)) - set(followers.values())):
        chain = [first]
        while chain[-1] in followers:
            chain.append(followers[chain[-1]])
        chains.append(chain)
    return chains


def _groups(count: int, before: IntArray, after: IntArray) -> list[IntArray]:
    """Return the pairs, as indices, of each connected group of tails and heads."""
    if len(before) == 0:
        return []
    graph = coo_array((np.ones(len(before)), (before, count + after)), shape=(2 * count, 2 * count))
    _, labels = connected_components(graph, directed=False)
    order = np.argsort(labels[before], kind="stable")
    edges = np.flatnonzero(np.diff(labels[before][order])) + 1
    return list(np.split(order, edges))


def _assign(before: IntArray, after: IntArray, gains: Float64Array, margin: float | None) -> dict[int, int]:
    """Return head by tail of one group."""
    tails, rows = np.unique(before, return_inverse=True)
    heads, columns = np.unique(after, return_inverse=True)
    table = np.zeros((len(tails), len(heads)))
    table[rows, columns] = gains
    chosen: dict[int, int] = {}
    for row, column in zip(*linear_sum_assignment(table, maximize=True), strict=True):
        gain = table[row, column]
        if gain > 0 and (margin is None or gain - _best_rival(table, row, column) >= margin):
            chosen[int(tails[row])] = int(heads[column])
    return chosen


def _best_rival(table: Float64Array, row: int, column: int) -> float:
    """Return the largest gain over 0 that the tail or the head would have elsewhere; minus infinity without any."""
    others = np.concatenate([np.delete(table[row], column), np.delete(table[:, column], row)])
    best = float(others.max(initial=0.0))
    return best if best > 0 else -np.inf
