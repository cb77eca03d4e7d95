"""Plot one answer: moment map, the chosen tube's map, all tubes over time."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stvg.fusion.ranking import RankedTube, Ranking
from stvg.geometry.tubes import origin_of
from stvg.io.files import writing
from stvg.types import Float64Array, FloatArray, FrameSpan, IntArray, Tube, VideoMeta
from stvg.viewer.overlay import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 10
"""Number of tubes in the legend, those with the highest scores."""


def draw_maps(path: Path, meta: VideoMeta, ranking: Ranking, found: Tube | None, truth: Tube | None) -> None:
    """Draw the moment map, the chosen tube's map and all tubes' scores over time as a PNG, one above the other.

    All share the time axis in seconds. A cell of a map stands above the middle of its span, as high as it is long; the
    value of a tube at a time is that of its best cell which contains that time.

    Raises:
        InputError: the path cannot be written.
    """
    from matplotlib.figure import Figure

    chosen = _chosen(ranking, found)
    figure = Figure(figsize=(8, 8.4), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True, height_ratios=[1, 1, 0.9])
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
    spans = {"predicted": found.span if found else None, "true": truth.span if truth else None}
    moments = ranking.moments
    _draw_triangle(axes[0], moments.spans, moments.scores, meta, spans, float(moments.scores.max(initial=0)))
    axes[0].set_title("moment map", loc="left")
    axes[0].legend(loc="lower right", bbox_to_anchor=(1, 0.99), ncols=2, frameon=False)
    most = max((float(one.values.max(initial=0)) for one in ranking.tubes), default=0.0)
    if chosen is not None:
        _draw_triangle(axes[1], chosen.spans, chosen.values, meta, spans, most)
    axes[1].set_title(f"map of tube {chosen.tube.tube_id}, the chosen one" if chosen else "no tube", loc="left")
    _draw_over_time(axes[2], ranking, chosen, meta, spans)
    axes[2].set(xlabel="seconds", xlim=(0, meta.num_frames / meta.fps))
    with writing(path) as beside:
        figure.savefig(beside, dpi=110)


def diamonds(spans: IntArray) -> tuple[Float64Array, float]:
    """Return the corners (K, 4, 2) of each span's cell as (middle, length) in the unit of the spans, and a cell's side.

    The cells of a map with N different starts are 1/N of its extent wide, so that neighbours touch.

    >>> corners, side = diamonds(np.array([[0, 10], [0, 20], [10, 20]]))
    >>> side, corners[0].tolist()
    (10.0, [[0.0, 10.0], [5.0, 20.0], [10.0, 10.0], [5.0, 0.0]])
    """
    side = float(spans[:, 1].max() - spans[:, 0].min()) / len(np.unique(spans[:, 0]))
    middle, length = spans.mean(axis=1), (spans[:, 1] - spans[:, 0]).astype(np.float64)
    steps = np.array([[-0.5, 0], [0, 1], [0.5, 0], [0, -1]]) * side
    return np.stack([middle, length], axis=1)[:, None] + steps, side


def _draw_triangle(
    axes: "Axes", spans: IntArray, values: FloatArray, meta: VideoMeta, marks: dict[str, FrameSpan | None], most: float
) -> None:
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import PowerNorm

    if not len(spans):
        return
    corners, side = diamonds(spans)
    # Spans end at whole frames, so cells may lie a frame apart; their edges are wide enough to close the gaps.
    scale = PowerNorm(0.5, vmin=0, vmax=most or 1)  # by the square root, or all but the highest would look alike
    cells = PolyCollection(
        list(corners / meta.fps), array=values, cmap="viridis", norm=scale, edgecolors="face", linewidths=2
    )
    axes.add_collection(cells)
    axes.figure.colorbar(cells, ax=axes, pad=0.01)
    for name, span in marks.items():
        if span is not None:
            place = (span.start + span.stop) / 2 / meta.fps, span.length / meta.fps
            axes.plot(
                *place,
                marker="D",
                markersize=13,
                fillstyle="none",
                markeredgewidth=2.2,
                linestyle="none",
                color=_colour(name),
                label=name,
                clip_on=False,
            )
    longest = max([float((spans[:, 1] - spans[:, 0]).max()), *(span.length for span in marks.values() if span)])
    axes.set(ylabel="length, seconds", ylim=(0, (longest + side) / meta.fps))


def _draw_over_time(
    axes: "Axes", ranking: Ranking, chosen: RankedTube | None, meta: VideoMeta, marks: dict[str, FrameSpan | None]
) -> None:
    for name, span in marks.items():
        if span is not None:
            axes.axvspan(span.start / meta.fps, span.stop / meta.fps, color=_colour(name), alpha=0.18, linewidth=0)
    by_height = sorted(ranking.tubes, key=lambda one: -float(one.values.max(initial=0)))
    for one in ranking.tubes:
        frames = np.arange(one.tube.span.start, one.tube.span.stop) / meta.fps
        width = 2.6 if one is chosen else 1.2
        named = one in by_height[:_NAMED] or one is chosen
        label = f"tube {one.tube.tube_id}" if named else None
        axes.plot(frames, one.over_time(), linewidth=width, label=label)
    axes.set_title("every tube over time; shaded: predicted and true span", loc="left")
    axes.set(ylabel="score", ylim=(0, None))
    if ranking.tubes:
        legend = axes.legend(
            loc="upper left",
            bbox_to_anchor=(1.0, 1.02),
            frameon=False,
            fontsize="small",
            handlelength=1.2,
            borderaxespad=0.3,
        )
        legend.set_in_layout(False)  # it stands below the colour bars, whose room is enough


def _chosen(ranking: Ranking, found: Tube | None) -> RankedTube | None:
    origin = origin_of(found, [one.tube for one in ranking.tubes]) if found else None
    return next((one for one in ranking.tubes if one.tube is origin), None)


def _colour(name: str) -> tuple[float, float, float]:
    red, green, blue = (part / 255 for part in COLOURS[name])
    return red * 0.85, green * 0.75, blue * 0.75  # darker than on film: the paper is white
