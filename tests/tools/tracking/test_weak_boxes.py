"""Boxes that a network found in film, where people often score low, still give a tube per person."""

from pathlib import Path

import pytest

from spatial.detectors.postprocess import BoxFilterConfig
from spatial.tracking.mot_tracks import track_file
from stvg.geometry.tubes import interpolate_tube
from stvg.io.mot_text import read_mot
from tracking.scores import best_tube_viou

FILMED = Path(__file__).parents[4] / "shared" / "data" / "tracking"


@pytest.mark.skipif(not FILMED.is_dir(), reason="needs the boxes in ../shared/data/tracking")
def test_weak_boxes_of_a_street_keep_their_people(tmp_path: Path) -> None:
    out = tmp_path / "tubes.txt"
    count = track_file(FILMED / "tud_stadtmitte_nanodet.txt", out, None, fps=25.0, stride=1, keep=BoxFilterConfig())
    rows = read_mot(out)
    tubes = []
    for number in range(1, count + 1):
        own = rows.track_ids == number
        tubes.append(interpolate_tube(number, rows.frames[own], rows.boxes_xyxy[own], rows.scores[own]))
    assert count <= 15
    assert best_tube_viou(read_mot(FILMED / "tud_stadtmitte_truth.txt"), tubes) >= 0.6
