"""Write the report page and the files that it loads.

- index.html: the page; opens from disk, needs no server and no network
- data/7.js: boxes, maps and candidates of the query with number 7
- thumbs/7.jpg: a small picture of it
- videos/KEY: the videos: hard links, copies, or encoded anew (stvg.viewer.page.media)
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from stvg.evaluation.ablation import PARTS_SPATIAL, PARTS_TEMPORAL, AblationRow
from stvg.evaluation.tables import difference_to_text, rows_to_cells
from stvg.io.files import write_text_atomically
from stvg.viewer.entry import ReportEntry, SplitResults
from stvg.viewer.page.media import place_video, write_thumbnail
from stvg.viewer.page.payload import summary_of, to_json, to_script

SCRIPTS = ("queries", "list", "timeline", "maps", "player", "main")
"""The page's scripts in the order in which they are joined."""
_FIRST_ROWS = {
    ("two_stage", "truth", "truth"): ("oracle", "true moment, best candidate"),
    ("two_stage", "mmn", "matcher"): ("two_stage", ""),
    ("joint", "mmn", "matcher"): ("joint", ""),
    ("tube_mmn", "mmn", "matcher"): ("tube_mmn", ""),
    ("two_stage", "mmn", "random"): ("temporal only", "a random tube"),
    ("two_stage", "whole", "matcher"): ("spatial only", "the whole clip"),
    ("shuffled_captions", "mmn", "matcher"): ("shuffled captions", "control"),
    ("no_caption", "mmn", "matcher"): ("no caption", "control"),
}
"""Mode, temporal and spatial part of the rows drawn with their intervals, with name and note."""


def write_report(out: Path, title: str, entries: Iterable[ReportEntry], results: SplitResults) -> Path:
    """Write the report into the folder `out` and return the path of its page.

    The entries are taken one by one, so they need not be in memory together. All texts are escaped: a sentence with
    markup stays a sentence. What an earlier report left in `out`/data and `out`/thumbs is removed.

    Raises:
        InputError: a video cannot be read or the folder not written.
    """
    summaries = list(_write_entries(out, entries))
    template = files("stvg.viewer.page").joinpath("static", "page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    script = Markup(f"\n{page_script()}")  # noqa: S704 (the project's own file)
    style = Markup(f"\n{_source('page.css')}")  # noqa: S704 (likewise)
    head, *body = rows_to_cells(results.rows)
    page = environment.from_string(template).render(
        title=title,
        script=script,
        style=style,
        script_hash=_csp_hash(script),
        style_hash=_csp_hash(style),
        data=Markup(to_json(summaries)),  # noqa: S704 (to_json leaves no markup)
        count=len(summaries),
        scores=_score_tiles(results),
        heats=_heat_tables(results.rows),
        intervals=_intervals(results.rows),
        parts_spatial=PARTS_SPATIAL,
        head=head,
        body=body,
        differences=[difference_to_text(item) for item in results.differences],
        budgets=results.budgets,
        tables=results.tables,
    )
    write_text_atomically(out / "index.html", page)
    return out / "index.html"


def page_script() -> str:
    """Return the page's script: all parts in one function, so that they share names with each other alone."""
    parts = "\n".join(_source(f"{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _write_entries(out: Path, entries: Iterable[ReportEntry]) -> Iterator[dict[str, Any]]:
    """Write each entry's files and yield its line of the page."""
    kept: set[Path] = set()
    for index, entry in enumerate(entries):
        name = place_video(entry.video, out / "videos")
        thumbnail, data = out / "thumbs" / f"{index}.jpg", out / "data" / f"{index}.js"
        write_thumbnail(out / "videos" / name, entry.video, thumbnail, entry.found, entry.truth)
        write_text_atomically(data, to_script(index, entry))
        kept.update((thumbnail, data))
        yield summary_of(entry, name)
    for pattern in ("thumbs/*.jpg", "data/*.js"):
        for path in out.glob(pattern):
            if path not in kept and path.stem.isdecimal():
                path.unlink()


def _score_tiles(results: SplitResults) -> list[tuple[str, str]]:
    if results.scores is None:
        return []
    scores = results.scores
    shares = {"m_tIoU": scores.m_tiou, "m_vIoU": scores.m_viou}
    shares |= {f"vIoU@{level}": share for level, share in scores.viou_at.items()}
    return [(name, f"{100 * share:.1f}") for name, share in shares.items()]


def _heat_tables(rows: Sequence[AblationRow]) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """Return each mode's matrix of m_vIoU in percent as (mode, [(temporal part, a word per spatial part)])."""
    found = {(row.mode, row.temporal, row.spatial): f"{100 * row.scores.m_viou:.1f}" for row in rows}
    tables = []
    for mode in dict.fromkeys(row.mode for row in rows):
        lines = [
            (temporal, [found.get((mode, temporal, spatial), "") for spatial in PARTS_SPATIAL])
            for temporal in PARTS_TEMPORAL
        ]
        whole = [(temporal, words) for temporal, words in lines if all(words)]
        tables += [(mode, whole)] if whole else []
    return tables


def _intervals(rows: Sequence[AblationRow]) -> list[tuple[str, str, list[str]]]:
    """Return (name, note, [m_vIoU, low, high] in percent) of the rows that answer the first questions."""
    found = {(row.mode, row.temporal, row.spatial): row for row in rows}
    return [
        (name, note, [f"{100 * share:.1f}" for share in (row.scores.m_viou, *row.m_viou_ci)])
        for key, (name, note) in _FIRST_ROWS.items()
        if (row := found.get(key)) is not None
    ]


def _source(name: str) -> str:
    return files("stvg.viewer.page").joinpath("static", name).read_text(encoding="utf-8")


def _csp_hash(text: str) -> str:
    """Return the source expression that allows this inline text and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
