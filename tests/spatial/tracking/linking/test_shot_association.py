import numpy as np
import pytest

from spatial.features.descriptors.colour import NUM_BINS, NUM_ZONES
from spatial.tracking.linking.appearance import Appearance
from spatial.tracking.linking.shot_association import pairs_across_cut
from spatial.tracking.linking.tracklets import Tracklet

Place = tuple[float, float]


def tracklet(frames: tuple[int, int], place: Place) -> Tracklet:
    """Someone at x, with a height."""
    x, height = place
    count = frames[1] - frames[0]
    box = np.array([x, 300 - height, x + 0.4 * height, 300.0])
    return Tracklet(np.arange(*frames), np.tile(box, (count, 1)), np.ones(count), np.zeros(count), 0)


def clothes(*colours: int) -> Appearance:
    """Each wears one of the basic colours, and there are six crops of each."""
    histograms = np.full((len(colours), NUM_ZONES, NUM_BINS), 0.002)
    histograms[np.arange(len(colours)), :, colours] = 1 - 0.002 * (NUM_BINS - 1)
    return Appearance(np.sqrt(histograms), np.full(len(colours), 6.0))


def pairs(before: list[Place], after: list[Place], appearance: Appearance, gap: int = 0) -> list[tuple[int, int]]:
    tails = [tracklet((0, 20), place) for place in before]
    heads = [tracklet((20 + gap, 40 + gap), place) for place in after]
    return sorted(pairs_across_cut(tails, heads, appearance, 20))


@pytest.mark.parametrize(
    ("before", "after", "colours", "expected", "reason"),
    [
        ([(50, 100), (200, 100)], [(60, 90), (400, 120)], (0, 5, 5, 0), [(0, 1), (1, 0)], "clothes, in any place"),
        ([(50, 100)], [(60, 100)], (0, 5), [], "another in other clothes"),
        ([(50, 100), (150, 100)], [(50, 100), (150, 100)], (0, 0, 0, 0), [(0, 0), (1, 1)], "twins, the same view"),
        (
            [(50, 100), (150, 100), (300, 100)],
            [(20, 150), (170, 150), (395, 150)],
            (0, 0, 5, 0, 0, 5),
            [(0, 0), (1, 1), (2, 2)],
            "twins, zoomed and moved; the third tells the view",
        ),
        ([(50, 100), (150, 100)], [(300, 60)], (0, 0, 0), [], "one of two twins in an unknown view"),
        (
            [(50, 100), (150, 100), (300, 100)],
            [(0, 150), (225, 150)],
            (0, 0, 5, 0, 5),
            [(1, 0), (2, 1)],
            "twins, one out of the new view",
        ),
        ([], [(60, 100)], (0,), [], "nobody before"),
    ],
)
def test_who_is_who(
    before: list[Place], after: list[Place], colours: tuple[int, ...], expected: list[tuple[int, int]], reason: str
) -> None:
    assert pairs(before, after, clothes(*colours)) == expected, reason


def test_too_late() -> None:
    assert pairs([(50, 100)], [(50, 100)], clothes(0, 0), gap=10) == [(0, 0)]
    assert pairs([(50, 100)], [(50, 100)], clothes(0, 0), gap=30) == []
