"""Overlay, plots and the folder of one answer."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from stvg.datasets.synthetic.make import write_video
from stvg.errors import InputError
from stvg.fusion.ranking import RankedTube, Ranking
from stvg.types import FrameSpan, MomentMap, Query, Tube, VideoMeta
from stvg.viewer.entry import ReportEntry
from stvg.viewer.export import draw_all, write_drawings
from stvg.viewer.map_plots import diamonds


def tube(start: int, stop: int, left: float, number: int = 0) -> Tube:
    boxes = np.tile([left, 10.0, left + 40, 80.0], (stop - start, 1))
    return Tube(number, start, boxes, np.ones(stop - start), np.ones(stop - start, bool))


@pytest.fixture
def entry(tmp_path: Path) -> ReportEntry:
    write_video(tmp_path / "a.mp4", np.full((40, 96, 160, 3), 20, np.uint8), 10, 160, 96)
    meta = VideoMeta("a.mp4", tmp_path / "a.mp4", 40, 10.0, 160, 96)
    spans, values = np.array([[0, 20], [0, 40], [20, 40]]), np.array([0.1, 0.3, 0.2])
    readings = tuple(RankedTube(tube(0, 40, left, k), spans, values, 0.3) for k, left in enumerate((10, 90)))
    moments = MomentMap(spans, np.array([0.1, 0.2, 0.9]))
    query = Query("a.mp4", "a.mp4", "站 The man <turns>.")
    ranking = Ranking(query, "two_stage", moments, readings, 0, FrameSpan(20, 40), 0.3)
    return ReportEntry(query, meta, tube(20, 40, 12), tube(10, 40, 10), None, ranking)


def test_all_drawings(entry: ReportEntry, tmp_path: Path) -> None:
    files = write_drawings(entry, tmp_path / "d")
    assert files == (("overlay video", "overlay.mp4"), ("figures", "maps.png"))
    assert {path.name for path in (tmp_path / "d").iterdir()} == {name for _, name in files} | {"made_of.txt"}
    assert cv2.imread(str(tmp_path / "d" / "maps.png")).shape[0] > 700


def test_without_answer_or_stages(entry: ReportEntry, tmp_path: Path) -> None:
    files = write_drawings(replace(entry, found=None, ranking=None), tmp_path / "d")
    assert files == ()
    assert not (tmp_path / "d").exists()


def test_nobody_found(entry: ReportEntry, tmp_path: Path) -> None:
    nobody = replace(entry, ranking=replace(entry.ranking, tubes=()))
    assert len(write_drawings(nobody, tmp_path / "d")) == 2


def test_only_what_changed_is_drawn_again(entry: ReportEntry, tmp_path: Path) -> None:
    write_drawings(entry, tmp_path / "d")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "d").iterdir()}

    def changed() -> bool:
        before = dict(times)
        times.update({path: path.stat().st_mtime_ns for path in (tmp_path / "d").iterdir()})
        return before != times

    write_drawings(entry, tmp_path / "d")
    assert not changed()
    write_drawings(entry, tmp_path / "d", overwrite=True)
    assert changed()
    write_drawings(replace(entry, found=tube(21, 40, 12)), tmp_path / "d")
    assert changed(), "another answer"
    (tmp_path / "d" / "maps.png").unlink()
    write_drawings(replace(entry, found=tube(21, 40, 12)), tmp_path / "d")
    assert changed(), "a drawing was lost"


def test_several_processes_draw_the_same_in_order(entry: ReportEntry, tmp_path: Path) -> None:
    entries = [replace(entry, query=replace(entry.query, query_id=f"{k}.mp4")) for k in range(6)]
    alone = list(draw_all(entries, tmp_path / "one", False, 1))
    together = list(draw_all(iter(entries), tmp_path / "two", False, 2))
    assert [item.query.query_id for item in together] == [f"{k}.mp4" for k in range(6)]
    assert [item.files for item in together] == [item.files for item in alone]
    for item in alone:
        for _, path in item.files:
            if path.endswith(".png"):
                assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()
    with pytest.raises(InputError, match="--workers: expected a whole number of at least 1, got 0"):
        list(draw_all(entries, tmp_path, False, 0))


def test_diamonds_of_neighbours_touch() -> None:
    spans = np.array([[0, 10], [0, 20], [0, 30], [10, 20], [10, 30], [20, 30]])
    corners, side = diamonds(spans)
    assert side == 10
    right = {tuple(corner[2]) for corner in corners}
    left = {tuple(corner[0]) for corner in corners}
    assert {(10.0, 10.0), (20.0, 10.0), (15.0, 20.0)} <= right & left
