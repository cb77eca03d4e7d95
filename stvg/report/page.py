"""Write report/index.html and the videos beside it; no server, no network, no scripts."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from tqdm import tqdm

from stvg.ablation import AblationRow, Difference
from stvg.files import write_text_atomically
from stvg.overlay import write_overlay
from stvg.tables import difference_to_text, rows_to_cells
from stvg.types import Annotation, Prediction, QueryScore, VideoMeta


@dataclass(frozen=True, slots=True)
class ReportEntry:
    """One query of the report: what was asked, what is true, what was answered and how good that is."""

    video: VideoMeta
    annotation: Annotation
    prediction: Prediction
    score: QueryScore


def write_report(
    out: Path,
    title: str,
    entries: Sequence[ReportEntry],
    rows: Sequence[AblationRow],
    differences: Sequence[Difference],
    heat_map: Path,
    num_videos: int,
) -> Path:
    """Write the page and return its path; `num_videos` queries, spread from the best to the worst, get an overlay.

    All texts are escaped: a sentence with markup stays a sentence.

    Raises:
        InputError: a video cannot be read or the folder not written.
    """
    ranked = sorted(entries, key=lambda entry: -entry.score.viou)
    shown = _spread(ranked, num_videos)
    for entry in tqdm(shown, desc="overlays", unit="video"):
        target = out / _overlay_name(entry)
        write_overlay(
            entry.video.path, target, entry.prediction.tube, entry.annotation.query.text, entry.annotation.tube
        )
    template = files("stvg.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    head, *body = rows_to_cells(rows)
    page = environment.from_string(template).render(
        title=title,
        head=head,
        body=body,
        differences=[difference_to_text(item) for item in differences],
        heat_map=base64.b64encode(heat_map.read_bytes()).decode("ascii"),
        shown=[(_overlay_name(entry), _facts(entry)) for entry in shown],
        queries=[_facts(entry) for entry in ranked],
    )
    write_text_atomically(out / "index.html", page)
    return out / "index.html"


def _spread(ranked: Sequence[ReportEntry], count: int) -> list[ReportEntry]:
    """Return `count` entries at even distances through the ranking, first and last among them."""
    if count >= len(ranked) or count < 2:
        return list(ranked[:count])
    return [ranked[round(k * (len(ranked) - 1) / (count - 1))] for k in range(count)]


def _overlay_name(entry: ReportEntry) -> str:
    return f"{Path(entry.video.video_id).stem}.mp4"


def _facts(entry: ReportEntry) -> dict[str, object]:
    """Return what the template shows of a query; bars are in percent of the video."""
    frames = entry.video.num_frames
    bars = {name: (100 * tube.span.start / frames, 100 * tube.span.length / frames)
            for name, tube in (("truth", entry.annotation.tube), ("found", entry.prediction.tube))}  # fmt: skip
    score = entry.score
    return {"text": entry.annotation.query.text, "video": entry.video.video_id, "tiou": f"{score.tiou:.2f}",
            "viou": f"{score.viou:.2f}", **bars}  # fmt: skip
