"""Cut a val split out of train by whole films, for v1.

HC-STVG v1 has no val: without it the checkpoint would be chosen on test.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from stvg.io.hcstvg_annotations import film_of


def cut_val(train: Mapping[str, Any], share: float, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (train, val): whole films go to val, in an order that `seed` draws, until it has `share` of the items.

    Clips of one film show the same people and places, so a film is never in both.

    Raises:
        ValueError: a share outside (0, 1), or too few films to have some in both.
    """
    films = sorted({film_of(key) for key in train})
    if not 0 < share < 1 or len(films) < 2:
        raise ValueError(f"expected a share between 0 and 1 and clips of several films, got {share} of {len(films)}")
    drawn: set[str] = set()
    count = 0
    sizes = Counter(film_of(key) for key in train)
    for index in np.random.default_rng(seed).permutation(len(films))[:-1].tolist():
        if count >= share * len(train):
            break
        drawn.add(films[index])
        count += sizes[films[index]]
    val = {key: item for key, item in train.items() if film_of(key) in drawn}
    return {key: item for key, item in train.items() if key not in val}, val
