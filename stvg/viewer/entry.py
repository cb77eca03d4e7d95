"""Data of a report: its queries and the results."""

from collections.abc import Sequence
from dataclasses import dataclass

from stvg.evaluation.ablation import AblationRow, Difference
from stvg.evaluation.error_analysis import ErrorShares
from stvg.fusion.ranking import Ranking
from stvg.types import Query, QueryScore, Scores, Tube, VideoMeta


@dataclass(frozen=True, slots=True, eq=False)
class ReportEntry:
    """One query: what was asked of which video, what was answered, and what else is known.

    `found` is the answer's tube, None where there is no answer; `truth` and `score` are known of annotated queries;
    `ranking` holds the candidates and their values, where the trained stages were run. `files` are
    (label, path below the report's folder) of what belongs to this query, such as an overlay video.
    """

    query: Query
    video: VideoMeta
    found: Tube | None
    truth: Tube | None = None
    score: QueryScore | None = None
    ranking: Ranking | None = None
    files: tuple[tuple[str, str], ...] = ()
    losses: ErrorShares | None = None
    """What takes the answer's vIoU from 1, where truth and candidates are known."""
    note: str = ""
    """Something that the reader must know of this query, in a sentence."""

    @property
    def candidates(self) -> tuple[Tube, ...]:
        """The candidate tubes, none where they are not known."""
        return tuple(one.tube for one in self.ranking.tubes) if self.ranking else ()


@dataclass(frozen=True, slots=True)
class SplitResults:
    """What the top of the page shows, each where it is known: scores, the ablation, the error budgets, further tables.

    `budgets` are (mode, [(cause, percent)]), m_vIoU first and then what takes the rest; `tables` (title, head, rows).
    """

    scores: Scores | None = None
    rows: Sequence[AblationRow] = ()
    differences: Sequence[Difference] = ()
    budgets: Sequence[tuple[str, Sequence[tuple[str, float]]]] = ()
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]] = ()
