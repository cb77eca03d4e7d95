"""Write the small healthy files from which mutants are made."""

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from stvg.evaluation.error_analysis import CAUSES
from stvg.io.video_writer import write_video
from stvg.prepare.store import PreparedStore
from stvg.types import PreparedVideo, Tube, VideoMeta

RECIPE = "r" * 64
"""The recipe of the prepared videos."""
VIDEO_IDS = ("1_a.mp4", "2_b.mp4", "3_c.mp4")
ITEM = {
    "bbox": [[10 + k, 20, 50, 80] for k in range(6)],
    "st_frame": 10,
    "st_time": 1.0,
    "ed_time": 2.0,
    "img_num": 200,
    "width": 640,
    "height": 360,
    "caption": "The man sits.",
}
V2_ITEM = {key: value for key, value in ITEM.items() if key not in ("caption", "width", "height")} | {
    "English": "The man sits.",
    "img_size": [360, 640],
}
ROW = {"temporal": "mmn", "spatial": "matcher", "mode": "joint", "m_tiou": 0.6, "m_viou": 0.5, "m_viou_ci": [0.4, 0.6]}
ROW |= {"viou@0.3": 0.7, "viou@0.5": 0.6}


@dataclass(frozen=True, slots=True)
class Seed:
    """The bytes of a healthy file, and its format (fuzz.formats)."""

    data: bytes
    form: str


def json_seeds(*values: Any) -> list[Seed]:
    """Return JSON files."""
    return [Seed(json.dumps(value).encode(), "json") for value in values]


def pickle_seeds(*values: Any) -> list[Seed]:
    """Return pickles."""
    return [Seed(pickle.dumps(value), "pickle") for value in values]


def saved(folder: Path, write: Callable[[Path], object], name: str, form: str) -> Seed:
    """Return what a function writes to the path it is given."""
    write(folder / name)
    return Seed((folder / name).read_bytes(), form)


def annotations(folder: Path) -> Sequence[Seed]:
    """HC-STVG, v1 and v2, and test queries."""
    return json_seeds({"1_a.mp4": ITEM, "2_b.mkv": V2_ITEM}, {"1_a.mp4": "a man sits", "2_b.mp4": "a woman"})


def answers(folder: Path) -> Sequence[Seed]:
    """Return the log beside results.json."""
    item = {"st_frame": 1, "ed_frame": 2, "bbox": {"1": [0, 3.0, 5, 5], "2": [0, 3.0, 5, 5]}}
    answer = {"query_id": "1_a.mp4", "text": "x", "source_id": "f", "item": item, "problem": ""}
    lines = [{"setting": "s"}, answer, answer | {"query_id": "2_b.mp4"}]
    return [Seed(b"".join(json.dumps(line).encode() + b"\n" for line in lines), "json lines")]


def submission(folder: Path) -> Sequence[Seed]:
    """Return results.json."""
    return json_seeds(
        {"1_a.mp4": {"st_frame": 3, "ed_frame": 5, "bbox": {str(k): [1, 2.5, 30, 40] for k in (3, 4, 5)}}}
    )


def feature_file(folder: Path) -> Sequence[Seed]:
    """2D-TAN's HDF5 files, plain, compressed, and with an inner name."""

    def write(path: Path, options: Mapping[str, Any]) -> None:
        rng = np.random.default_rng(0)
        with h5py.File(path, "w") as file:
            for name in ("v1", "v2", "v3"):
                file.create_dataset(name, data=rng.random((12, 4), np.float32), **options)

    plain: tuple[Mapping[str, Any], ...] = ({}, {"compression": "gzip"})
    return [saved(folder, partial(write, options=one), "f.h5", "hdf5") for one in plain]


def store(folder: Path) -> Sequence[Seed]:
    """Return a packed file of prepared videos."""
    stored = PreparedStore(folder / "train.h5", RECIPE)
    rng = np.random.default_rng(0)
    for index, video_id in enumerate(VIDEO_IDS):
        tubes = tuple(
            Tube(
                k,
                3 * k,
                rng.random((5, 4)).cumsum(axis=1).astype(np.float32),
                rng.random(5).astype(np.float32),
                rng.random(5) < 0.5,
            )
            for k in range(index)
        )
        features = tuple(rng.random((5, 6)).astype(np.float32) for _ in tubes)
        meta = VideoMeta(video_id, Path("videos") / video_id, 60, 29.97, 640, 360)
        clips = rng.random((7, 3)).astype(np.float32)
        stored.write_part(PreparedVideo(meta, clips, tubes, features), "src1")
    stored.pack()
    return [Seed((folder / "train.h5").read_bytes(), "hdf5")]


def mot(folder: Path) -> Sequence[Seed]:
    """Two people over thirty frames."""
    rows = [
        f"{k + 1},{who},{20 + 90 * who + k},{30 + k / 3:.2f},40,90,0.{9 - who},-1,-1,-1"
        for k in range(30)
        for who in (0, 1)
    ]
    return [Seed("\n".join(rows).encode(), "table")]


def mmn_stvg(folder: Path) -> Sequence[Seed]:
    """MMN-STVG's tubes and features, as detected and prepared; tensors too."""
    rows = np.arange(18, dtype=np.float64).reshape(3, 6)
    detected = {"x": [[rows[0], rows[1]], rows.tolist()]}
    plain = pickle_seeds(
        {0: [[rows, 0.5], [rows.tolist(), 0.25]]},
        {"tubes": [rows[:, :5], torch.from_numpy(rows[:, :5].copy())], "other": "x"},
        detected,
        rows.reshape(3, 3, 2).astype(np.float32),
    )
    return [*plain, Seed(_torch_bytes(folder, {"tubes": [torch.ones(3, 5)]}), "torch")]


def torch_file(folder: Path) -> Sequence[Seed]:
    """Return files of torch.save."""
    return [
        Seed(_torch_bytes(folder, value), "torch")
        for value in ({"model": {"a.weight": torch.ones(2, 3)}, "epoch": 3, "list": [1, 2.5, "x"]}, [torch.ones(4), 3])
    ]


def _torch_bytes(folder: Path, value: Any) -> bytes:
    torch.save(value, folder / "t.pth")
    return (folder / "t.pth").read_bytes()


def moments(folder: Path) -> Sequence[Seed]:
    """2D-TAN's annotations, by seconds and by frames."""
    first = {"duration": 30.5, "timestamps": [[1, 5.5], [2, 9.0]], "sentences": ["a man sits", "b"]}
    return json_seeds({"v1": first, "v2": {"fps": 25, "num_frames": 500, "timestamps": [[1, 50]], "sentences": ["x"]}})


def index(folder: Path) -> Sequence[Seed]:
    """Return the index of a data set."""
    video = {
        "splits": ["train"],
        "bytes": 5,
        "num_frames": 200,
        "fps": 10.0,
        "width": 640,
        "height": 360,
        "problem": "",
    }
    return json_seeds({"dataset": "hcstvg_v1", "videos": {"1_a.mp4": video, "2_b.mp4": video}})


def ablation(folder: Path) -> Sequence[Seed]:
    """Return the rows of an ablation."""
    return json_seeds([ROW, ROW | {"mode": "two_stage"}])


def differences(folder: Path) -> Sequence[Seed]:
    """Return differences between rows."""
    return json_seeds([{"a": "x", "b": "y", "difference": -0.25, "ci": [-0.5, 0.1]}])


def errors(folder: Path) -> Sequence[Seed]:
    """Return error budgets."""
    return json_seeds([{"mode": "joint", "m_viou": 0.5, **dict.fromkeys(CAUSES, 0.125)}])


def breakdown(folder: Path) -> Sequence[Seed]:
    """Return scores by groups of queries."""
    return json_seeds([ROW | {"by": "moment_share", "low": 0.1, "high": 0.5, "num_queries": 12}])


def vidstg(folder: Path) -> Sequence[Seed]:
    """VidSTG's sentences and VidOR's boxes in one object, which the reader takes apart."""
    people = [{"tid": 0, "category": "adult"}, {"tid": 1, "category": "dog"}]
    annotation = {
        "vid": "v1",
        "frame_count": 10,
        "fps": 5.0,
        "width": 64,
        "height": 48,
        "subject/objects": people,
        "used_segment": {"begin_fid": 0, "end_fid": 10},
        "temporal_gt": {"begin_fid": 2, "end_fid": 6},
        "captions": [{"description": "an adult walks.", "type": "adult", "target_id": 0}],
        "questions": [{"description": "who?", "type": "adult", "target_id": 0}],
    }
    box = {"xmin": 10, "ymin": 4, "xmax": 18, "ymax": 24}
    frames = [[{"tid": 0, "bbox": box, "generated": 0, "tracker": "none"}] for _ in range(10)]
    return json_seeds({"sentences": [annotation], "boxes": {"trajectories": frames}})


def recipes(folder: Path) -> Sequence[Seed]:
    """Return all recipes that come along, without their bases."""
    paths = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))
    lines = [[line for line in path.read_text().splitlines() if not line.startswith("base:")] for path in paths]
    return [Seed("\n".join(one).encode(), "yaml") for one in lines]


def videos(folder: Path) -> Sequence[Seed]:
    """An mp4 of 20 small frames, and the same stream in Matroska, Flash video and MPEG-TS."""
    import av

    images = np.random.default_rng(0).integers(0, 255, (20, 32, 48, 3), dtype=np.uint8)
    path = folder / "v.mp4"
    write_video(path, images, 10.0, 48, 32, {})
    seeds = [Seed(path.read_bytes(), "video")]
    for suffix in ("mkv", "flv", "ts"):
        with av.open(str(path)) as source, av.open(str(folder / f"v.{suffix}"), "w") as target:
            out = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = out
                    target.mux(packet)
        seeds.append(Seed((folder / f"v.{suffix}").read_bytes(), "video"))
    return seeds
