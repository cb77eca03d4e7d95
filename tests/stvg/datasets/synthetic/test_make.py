"""A tiny world: the files of the real format, the same bytes each time, nothing done twice."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from stvg.datasets.synthetic.make import footage_jobs, make_world, write_video
from stvg.errors import InputError


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world")
    make_world(out, train=2, val=1, test=1, seed=7, workers=2)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_same_bytes_whatever_the_workers(world: Path, tmp_path: Path) -> None:
    make_world(tmp_path, train=2, val=1, test=1, seed=7, workers=1)
    assert contents(tmp_path) == contents(world)


def test_files(world: Path) -> None:
    names = {name for name in contents(world) if not name.startswith(".")}
    clips = {1: 12, 2: 12, 3: 4, 4: 1}
    stems = [f"{clip + 1}_w{footage:04d}" for footage, count in clips.items() for clip in range(count)]
    assert names == {
        "train.json",
        "val.json",
        "test.json",
        "test_queries.json",
        *(f"videos/{stem}.mp4" for stem in stems),
        *(f"detections/{stem}.txt" for stem in stems),
    }


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_annotations_agree_with_video_plan_and_detections(world: Path, split: str) -> None:
    """Read without the project's readers."""
    items = json.loads((world / f"{split}.json").read_text())
    jobs = [job for job in footage_jobs(world, {"train": 2, "val": 1, "test": 1}, 7) if job.split == split]
    plans = {key: plan for job in jobs for key, plan in job.plans().items()}
    assert items.keys() == plans.keys()
    for key, item in items.items():
        plan = plans[key]
        with av.open(str(world / "videos" / key)) as container:
            frames = list(container.decode(video=0))
            assert container.streams.video[0].codec_context.name == "h264"
            assert container.streams.video[0].average_rate == 10
        assert len(frames) == item["img_num"] == plan.scene.num_frames
        assert {(frame.width, frame.height) for frame in frames} == {(item["width"], item["height"])} == {(640, 360)}
        assert item["caption"] == plan.caption
        assert item["st_frame"] == plan.span.start + 1
        assert len(item["bbox"]) == plan.span.stop - plan.span.start
        assert item["st_time"] == pytest.approx(plan.span.start / 10)
        assert item["ed_time"] == pytest.approx(plan.span.stop / 10)
        for x, y, w, h in item["bbox"]:
            assert all(isinstance(value, int) for value in (x, y, w, h))
            assert 0 <= x < x + w <= 640
            assert 0 <= y < y + h <= 360
        assert near_detections(world, key, item) > 0.5


def test_video_keeps_colours_and_edges(tmp_path: Path) -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    image[:, :48], image[:, 48:] = (200, 60, 40), (30, 90, 210)
    write_video(tmp_path / "v.mp4", [image] * 3, 10, 96, 64)
    with av.open(str(tmp_path / "v.mp4")) as container:
        seen = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(seen) == 3
    for frame in seen:  # but for the columns that share a chroma sample with the edge's neighbours
        assert np.abs(frame.astype(int) - image)[:, np.abs(np.arange(96) - 47.5) > 4].max() <= 8


@pytest.mark.parametrize(("width", "height"), [(63, 48), (64, 47)])
def test_video_of_odd_size(tmp_path: Path, width: int, height: int) -> None:
    with pytest.raises(ValueError, match=f"expected an even width and height, got {width} x {height}"):
        write_video(tmp_path / "v.mp4", [np.zeros((height, width, 3), np.uint8)], 10, width, height)
    assert not (tmp_path / "v.mp4").exists()


def near_detections(world: Path, key: str, item: dict) -> float:
    """The share of the truth's frames with a detection whose centre is in the middle of the true box."""
    rows = [line.split(",") for line in (world / "detections" / f"{Path(key).stem}.txt").read_text().splitlines()]
    assert all(len(row) == 10 and row[1] == "-1" and row[7:] == ["-1", "-1", "-1"] for row in rows)
    assert min(int(row[0]) for row in rows) == 1
    assert max(int(row[0]) for row in rows) == item["img_num"]
    hits = 0
    for k, (x, y, w, h) in enumerate(item["bbox"]):
        here = [[float(v) for v in row[2:6]] for row in rows if int(row[0]) == item["st_frame"] + k]
        hits += any(abs(a + c / 2 - x - w / 2) < w / 4 and abs(b + d / 2 - y - h / 2) < h / 4 for a, b, c, d in here)
    return hits / len(item["bbox"])


def test_clips_of_one_footage_share_it_and_describe_different_moments(world: Path) -> None:
    keys = [f"{number + 1}_w0001.mp4" for number in range(12)]
    assert len({(world / "videos" / key).read_bytes() for key in keys}) == 1
    assert len({(world / "detections" / key).with_suffix(".txt").read_bytes() for key in keys}) == 1
    items = json.loads((world / "train.json").read_text())
    described = [json.dumps(items[key]["bbox"]) for key in keys]
    assert 4 <= len(set(described)) <= 10
    times = sorted(described.count(one) for one in set(described))
    assert times[-1] - times[0] <= 1, "every pair comes once before any comes again"
    assert len({(items[key]["caption"], one) for key, one in zip(keys, described, strict=True)}) > 10


def test_queries_are_the_test_captions(world: Path) -> None:
    annotations = json.loads((world / "test.json").read_text())
    queries = json.loads((world / "test_queries.json").read_text())
    assert queries == {key: item["caption"] for key, item in annotations.items()}


def test_finished_clips_are_kept_and_broken_ones_made_again(world: Path) -> None:
    before = contents(world)
    videos = {path: path.stat().st_mtime_ns for path in (world / "videos").iterdir()}
    lost = world / "videos" / "1_w0004.mp4"
    lost.unlink()
    make_world(world, train=2, val=1, test=1, seed=7, workers=1)
    assert contents(world) == before
    again = {path for path, time in videos.items() if path.stat().st_mtime_ns != time}
    assert again == {lost}


def test_seeds_of_footage_differ_and_do_not_depend_on_the_counts() -> None:
    small = footage_jobs(Path(), {"train": 2, "val": 2, "test": 2}, 0)
    large = footage_jobs(Path(), {"train": 50, "val": 50, "test": 50}, 0)
    assert len({job.seed for job in large}) == 150
    assert len({key for job in large for key in job.keys}) == 50 * (12 + 4 + 1)
    assert {(job.split, job.seed) for job in small} < {(job.split, job.seed) for job in large}
    assert not {job.seed for job in large} & {job.seed for job in footage_jobs(Path(), {"train": 50}, 1)}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"train": 0}, "--train"), ({"test": -1}, "--test"), ({"seed": -1}, "--seed"), ({"workers": 0}, "--workers")],
)
def test_unusable_numbers(tmp_path: Path, arguments: dict[str, int], named: str) -> None:
    numbers = {"train": 1, "val": 1, "test": 1, "seed": 0} | arguments
    with pytest.raises(InputError, match=named):
        make_world(tmp_path / "out", **numbers)
    assert not (tmp_path / "out").exists()


def test_out_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="expected a folder"):
        make_world(tmp_path / "taken", 1, 1, 1, 0)
