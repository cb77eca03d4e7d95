"""Break scores down by sentence length, number of people, moment length.

Each property cuts the queries into thirds, at its own 1/3 and 2/3 quantiles in this split. Queries with the same value
stay together, so groups differ in size, and there may be fewer than three.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stvg.evaluation.ablation import AblationRow
from stvg.evaluation.bootstrap import bootstrap_interval
from stvg.types import Annotation, BoolArray, Float64Array, PreparedVideo, QueryScore, Scores, Tube


@dataclass(frozen=True, slots=True)
class Group:
    """One row's scores over the queries whose property `by` lies in [`low`, `high`], both of them met."""

    by: str
    low: float
    high: float
    row: AblationRow

    def to_json(self) -> dict[str, object]:
        """Return the group as the plain data of breakdown.json."""
        of_group = {"by": self.by, "low": self.low, "high": self.high, "num_queries": len(self.row.scores.per_query)}
        return {**of_group, **self.row.to_json()}


def query_properties(annotations: Sequence[Annotation], videos: Iterable[PreparedVideo]) -> dict[str, Float64Array]:
    """Return each property (Q,) float64 of the queries; `videos` are those of the annotations, in their order.

    - `words`: of the sentence, as blanks part them;
    - `people`: candidate tubes with a frame in the true moment. Tubes end at shot cuts, so over the whole video one
      person would count once per shot;
    - `moment_share`: frames of the true moment over those of the video, in (0, 1].
    """
    rows = [
        (
            len(item.query.text.split()),
            sum(_meet(tube, item.tube) for tube in video.tubes),
            item.tube.span.length / video.meta.num_frames,
        )
        for item, video in zip(annotations, videos, strict=True)  # one video after the other: memory
    ]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    return dict(zip(("words", "people", "moment_share"), columns, strict=True))


def break_down(rows: Sequence[AblationRow], properties: Mapping[str, Float64Array], seed: int) -> list[Group]:
    """Return the groups of each property in turn, from its lowest values to its highest, each with all `rows`.

    `properties` are as query_properties gives them, in the order of the rows' queries. Rows without a random part: the
    scores of a group are taken from single answers.
    """
    return [
        Group(by, float(values[chosen].min()), float(values[chosen].max()), _part(row, chosen, seed))
        for by, values in properties.items()
        for chosen in thirds(values)
        for row in rows
    ]


def thirds(values: Float64Array) -> list[BoolArray]:
    """Return up to three masks (Q,) that part `values` (Q,) at their 1/3 and 2/3 quantiles; equal values stay together.

    >>> [np.flatnonzero(mask).tolist() for mask in thirds(np.array([3.0, 1.0, 2.0, 1.0, 9.0, 3.0]))]
    [[1, 3], [0, 2, 5], [4]]
    """
    edges = np.quantile(values, [1 / 3, 2 / 3], method="inverted_cdf")
    third = np.searchsorted(edges, values)
    return [third == number for number in range(3) if (third == number).any()]


def _part(row: AblationRow, chosen: BoolArray, seed: int) -> AblationRow:
    """Return the row over the chosen queries alone."""
    scores = _scores_of([row.scores.per_query[index] for index in np.flatnonzero(chosen)], row.scores)
    vious = [entry.viou for entry in scores.per_query]
    return replace(row, scores=scores, m_viou_ci=bootstrap_interval(vious, seed))


def _scores_of(entries: Sequence[QueryScore], whole: Scores) -> Scores:
    """Return the scores of some of the queries, by the protocol and at the levels of the whole."""
    viou = np.array([entry.viou for entry in entries])
    return Scores(
        protocol=whole.protocol,
        m_tiou=float(np.mean([entry.tiou for entry in entries])),
        m_viou=float(viou.mean()),
        viou_at={level: float((viou > level).mean()) for level in whole.viou_at},
        per_query=tuple(entries),
    )


def _meet(a: Tube, b: Tube) -> bool:
    return a.span.start < b.span.stop and b.span.start < a.span.stop
