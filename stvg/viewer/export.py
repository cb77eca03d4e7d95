"""Export each answer as an overlay video and a plot of its maps."""

import hashlib
import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from stvg.errors import InputError
from stvg.io.files import write_text_atomically
from stvg.prepare.store import source_fingerprint
from stvg.types import Floats, IntArray, Tube
from stvg.viewer.entry import ReportEntry
from stvg.viewer.map_plots import draw_maps
from stvg.viewer.overlay import write_overlay

_VERSION = "5"
"""Increased when the drawings change, so that older ones are replaced."""


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
    """Draw an entry's overlay.mp4 and maps.png into `folder`; return (label, file name) of each.

    overlay.mp4 needs an answer, maps.png the entry's ranking. Drawings that were made of the same boxes, values,
    sentence and video are kept, unless `overwrite`.

    Raises:
        InputError: the video cannot be read or the folder not written.
    """
    names = {}
    if entry.found is not None:
        names["overlay video"] = "overlay.mp4"
    if entry.ranking is not None:
        names["figures"] = "maps.png"
    if not names:
        return ()
    stamp = _stamp(entry)
    made = folder / "made_of.txt"
    whole = made.is_file() and made.read_text() == stamp and all((folder / name).is_file() for name in names.values())
    if overwrite or not whole:
        if entry.found is not None:
            overlay = folder / "overlay.mp4"
            write_overlay(entry.video, overlay, entry.found, entry.query.text, entry.truth, entry.candidates)
        if entry.ranking is not None:
            draw_maps(folder / "maps.png", entry.video, entry.ranking, entry.found, entry.truth)
        write_text_atomically(made, stamp)
    return tuple(names.items())


def _drawn(entry: ReportEntry, out: Path, overwrite: bool) -> ReportEntry:
    folder = f"queries/{entry.query.query_id}"
    files = write_drawings(entry, out / folder, overwrite)
    return replace(entry, files=tuple((label, f"{folder}/{name}") for label, name in files))


def _stamp(entry: ReportEntry) -> str:
    """Return a hash of all that the drawings depend on: sentence, video, boxes and values."""
    digest = hashlib.sha256(repr((_VERSION, entry.query.text, source_fingerprint(entry.video.path))).encode())
    for tube in (entry.found, entry.truth):
        _add(digest, tube)
    if entry.ranking is not None:
        _add_arrays(digest, entry.ranking.moments.spans, entry.ranking.moments.scores)
        for one in entry.ranking.tubes:
            _add(digest, one.tube)
            _add_arrays(digest, one.spans, one.values)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", tube: Tube | None) -> None:
    digest.update(repr(None if tube is None else (tube.tube_id, tube.span)).encode())
    if tube is not None:
        _add_arrays(digest, tube.boxes_xyxy)


def _add_arrays(digest: "hashlib._Hash", *arrays: Floats | IntArray) -> None:
    for array in arrays:
        digest.update(repr((array.dtype.str, array.shape)).encode() + np.ascontiguousarray(array).tobytes())
