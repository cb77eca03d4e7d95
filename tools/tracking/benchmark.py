"""Compare the offline linker with the online trackers it builds on, on clips whose people are all known.

All get the same boxes; told are best-tube vIoU, IDF1, HOTA, MOTA and the number of tubes. In the checkout:
PYTHONPATH=tools python -m tracking.benchmark
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy import stats

from spatial.detectors.onnx import OnnxConfig, OnnxDetector
from spatial.tracking.tracker import BidirectionalTracker
from spatial.tracking.tracklet_linker import OfflineLinker
from stvg.cli import ExitCode, run
from stvg.io.files import write_json_atomically, write_text_atomically
from stvg.types import Tube
from tracking.baselines import OnlineTracker
from tracking.clips import FILMED, TrackingClip, crowd_clip, drawn_clips, filmed_clip, with_planted_cut
from tracking.scores import best_tube_viou, mot_scores

logger = logging.getLogger(__name__)
_SET: dict[str, float] = {"lost_track_buffer": 30, "minimum_consecutive_frames": 1}
_TRACKERS = {
    "ByteTrack, defaults": OnlineTracker("bytetrack"),
    "OC-SORT, defaults": OnlineTracker("ocsort"),
    "BoT-SORT, defaults": OnlineTracker("botsort"),
    "ByteTrack, set": OnlineTracker(
        "bytetrack", {**_SET, "high_conf_det_threshold": 0.6, "track_activation_threshold": 0.6}, knows_cuts=True
    ),
    "OC-SORT, set": OnlineTracker("ocsort", {**_SET, "high_conf_det_threshold": 0.6}, knows_cuts=True),
    "BoT-SORT, set": OnlineTracker(
        "botsort", {**_SET, "high_conf_det_threshold": 0.35, "track_activation_threshold": 0.35}, knows_cuts=True
    ),
}
"""Set: to wait a second, to name a track at its first match, and to start one at the score that did best on other seeds
and scenes (of 1 or 3 matches, 0.35 or 0.6). Shots are tracked apart."""
OURS = "offline linker"
_METRICS = ("viou", "idf1", "hota", "mota", "tubes")
Track = Callable[[TrackingClip], Sequence[Tube]]


@dataclass(frozen=True, slots=True)
class Row:
    """One tracker on one clip. `viou`: best-tube vIoU; `tubes`: how many there are; the rest as MotScores has them."""

    data: str
    tracker: str
    clip: str
    people: int
    tubes: int
    viou: float
    idf1: float
    hota: float
    mota: float


def main() -> int:
    """Parse, compare, print the table."""
    arguments = _parser().parse_args()
    world = arguments.train, arguments.val, arguments.test
    table = benchmark_tracking(
        arguments.out, arguments.filmed, arguments.seeds, world, arguments.world_seed, arguments.nanodet
    )
    sys.stdout.write(table + "\n")
    return ExitCode.DONE


def benchmark_tracking(
    out: Path,
    filmed: Path | None,
    seeds: Sequence[int],
    world: tuple[int, int, int],
    world_seed: int,
    nanodet: Path | None,
) -> str:
    """Write tracking.json (a row per clip and tracker) and tracking.md (means) to `out`; return the table.

    `filmed` holds NAME/gt.txt of the filmed clips, None: the package motmetrics; each gets detections of each of the
    `seeds`. `world` are the numbers of train, val and test footages of a demo world, of which test is used. With the
    file `nanodet`, its detections are compared too.

    Raises:
        InputError: a missing package or file.
    """
    rows = filmed_rows(filmed, seeds)
    detector = OnnxDetector(OnnxConfig(path=nanodet)) if nanodet else None
    for clip in drawn_clips(world, world_seed):
        rows += _rows("demo world", [clip])
        rows += _rows("demo world, planted cut", [with_planted_cut(clip, world_seed)])
        if detector:
            found = tuple(detector.detect(clip.footage))
            rows += _rows("demo world, NanoDet", [replace(clip, detections=found)])
    table = to_markdown(rows) + linking_speed()
    write_json_atomically(out / "tracking.json", [asdict(row) for row in rows])
    write_text_atomically(out / "tracking.md", table)
    return table


def filmed_rows(filmed: Path | None, seeds: Sequence[int]) -> list[Row]:
    """Return the rows of the filmed clips."""
    return [row for name in FILMED for row in _rows(name, (filmed_clip(name, filmed, seed) for seed in seeds))]


def _rows(data: str, clips: Iterable[TrackingClip]) -> list[Row]:
    trackers: dict[str, Track] = {name: partial(_online, tracker) for name, tracker in trackers_compared().items()}
    trackers[OURS] = _offline
    rows = []
    for clip in clips:
        for name, track in trackers.items():
            tubes = track(clip)
            scores = mot_scores(clip.truth, tubes, clip.footage.meta.num_frames)
            viou = best_tube_viou(clip.truth, tubes)
            people = len(np.unique(clip.truth.track_ids))
            rows.append(Row(data, name, clip.name, people, len(tubes), viou, scores.idf1, scores.hota, scores.mota))
        logger.info("%s: %s", data, json.dumps({row.tracker: round(row.viou, 3) for row in rows[-len(trackers) :]}))
    return rows


def linking_speed(num_frames: int = 1000, num_people: int = 10, repeats: int = 3) -> str:
    """Return a line that says how fast linking is, without pictures: processor time, the least of some runs."""
    clip = crowd_clip(num_people, num_frames, seed=0)
    tracking, linking = [], []
    for _ in range(repeats):
        started = time.process_time()
        tracklets = BidirectionalTracker().track(clip.footage, clip.detections)
        between = time.process_time()
        OfflineLinker().link(clip.footage, tracklets)
        tracking.append(between - started)
        linking.append(time.process_time() - between)
    return (
        f"\n{num_frames} frames with {num_people} people: linking takes {min(linking):.2f} s of one core "
        f"({num_frames / min(linking):,.0f} frames/s), the tracker's two runs before it {min(tracking):.2f} s.\n"
    )


def trackers_compared() -> dict[str, OnlineTracker]:
    """Return the online trackers by the name of their row."""
    return _TRACKERS


def to_markdown(rows: Sequence[Row]) -> str:
    """Return the means of each tracker on each data set, with 95 % intervals (t), as Markdown; scores in percent."""
    head = ["data", "tracker", "best-tube vIoU", "IDF1", "HOTA", "MOTA", "tubes", "people"]
    lines = [" | ".join(["", *head, ""]).strip(), "| --- | --- |" + " ---: |" * 6]
    for data in dict.fromkeys(row.data for row in rows):
        for tracker in dict.fromkeys(row.tracker for row in rows):
            own = [row for row in rows if (row.data, row.tracker) == (data, tracker)]
            cells = [_cell([getattr(row, metric) for row in own], metric != "tubes") for metric in _METRICS]
            lines.append(f"| {data} | {tracker} | {' | '.join(cells)} | {np.mean([row.people for row in own]):.1f} |")
    lines += ["", *_differences(rows)]
    return "\n".join(lines) + "\n"


def _differences(rows: Sequence[Row]) -> list[str]:
    """Return, for each data set, the linker's lead in best-tube vIoU and IDF1 over the best other tracker, paired."""
    lines = []
    for data in dict.fromkeys(row.data for row in rows):
        for metric in ("viou", "idf1"):
            by_tracker: dict[str, list[float]] = {}
            for row in rows:
                if row.data == data:
                    by_tracker.setdefault(row.tracker, []).append(getattr(row, metric))
            ours = by_tracker.pop(OURS)
            best = max(by_tracker, key=lambda name: float(np.mean(by_tracker[name])))
            lead = _cell([a - b for a, b in zip(ours, by_tracker[best], strict=True)], percent=True)
            lines.append(f"- {data}, {metric}: {lead} points over {best}")
    return lines


def _cell(values: Sequence[float], percent: bool) -> str:
    """Return the mean and half the width of its 95 % interval (Student's t)."""
    scale = 100.0 if percent else 1.0
    mean = f"{scale * np.mean(values):.1f}"
    if len(values) < 2:
        return mean
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{mean} ± {scale * half:.1f}"


def _online(tracker: OnlineTracker, clip: TrackingClip) -> Sequence[Tube]:
    return tracker.track(clip.footage, clip.detections)


def _offline(clip: TrackingClip) -> Sequence[Tube]:
    return OfflineLinker().link(clip.footage, BidirectionalTracker().track(clip.footage, clip.detections))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets tracking.json and tracking.md")
    parser.add_argument(
        "--filmed", type=Path, metavar="DIR", help="holds TUD-Campus/gt.txt ... (default: the package motmetrics' data)"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], metavar="S", help="of the filmed clips' detections"
    )
    for split, count in (("train", 2), ("val", 2), ("test", 30)):
        parser.add_argument(
            f"--{split}", type=int, default=count, help="footages of the demo world; test is used (default %(default)s)"
        )
    parser.add_argument(
        "--world-seed", type=int, default=5, metavar="S", help="seed of the world (default %(default)s)"
    )
    parser.add_argument("--nanodet", type=Path, metavar="F", help="an ONNX file whose detections are compared too")
    return parser


if __name__ == "__main__":
    run(main)
