"""The drawings of each answer, in a folder of its own: overlay video, contact sheet, figures."""

import hashlib
import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from stvg.errors import InputError
from stvg.io.files import write_text_atomically
from stvg.prepare.store import source_fingerprint
from stvg.viewer.contact_sheet import write_contact_sheet
from stvg.viewer.entry import ReportEntry
from stvg.viewer.map_plots import draw_maps
from stvg.viewer.overlay import write_overlay
from stvg.viewer.page.payload import details_of, to_json

_VERSION = "4"
"""Goes up when the drawings look different, so that old ones are made anew."""


def draw_all(entries: Iterable[ReportEntry], out: Path, overwrite: bool, workers: int) -> Iterator[ReportEntry]:
    """Yield the entries, in their order, with the drawings that `write_drawings` put into `out`/queries/KEY.

    `workers` processes draw; 1 draws in this one. Only a few entries are in memory at a time.

    Raises:
        InputError: as write_drawings, or fewer than one worker.
    """
    if workers < 1:
        raise InputError(f"--workers: expected a whole number of at least 1, got {workers}")
    if workers == 1:
        yield from (_drawn(entry, out, overwrite) for entry in entries)
        return
    context = multiprocessing.get_context("spawn")  # fork would copy the threads of torch and OpenCV in a broken state
    with ProcessPoolExecutor(workers, context) as pool:
        waiting: deque[Future[ReportEntry]] = deque()
        try:
            for entry in entries:
                waiting.append(pool.submit(_drawn, entry, out, overwrite))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def write_drawings(entry: ReportEntry, folder: Path, overwrite: bool = False) -> tuple[tuple[str, str], ...]:
    """Draw an entry's overlay.mp4, contact_sheet.png and maps.png into `folder`; return (label, file name) of each.

    maps.png needs the entry's explanation, overlay.mp4 an answer. Drawings that were made of the same boxes, values,
    sentence and video are kept, unless `overwrite`.

    Raises:
        InputError: the video cannot be read or the folder not written.
    """
    names = {"contact sheet": "contact_sheet.png"}
    if entry.found is not None:
        names = {"overlay video": "overlay.mp4", **names}
    if entry.explanation is not None:
        names["figures"] = "maps.png"
    stamp = _stamp(entry)
    made = folder / "made_of.txt"
    whole = made.is_file() and made.read_text() == stamp and all((folder / name).is_file() for name in names.values())
    if overwrite or not whole:
        if entry.found is not None:
            video, text = entry.video.path, entry.query.text
            write_overlay(video, folder / "overlay.mp4", entry.found, text, entry.truth, entry.candidates)
        write_contact_sheet(entry.video, folder / "contact_sheet.png", entry.query.text, entry.found, entry.truth)
        if entry.explanation is not None:
            draw_maps(folder / "maps.png", entry.video, entry.explanation, entry.found, entry.truth)
        write_text_atomically(made, stamp)
    return tuple(names.items())


def _drawn(entry: ReportEntry, out: Path, overwrite: bool) -> ReportEntry:
    folder = f"queries/{entry.query.query_id}"
    files = write_drawings(entry, out / folder, overwrite)
    return replace(entry, files=tuple((label, f"{folder}/{name}") for label, name in files))


def _stamp(entry: ReportEntry) -> str:
    content = to_json([_VERSION, entry.query.text, details_of(entry), source_fingerprint(entry.video.path)])
    return hashlib.sha256(content.encode()).hexdigest()
