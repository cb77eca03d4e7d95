"""The pictures say what the figures say: read back from the drawn pixels."""

import cv2
import numpy as np
import pytest

from stvg.evaluation.ablation import PARTS_SPATIAL, AblationRow
from stvg.evaluation.error_analysis import ErrorBudget, ErrorShares
from stvg.evaluation.plots import draw_error_bars, draw_heat_map
from stvg.types import QueryScore, Scores

COLOURS = ("#1b9e77", "#f2a541", "#c8553d", "#5b6c8f", "#c3c9d4")


def row(temporal, spatial, mode, viou):
    scores = Scores("official", 0.5, viou, {0.3: 0.0, 0.5: 0.0}, (QueryScore("q", 0.5, viou),))
    return AblationRow(temporal, spatial, mode, scores, (0.0, 1.0))


def colours_of_bar(picture, height):
    """The share of each colour in the row of pixels at `height` in [0, 1], of those that have one of them."""
    line = picture[round(height * (len(picture) - 1)), :, ::-1].astype(int)
    wanted = np.array([[int(name[k : k + 2], 16) for k in (1, 3, 5)] for name in COLOURS])
    counts = (np.abs(line[:, None] - wanted[None]).max(axis=2) <= 2).sum(axis=0)
    return counts / max(counts.sum(), 1)


def test_pieces_of_a_bar_are_as_long_as_their_shares(tmp_path):
    shares = (ErrorShares(0.5, 0.2, 0.1, 0.05, 0.15), ErrorShares(0.1, 0.0, 0.3, 0.0, 0.6))
    budgets = [ErrorBudget(mode, 4, one, ((0.0, 1.0),) * 4) for mode, one in zip("ab", shares, strict=True)]
    draw_error_bars(budgets, tmp_path / "bar.png")
    assert [path.name for path in tmp_path.iterdir()] == ["bar.png"]
    picture = cv2.imread(str(tmp_path / "bar.png"))
    found = [colours_of_bar(picture, height) for height in np.linspace(0, 1, 30)]
    for one in shares:
        expected = np.array([one.viou, one.wrong_time, one.wrong_person, one.no_candidate, one.poor_box])
        assert min(np.abs(values - expected).max() for values in found) < 0.02, "some row of pixels shows this bar"


def test_heat_map_has_a_panel_for_each_whole_matrix(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, dpi: (drawn.append(figure), path.touch()))
    values = dict(zip(PARTS_SPATIAL, (0.1, 0.2, 0.3, 0.4, 0.5), strict=True))
    rows = [row(temporal, spatial, "two_stage", values[spatial]) for temporal in ("mmn", "truth") for spatial in values]
    rows += [row("mmn", spatial, "tube_mmn", values[spatial] / 2) for spatial in values]
    rows += [row("mmn", "matcher", "no_caption", 0.9)]
    draw_heat_map(rows, tmp_path / "map.png")
    (figure,) = drawn
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["two_stage", "tube_mmn"], "controls have no matrix"
    assert [[tick.get_text() for tick in axes.get_yticklabels()] for axes in panels] == [["mmn", "truth"], ["mmn"]]
    np.testing.assert_allclose(panels[0].images[0].get_array(), [[10, 20, 30, 40, 50]] * 2)
    np.testing.assert_allclose(panels[1].images[0].get_array(), [[5, 10, 15, 20, 25]])
    assert [text.get_text() for text in panels[1].texts] == ["5.0", "10.0", "15.0", "20.0", "25.0"]


@pytest.mark.parametrize(
    "draw", [lambda path: draw_heat_map([row("mmn", s, "joint", 0.5) for s in PARTS_SPATIAL], path)]
)
def test_pictures_are_png_files(draw, tmp_path):
    draw(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
