"""Read the files of an ablation for the report page."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from stvg.errors import InputError
from stvg.evaluation.ablation import AblationRow, Difference
from stvg.evaluation.error_analysis import CAUSES
from stvg.evaluation.tables import PROPERTIES, rows_to_cells
from stvg.io.files import is_finite_number, read_json
from stvg.types import Scores
from stvg.viewer.entry import SplitResults

T = TypeVar("T")
_HIGHEST = 1e9


def read_results(folder: Path, scores: Scores | None) -> SplitResults:
    """Return the results in the folder of `stvg ablate`; files that are not there are left out.

    Raises:
        InputError: a file cannot be read, or has another form.
    """
    rows = _read(folder / "ablation.json", _row)
    differences = _read(folder / "differences.json", _difference)
    budgets = _read(folder / "errors.json", _budget)
    groups = _read(folder / "breakdown.json", _group)
    return SplitResults(scores, rows, differences, budgets, tuple(_tables(groups)))


def _read(path: Path, parse: Callable[[Any], T]) -> list[T]:
    if not path.is_file():
        return []
    items = read_json(path)
    if not isinstance(items, list):
        raise InputError(f"{path}: expected a list, got {type(items).__name__}")
    parsed = []
    for item in items:
        try:
            parsed.append(parse(item))
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise InputError(f"{path}: expected the items that stvg ablate writes, got {item!r:.80}") from error
    return parsed


def _row(item: Mapping[str, Any]) -> AblationRow:
    viou_at = {level: _share(item[f"viou@{level}"]) for level in (0.3, 0.5)}
    scores = Scores("official", _share(item["m_tiou"]), _share(item["m_viou"]), viou_at, ())
    low, high = map(_share, item["m_viou_ci"])
    return AblationRow(_text(item["temporal"]), _text(item["spatial"]), _text(item["mode"]), scores, (low, high))


def _difference(item: Mapping[str, Any]) -> Difference:
    low, high = (_number(one, -1, 1) for one in item["ci"])
    return Difference(_text(item["a"]), _text(item["b"]), _number(item["difference"], -1, 1), (low, high))


def _budget(item: Mapping[str, Any]) -> tuple[str, list[tuple[str, float]]]:
    causes = [("right: m_vIoU", item["m_viou"]), *((cause.replace("_", " "), item[cause]) for cause in CAUSES)]
    return _text(item["mode"]), [(name, round(100 * _share(share), 1)) for name, share in causes]


def _group(item: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the property by which the queries are grouped, and the group's line of its table."""
    row = _row(item)
    scale, decimals = (100, 1) if item["by"] == "moment_share" else (1, 0)
    ends = dict.fromkeys(f"{scale * _number(item[name], 0, _HIGHEST):.{decimals}f}" for name in ("low", "high"))
    _, cells = rows_to_cells([row])
    return _text(item["by"]), [
        " to ".join(ends),
        row.name,
        str(int(_number(item["num_queries"], 0, _HIGHEST))),
        *cells[3:],
    ]


def _tables(groups: list[tuple[str, list[str]]]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    head, *_ = rows_to_cells([])
    for by, lines in itertools.groupby(groups, key=lambda group: group[0]):
        title, unit = PROPERTIES.get(by, (by, by))
        yield title, [unit, "row", "queries", *head[3:]], [line for _, line in lines]


def _share(value: object) -> float:
    """Return a score or a part of all queries.

    Raises:
        ValueError: it is none.
    """
    return _number(value, 0, 1)


def _number(value: object, lowest: float, highest: float) -> float:
    """Return a figure.

    Raises:
        ValueError: it is none, or lies outside.
    """
    if not is_finite_number(value) or not lowest <= float(value) <= highest:  # type: ignore[arg-type]
        raise ValueError(f"expected a number from {lowest:g} to {highest:g}")
    return float(value)  # type: ignore[arg-type]


def _text(value: object) -> str:
    """Return a name.

    Raises:
        ValueError: it is none, or has characters that cannot be shown.
    """
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("expected a name")
    return value
