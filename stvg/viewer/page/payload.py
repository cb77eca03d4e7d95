"""Data of the report page, as JSON and scripts.

A page opened from disk can load scripts but not read files, so what a query needs when it is opened is a script of one
call with JSON as its argument. Texts cannot leave the JSON: `<`, `>`, `&` and all that is not ASCII is escaped.
"""

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from stvg.evaluation.error_analysis import find_problems
from stvg.geometry.tubes import box_overlap, mean_box_iou, origin_of
from stvg.types import IntArray, Tube
from stvg.viewer.entry import ReportEntry

_ESCAPES = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&"}


def to_json(value: Any) -> str:
    r"""Return plain data as ASCII JSON that can stand in a script or in HTML without ending or beginning anything.

    >>> print(to_json("</script> & \u2028"))
    "\u003c/script\u003e \u0026 \u2028"

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def summary_of(entry: ReportEntry, video: str) -> dict[str, Any]:
    """Return what the list shows of a query; `video` is its file below the folder videos/."""
    meta, found, truth = entry.video, entry.found, entry.truth
    return {
        "text": entry.query.text,
        "video": meta.video_id,
        "file": video,
        "frames": meta.num_frames,
        "fps": meta.fps,
        "size": [meta.width, meta.height],
        "people": people_in_view(entry.candidates) if entry.ranking else None,
        "found": [found.span.start, found.span.stop] if found else None,
        "truth": [truth.span.start, truth.span.stop] if truth else None,
        "tiou": round(entry.score.tiou, 4) if entry.score else None,
        "viou": round(entry.score.viou, 4) if entry.score else None,
        "box": _share(mean_box_iou(truth, found)) if truth and found else None,
        "problems": _problems(entry),
    }


def details_of(entry: ReportEntry) -> dict[str, Any]:
    """Return what an opened query shows: boxes, the maps, the candidates, further files."""
    ranking = entry.ranking
    details: dict[str, Any] = {
        "found": _track(entry.found),
        "truth": _track(entry.truth),
        "tubes": None,
        "moments": None,
        "files": [list(file) for file in entry.files],
        "note": entry.note,
        "losses": _losses(entry),
    }
    if ranking:
        origin = origin_of(entry.found, entry.candidates) if entry.found else None
        details["mode"] = ranking.mode
        details["chosen"] = origin.tube_id if origin else None
        details["moments"] = {"spans": _flat(ranking.moments.spans), "values": _rounded(ranking.moments.scores)}
        details["tubes"] = [
            {
                "id": one.tube.tube_id,
                **(_track(one.tube) or {}),
                "score": one.score if one.score is None else float(f"{one.score:.4g}"),
                "spans": _flat(one.spans),
                "values": _rounded(one.values),
                "overlap": _share(box_overlap(one.tube, entry.truth)) if entry.truth else None,
            }
            for one in ranking.tubes
        ]
    return details


def to_script(index: int, entry: ReportEntry) -> str:
    """Return the script that hands a query's details to the page."""
    return f"stvgReport({index},{to_json(details_of(entry))});\n"


def people_in_view(tubes: tuple[Tube, ...]) -> int:
    """Return the largest number of tubes in one frame.

    >>> people_in_view(())
    0
    """
    steps = sorted([(tube.span.start, 1) for tube in tubes] + [(tube.span.stop, -1) for tube in tubes])
    return int(np.cumsum([step for _, step in steps]).max(initial=0))


def _problems(entry: ReportEntry) -> list[str] | None:
    if entry.truth is None:
        return None
    if entry.found is None:
        return ["no_answer"]
    return list(find_problems(entry.truth, entry.found, entry.candidates))


def _losses(entry: ReportEntry) -> list[list[str | float]] | None:
    """Return (cause, percent), first what the answer got right, in the order of the error budget."""
    if entry.losses is None:
        return None
    return [
        ["right: vIoU" if name == "viou" else name.replace("_", " "), round(100 * share, 1)]
        for name, share in asdict(entry.losses).items()
    ]


def _track(tube: Tube | None) -> dict[str, Any] | None:
    """Return a tube's first frame and its boxes in one row of numbers, to a tenth of a pixel."""
    if tube is None:
        return None
    numbers = [round(float(value), 1) for value in tube.boxes_xyxy.ravel()]
    return {"start": tube.start_frame, "boxes": [int(value) if value == int(value) else value for value in numbers]}


def _flat(spans: IntArray) -> list[int]:
    flat: list[int] = spans.ravel().tolist()
    return flat


def _rounded(values: Any) -> list[float]:
    return [float(f"{value:.4g}") for value in values.tolist()]


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
