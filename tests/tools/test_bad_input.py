"""Bad input: one line on stderr, exit code 2, nothing in --out; videos without people: exit code 3."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from stvg.datasets.synthetic.make import write_video
from stvg.io.hcstvg_annotations import read_annotated_clips
from stvg.io.submission import find_problems

ROOT = Path(__file__).parents[2]
SENTENCE = "The man sits down."
WITHOUT_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


def one_line(done, *parts):
    """Check exit code 2 and one line that has all `parts`."""
    assert done.code == 2, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line, line


def a_video(road):
    return sorted((road.world / "videos").glob("*.mp4"))[0]


def truncated(source, target):
    target.write_bytes(source.read_bytes()[: source.stat().st_size // 2])


def without_frames(source, target):
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda source, target: None, "expected a video file, found no such file", id="missing"),
        pytest.param(lambda source, target: target.mkdir(), "expected a video file, found a folder", id="folder"),
        pytest.param(truncated, "expected a whole video file, found a file cut off", id="truncated"),
        pytest.param(lambda source, target: target.write_bytes(b""), "found an empty file", id="empty file"),
        pytest.param(without_frames, "expected", id="no frames"),
        pytest.param(lambda source, target: target.write_text("text"), "expected a whole video file", id="text"),
    ],
)
def test_single_video_that_cannot_be_read(tool, road, tmp_path, make, message):
    video = tmp_path / "x.mp4"
    make(a_video(road), video)
    done = tool("infer_stvg", *road.options, "--video", video, "--query", SENTENCE, "--out", tmp_path / "out")
    one_line(done, str(video), message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "query", "parts"),
    [
        pytest.param([], "", ("sentence: expected words",), id="empty query"),
        pytest.param([], " \n\t", ("sentence: expected words",), id="blank query"),
        pytest.param(["device=cuda"], SENTENCE, ("device cuda: expected a GPU",), id="no GPU", marks=WITHOUT_GPU),
        pytest.param(
            ["temporel.power=1"],
            SENTENCE,
            ("argument 'temporel.power=1': unknown key temporel; did you mean temporal?",),
            id="unknown key",
        ),
        pytest.param(["temporal.powr=1"], SENTENCE, ("unknown key temporal.powr",), id="unknown nested key"),
        pytest.param(["seed=x"], SENTENCE, ("argument 'seed=x': seed: ", "got 'x'"), id="wrong type"),
        pytest.param(["seed"], SENTENCE, ("argument 'seed': expected key=value",), id="no override"),
        pytest.param(
            ["output.root=elsewhere"],
            SENTENCE,
            ("elsewhere/temporal/best.safetensors", "run stvg train temporal"),
            id="no checkpoint",
        ),
        pytest.param(
            ["temporal.network.hidden_size=16"],
            SENTENCE,
            ("temporal/best.safetensors", "another config: hidden_size"),
            id="other width",
        ),
        pytest.param(
            ["matcher.network.conv_layers=1"],
            SENTENCE,
            ("matcher/best.safetensors", "another config: conv_layers"),
            id="other depth",
        ),
        pytest.param(
            ["features.flow_width=80"],
            SENTENCE,
            ("temporal/best.safetensors", "another config: features.flow_width"),
            id="other features",
        ),
        pytest.param(
            ["detector.folder=nowhere"], SENTENCE, ("nowhere", "expected the public detections of"), id="no detections"
        ),
    ],
)
def test_single_video_with_a_bad_query_or_config(tool, road, tmp_path, options, query, parts):
    arguments = ["--video", a_video(road), "--query", query, "--out", tmp_path / "out"]
    done = tool("infer_stvg", *road.options, *options, *arguments)
    one_line(done, *parts)
    assert not (tmp_path / "out").exists()


def test_a_file_name_that_is_no_key(tool, road, tmp_path):
    video = tmp_path / "a..b.mp4"
    shutil.copy(a_video(road), video)
    done = tool("infer_stvg", *road.options, "--video", video, "--query", SENTENCE, "--out", tmp_path / "out")
    one_line(done, str(video), "expected a plain file name as key")


@pytest.mark.parametrize("name", ["preprocess", "train_temporal", "train_matcher"])
@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (None, ("expected a readable config file, got: No such file",)),
        ("[", ("expected YAML",)),
        ("{}", ("missing key",)),
        ("data: {root: x}\noutput: {root: y}\ndetector: {kind: file}\nepochs: 3", ("unknown key epochs",)),
    ],
)
def test_every_command_refuses_a_bad_config(tool, tmp_path, name, text, parts):
    config = tmp_path / "config.yaml"
    if text is not None:
        config.write_text(text)
    one_line(tool(name, "--config", config), str(config), *parts)
    assert {path.name for path in tmp_path.iterdir()} <= {"config.yaml"}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("preprocess", ("expected train.json, val.json or test.json, found none of them",)),
        ("train_temporal", ("train.json: expected a readable JSON file",)),
        ("train_matcher", ("train.json: expected a readable JSON file",)),
    ],
)
def test_a_data_root_without_annotations(tool, road, tmp_path, name, parts):
    one_line(tool(name, *road.options, f"data.root={tmp_path}", f"output.root={tmp_path / 'out'}"), *parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["train_temporal", "train_matcher"])
def test_training_on_what_is_not_prepared_names_the_command(tool, road, tmp_path, name):
    done = tool(name, *road.options, f"output.root={tmp_path}")
    assert done.code == 2
    assert done.stderr.splitlines()[-1].endswith("found none; run stvg prepare")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("pooling_counts=[40]", "pooling_counts: expected diagonals inside a map of 32 clips"),
        ("num_pre_clips=40", "num_pre_clips, num_clips, pool_kernel: expected a kernel"),
    ],
)
def test_network_sizes_that_do_not_fit(tool, road, tmp_path, option, message):
    """The prepared videos are copied, so that the real training is left alone."""
    shutil.copytree(road.out / "prepared", tmp_path / "prepared")
    done = tool("train_temporal", *road.options, f"output.root={tmp_path}", f"temporal.network.{option}")
    assert done.code == 2
    assert message in done.stderr.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["prepared"]


def change(key, value):
    """Return a function that sets one field of the first item."""

    def apply(items):
        next(iter(items.values()))[key] = value

    return apply


def change_box(box):
    def apply(items):
        next(iter(items.values()))["bbox"][0] = box

    return apply


def as_xyxy(items):
    item = next(iter(items.values()))
    item["bbox"] = [[300, 100, 500, 300]] * len(item["bbox"])


def rename(items):
    items["../../x.mp4"] = items.pop(next(iter(items)))


ANNOTATIONS = [
    pytest.param(change_box([-40, 0, 27, 47]), "bbox[0]: expected [x, y, w, h] with x, y >= 0", id="negative corner"),
    pytest.param(change_box([40, 0, -27, 47]), "and w, h > 0", id="negative size"),
    pytest.param(change_box([float("nan"), 0, 27, 47]), "bbox[0]: expected four finite numbers", id="NaN"),
    pytest.param(change_box([float("inf"), 0, 27, 47]), "bbox[0]: expected four finite numbers", id="infinity"),
    pytest.param(as_xyxy, "all boxes fit when read as [x1, y1, x2, y2]", id="xyxy"),
    pytest.param(change("st_frame", 195), "expected a span inside the video's", id="span past the end"),
    pytest.param(change("st_frame", 0), "st_frame: expected a whole number >= 1", id="0-based"),
    pytest.param(change("caption", " "), "caption: expected a sentence", id="blank sentence"),
    pytest.param(rename, "expected a plain file name as key, got '../../x.mp4'", id="path as key"),
    pytest.param(lambda items: items.clear(), "expected a JSON object with one item per video", id="no items"),
]


@pytest.mark.parametrize(("spoil", "message"), ANNOTATIONS)
@pytest.mark.parametrize("name", ["infer_stvg", "ablate", "preprocess"])
def test_bad_annotations(tool, road, tmp_path, name, spoil, message):
    items = json.loads((road.world / "test.json").read_text())
    spoil(items)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(items))
    done = tool(name, *road.options, "--annotations", path, "--videos", road.world / "videos", "--out", tmp_path / "o")
    one_line(done, str(path), message)
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad.json"]
    assert not (road.out / "prepared" / "bad.h5").exists()


@pytest.mark.parametrize("name", ["infer_stvg", "ablate", "preprocess"])
def test_no_annotation_file(tool, road, tmp_path, name):
    arguments = ["--annotations", tmp_path / "none.json", "--videos", road.world / "videos", "--out", tmp_path / "o"]
    one_line(tool(name, *road.options, *arguments), "none.json: expected a readable JSON file")
    assert list(tmp_path.iterdir()) == []


def test_test_queries_cannot_be_ablated(tool, road, tmp_path):
    arguments = ["--annotations", road.world / "test_queries.json", "--videos", road.world / "videos"]
    done = tool("ablate", *road.options, *arguments, "--out", tmp_path / "o")
    one_line(done, "test_queries.json", "expected an object with bbox")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--video", "v"],
        ["--annotations", "a"],
        ["--video", "v", "--videos", "d"],
        ["--video", "v", "--query", "q", "--annotations", "a", "--videos", "d"],
    ],
)
def test_half_a_command(tool, road, tmp_path, arguments):
    done = tool("infer_stvg", *road.options, "--out", tmp_path / "o", *arguments)
    assert done.code == 2
    assert "expected either --annotations and --videos, or --video and --query" in done.stderr


@pytest.fixture
def split(road, tmp_path):
    """A split of three: a video of the test split, one without people and one cut off; with its own store."""
    root = tmp_path / "split"
    for name in ("videos", "detections"):
        (root / name).mkdir(parents=True)
    source = sorted((road.world / "videos").glob("*.mp4"))[0]
    shutil.copy(source, root / "videos" / "people.mp4")
    shutil.copy(road.world / "detections" / f"{source.stem}.txt", root / "detections" / "people.txt")
    write_video(root / "videos" / "nobody.mp4", np.zeros((30, 48, 64, 3), np.uint8), 10, 64, 48)
    (root / "detections" / "nobody.txt").write_text("")
    truncated(source, root / "videos" / "cut.mp4")
    (root / "queries.json").write_text(json.dumps(dict.fromkeys(["people.mp4", "nobody.mp4", "cut.mp4"], SENTENCE)))
    out = tmp_path / "run"
    for stage in ("temporal", "matcher"):
        shutil.copytree(road.out / stage, out / stage)
    return root, ["--config", road.config, f"data.root={root}", f"output.root={out}"]


def ground(tool, split, out):
    root, options = split
    arguments = ["--annotations", root / "queries.json", "--videos", root / "videos", "--workers", 1]
    return tool("infer_stvg", *options, *arguments, "--out", out)


def test_a_split_with_failures_is_answered_as_far_as_it_goes(tool, split, tmp_path):
    out = tmp_path / "o" / "results.json"
    done = ground(tool, split, out)
    assert done.code == 3
    failed = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 2
    assert any(line.startswith("failed: cut.mp4: ") and "cut off" in line for line in failed)
    assert (
        "failed: nobody.mp4: expected at least one person, the detector found none; answered with the centre box"
        in failed
    )
    found = json.loads(out.read_text())
    assert set(found) == {"people.mp4", "nobody.mp4"}
    assert find_problems(found) == []
    assert set(map(tuple, found["nobody.mp4"]["bbox"].values())) == {(21.33, 8.0, 42.67, 40.0)}
    assert found["nobody.mp4"]["ed_frame"] <= 30
    assert sorted(path.name for path in out.parent.iterdir()) == ["results.json", "results.manifest.json"]


def test_a_split_of_which_nothing_can_be_read(tool, split, tmp_path):
    for path in (split[0] / "videos").iterdir():
        path.write_bytes(b"")
    done = ground(tool, split, tmp_path / "results.json")
    assert done.code == 2
    assert "none could be prepared" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "results.json").exists()


def test_a_single_video_without_people_by_subprocess(split, tmp_path):
    root, options = split
    command = [
        sys.executable,
        "tools/infer_stvg.py",
        *options,
        "--video",
        root / "videos" / "nobody.mp4",
        "--query",
        SENTENCE,
        "--out",
        tmp_path / "o",
    ]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT)  # noqa: S603
    assert done.returncode == 3
    assert done.stdout == ""
    said = f"failed: {root / 'videos' / 'nobody.mp4'}: expected at least one person, the detector found none\n"
    assert done.stderr == said
    assert not (tmp_path / "o").exists()


def test_training_with_a_video_without_people(tool, road, tmp_path):
    """One of the training videos loses all its detections; both stages learn from the others."""
    world = tmp_path / "world"
    shutil.copytree(road.world / "detections", world / "detections")
    (world / "videos").symlink_to(road.world / "videos")
    clips = read_annotated_clips(road.world / "train.json")
    first = clips[0].annotation.query.video_id
    (world / "detections" / f"{Path(first).stem}.txt").write_text("")
    for split in ("train", "val"):
        items = dict(list(json.loads((road.world / f"{split}.json").read_text()).items())[:2])
        (world / f"{split}.json").write_text(json.dumps(items))
    options = [
        "--config",
        road.config,
        f"data.root={world}",
        f"output.root={tmp_path / 'out'}",
        f"detector.folder={world / 'detections'}",
    ]
    for name in ("preprocess", "train_temporal", "train_matcher"):
        done = tool(name, *options, *(["--workers", 1] if name == "preprocess" else []))
        assert done.code == 0, done.stderr
    assert (tmp_path / "out" / "fusion.json").is_file()


def test_training_where_nobody_is_found(tool, road, tmp_path):
    world = tmp_path / "world"
    (world / "videos").mkdir(parents=True)
    (world / "detections").mkdir()
    write_video(world / "videos" / "a.mp4", np.zeros((30, 48, 64, 3), np.uint8), 10, 64, 48)
    (world / "detections" / "a.txt").write_text("")
    item = {"bbox": [[1, 1, 9, 9]] * 5, "st_frame": 3, "img_num": 30, "width": 64, "height": 48, "caption": SENTENCE}
    for split in ("train", "val"):
        (world / f"{split}.json").write_text(json.dumps({"a.mp4": item}))
    options = ["--config", road.config, f"data.root={world}", f"output.root={tmp_path / 'out'}"]
    assert tool("preprocess", *options, "--workers", 1).code == 0
    one_line(tool("train_matcher", *options), "train.json: expected people in its videos, the detector found none")
