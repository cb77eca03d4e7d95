"""The data kit by its command line: a small HC-STVG as its authors pack it, with everything wrong that can be."""

import json
import shutil

import numpy as np
import pytest

from stvg.datasets.hcstvg.index import index_path, read_index
from stvg.datasets.synthetic.make import write_video
from stvg.io.hcstvg_annotations import read_annotations, read_queries

FPS, FRAMES = 4, 80


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A clip of 20 s."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    images = np.random.default_rng(0).integers(0, 255, (FRAMES, 48, 64, 3), dtype=np.uint8)
    write_video(path, images, FPS, 64, 48)
    return path


def item(**changes):
    return {
        "bbox": [[10, 10, 20, 30]] * 5,
        "st_frame": 3,
        "st_time": 0,
        "ed_time": 1,
        "img_num": FRAMES,
        "img_size": [48, 64],
        "English": "The man sits down.",
    } | changes


@pytest.fixture
def data(tmp_path, clip):
    """Annotations in one folder, videos in packages, as one finds them after unpacking."""
    root = tmp_path / "hcstvg"
    train = {"1_a.mp4": item(), "2_a.mkv": item(), "1_b.mp4": item(), "1_c.mp4": item()}
    for name, items in (("train_v2", train), ("val_v2", {"1_d.mp4": item()}), ("query_v2", {"1_e.mp4": "He sits."})):
        (root / "annotations").mkdir(parents=True, exist_ok=True)
        (root / "annotations" / f"{name}.json").write_text(json.dumps(items))
    for number, key in enumerate([*train, "1_d.mp4", "1_e.mp4"]):
        folder = root / "Video" / f"part_{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, folder / key)
    return root


def prepare(tool, data, out, *options, dataset="hcstvg_v2"):
    return tool("prepare_hcstvg", dataset, "--data", data, "--out", out, "--workers", 1, *options)


def video(data, key):
    (path,) = data.rglob(key)
    return path


def failed(done):
    return [line.removeprefix("failed: ") for line in done.stderr.splitlines() if line.startswith("failed: ")]


def kinds(out):
    return {(one["key"], one["kind"]) for one in json.loads((out / "report.json").read_text())["findings"]}


def change(data, name, **items):
    path = data / "annotations" / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | items))


def test_a_whole_data_set_is_laid_out_by_links(tool, data, tmp_path):
    out = tmp_path / "out"
    done = prepare(tool, data, out)
    assert (done.code, failed(done)) == (0, []), done.stderr
    assert done.stdout == f"{out / 'report.md'}\n"
    assert {path.name for path in out.iterdir()} == {
        "videos",
        "train.json",
        "val.json",
        "test_queries.json",
        "index.json",
        "report.json",
        "report.md",
        ".checked.json",
    }
    assert (out / "train.json").resolve() == data / "annotations" / "train_v2.json"
    assert [one.query.query_id for one in read_annotations(out / "val.json")] == ["1_d.mp4"]
    assert [one.query_id for one in read_queries(out / "test_queries.json")] == ["1_e.mp4"]
    assert all(path.is_symlink() and path.resolve() == video(data, path.name) for path in (out / "videos").iterdir())
    index = read_index(index_path(out))
    assert len(index.videos) == 6
    assert (index.videos["1_a.mp4"].num_frames, index.videos["1_a.mp4"].fps) == (FRAMES, FPS)
    assert list(index.of_split("val")) == ["1_d.mp4"]


def test_the_index_is_that_of_the_data_wherever_it_lies(tool, data, tmp_path):
    prepare(tool, data, tmp_path / "one")
    shutil.move(data, tmp_path / "elsewhere")
    prepare(tool, tmp_path / "elsewhere", tmp_path / "two")
    assert (tmp_path / "one" / "index.json").read_bytes() == (tmp_path / "two" / "index.json").read_bytes()


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def longer(path):
    write_video(path, np.zeros((90, 48, 64, 3), np.uint8), FPS, 64, 48)


def shorter(path):
    write_video(path, np.zeros((6, 48, 64, 3), np.uint8), FPS, 64, 48)


def larger(path):
    write_video(path, np.zeros((FRAMES, 96, 128, 3), np.uint8), FPS, 128, 96)


@pytest.mark.parametrize(
    ("spoil", "listed", "noted"),
    [
        (
            lambda path: path.unlink(),
            ["1_b.mp4: train: missing video: expected its video file, found none"],
            {"missing video"},
        ),
        (
            truncate,
            ["1_b.mp4: train: unreadable video: expected a whole video file, found a file cut off"],
            {"unreadable video"},
        ),
        (
            lambda path: path.write_text("x"),
            ["1_b.mp4: train: unreadable video: expected a whole"],
            {"unreadable video"},
        ),
        (longer, [], {"wrong length", "frame count"}),
        (
            shorter,
            ["1_b.mp4: train: span past the end: expected a span inside the file's 6 frames, got one to 7"],
            {"wrong length", "frame count", "span past the end"},
        ),
        (
            larger,
            ["1_b.mp4: train: image size: the annotation says 64 x 48 pixels, the file has 128 x 96"],
            {"image size"},
        ),
        (lambda path: path.rename(path.with_suffix(".mkv")), [], {"other extension"}),
        (lambda path: shutil.copy(path, path.with_name("9_z.mp4")), [], {"not annotated"}),
        (lambda path: shutil.copytree(path.parent, path.parent.parent / "again"), [], {"two files"}),
    ],
)
def test_what_is_wrong_with_a_video(tool, data, tmp_path, spoil, listed, noted):
    out = tmp_path / "out"
    spoil(video(data, "1_b.mp4"))
    done = prepare(tool, data, out)
    assert done.code == (3 if listed else 0)
    assert len(failed(done)) == len(listed)
    assert all(found.startswith(line) for found, line in zip(failed(done), listed, strict=True)), failed(done)
    assert {kind for _, kind in kinds(out)} == noted
    assert len(read_annotations(out / "train.json")) == 4, "the item stays: what cannot be read is listed by all"
    assert all(kind in (out / "report.md").read_text() for kind in noted)
    found = read_index(index_path(out)).videos["1_b.mp4"]
    assert bool(found.problem) == bool(noted & {"missing video", "unreadable video"})
    assert found.num_frames > 0, "the annotation's where the file tells nothing"


def test_a_broken_picture_in_the_middle_is_found_by_decoding(tool, data, tmp_path):
    path = video(data, "1_b.mp4")
    content = bytearray(path.read_bytes())
    start = content.find(b"mdat")
    content[start + 9000 : start + 30000] = bytes(21000)
    path.write_bytes(bytes(content))
    assert prepare(tool, data, tmp_path / "out").code == 0
    done = prepare(tool, data, tmp_path / "out", "--decode")
    assert done.code == 3
    assert "1_b.mp4: train: unreadable video: " in failed(done)[0]


def test_bad_items_are_left_out_of_the_split(tool, data, tmp_path):
    change(data, "train_v2", **{"1_b.mp4": item(bbox=[[60, 10, -5, 30]]), "2_a.mp4": item()})
    shutil.copy(video(data, "2_a.mkv"), video(data, "2_a.mkv").with_suffix(".mp4"))
    done = prepare(tool, data, tmp_path / "out")
    assert done.code == 3
    assert failed(done) == [
        "1_b.mp4: train: box: bbox[0]: expected [x, y, w, h] with x, y >= 0 and w, h > 0, got [60, 10, -5, 30]"
    ]
    assert [one.query.query_id for one in read_annotations(tmp_path / "out" / "train.json")] == [
        "1_a.mp4",
        "2_a.mkv",
        "1_c.mp4",
        "2_a.mp4",
    ]
    assert ("2_a.mp4", "both extensions") in kinds(tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["splits"][0] == {
        "split": "train",
        "file": "train_v2.json",
        "items": 5,
        "left_out": 1,
        "missing_videos": 0,
        "unreadable_videos": 0,
    }


def test_the_same_clip_in_train_and_val(tool, data, tmp_path):
    change(data, "val_v2", **{"1_a.mp4": item()})
    assert failed(prepare(tool, data, tmp_path / "out")) == [
        "1_a.mp4: val: in two splits: expected it once, train has it too"
    ]


def test_a_second_check_opens_what_is_new_alone(tool, data, tmp_path, monkeypatch):
    from stvg.datasets.hcstvg import layout as prepare_hcstvg

    prepare(tool, data, tmp_path / "out")
    opened = []
    true = prepare_hcstvg.CheckVideo.__call__

    def watched(self, path):
        opened.append(path.name)
        return true(self, path)

    monkeypatch.setattr(prepare_hcstvg.CheckVideo, "__call__", watched)
    truncate(video(data, "1_c.mp4"))
    (data / "annotations" / "val_v2.json").write_text(json.dumps({"1_a.mp4": item()}))
    assert prepare(tool, data, tmp_path / "out").code == 3
    assert opened == ["1_c.mp4"]
    assert not (tmp_path / "out" / "videos" / "1_d.mp4").exists(), "links that nothing asks for go"


def test_version_one_gets_a_val_split(tool, data, tmp_path):
    for name in ("val_v2", "query_v2"):
        (data / "annotations" / f"{name}.json").unlink()
    (data / "annotations" / "train_v2.json").rename(data / "annotations" / "train.json")
    (data / "annotations" / "test.json").write_text(json.dumps({"1_e.mp4": item()}))
    out = tmp_path / "out"
    done = prepare(tool, data, out, "--cut-val", "0.3", "--seed", "1", dataset="hcstvg_v1")
    assert done.code == 0, done.stderr
    train, val = ([one.query.query_id for one in read_annotations(out / f"{name}.json")] for name in ("train", "val"))
    assert sorted(train + val) == ["1_a.mp4", "1_b.mp4", "1_c.mp4", "2_a.mkv"]
    assert val
    assert ("1_a.mp4" in val) == ("2_a.mkv" in val), "one film"
    assert json.loads((out / "test_queries.json").read_text()) == {"1_e.mp4": "The man sits down."}
    assert read_index(index_path(out)).videos[val[0]].splits == ("val",)


def test_vidstg(tool, tmp_path, clip):
    data = tmp_path / "vidstg"
    (data / "training" / "0").mkdir(parents=True)
    (data / "video" / "0").mkdir(parents=True)
    shutil.copy(clip, data / "video" / "0" / "77.mp4")
    box = {"xmin": 1, "ymin": 2, "xmax": 11, "ymax": 22}
    (data / "training" / "0" / "77.json").write_text(json.dumps({"trajectories": [[{"tid": 0, "bbox": box}]] * FRAMES}))
    sentence = {"description": "an adult walks.", "target_id": 0}
    annotation = {
        "vid": "77",
        "frame_count": FRAMES,
        "fps": FPS,
        "width": 64,
        "height": 48,
        "subject/objects": [{"tid": 0, "category": "adult"}],
        "temporal_gt": {"begin_fid": 4, "end_fid": 9},
        "captions": [sentence, sentence],
        "questions": [],
    }
    (data / "train_annotations.json").write_text(json.dumps([annotation]))
    out = tmp_path / "out"
    done = prepare(tool, data, out, dataset="vidstg")
    assert (done.code, kinds(out)) == (0, set()), done.stderr
    assert sorted(path.name for path in (out / "videos").iterdir()) == ["1_77.mp4", "2_77.mp4"]
    assert (out / "videos" / "2_77.mp4").resolve() == data / "video" / "0" / "77.mp4"
    assert read_annotations(out / "train.json")[1].tube.span.length == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hcstvg_v2", "--data", "{}/none", "--out", "{}/o"], "https://github.com/tzhhhh123/HC-STVG"),
        (["vidstg", "--data", "{}", "--out", "{}/o"], "https://github.com/Guaranteer/VidSTG-Dataset"),
        (
            ["hcstvg_v2", "--data", "{}/hcstvg", "--out", "{}/o", "--cut-val", "0.1"],
            "expected a train split and no val",
        ),
        (["hcstvg_v2", "--data", "{}/hcstvg", "--out", "{}/o", "--train", "{}/none.json"], "expected a readable JSON"),
    ],
)
def test_bad_input_is_one_line(tool, data, tmp_path, arguments, message):
    done = tool("prepare_hcstvg", *(argument.format(tmp_path) for argument in arguments))
    assert (done.code, done.stdout) == (2, "")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert message in line
    assert not (tmp_path / "o").exists() or not list((tmp_path / "o").iterdir())


def test_where_says_it_in_words(tool):
    done = tool("prepare_hcstvg", "hcstvg_v2", "--where")
    assert done.code == 0
    assert "https://github.com/tzhhhh123/HC-STVG" in done.stdout


def test_files_of_the_user_are_left_alone(tool, data, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train.json").write_text("mine")
    done = prepare(tool, data, tmp_path / "out")
    assert done.code == 2
    assert "train.json: expected nothing or a link here, found something else" in done.stderr
    assert (tmp_path / "out" / "train.json").read_text() == "mine"
    done = prepare(tool, data, data)
    assert (done.code, "--out: expected a folder other than --data" in done.stderr) == (2, True)
    assert {path.name for path in data.iterdir()} == {"annotations", "Video"}


def test_a_mended_file_is_linked_again(tool, data, tmp_path):
    change(data, "train_v2", **{"1_b.mp4": item(bbox=[])})
    assert prepare(tool, data, tmp_path / "out").code == 3
    assert not (tmp_path / "out" / "train.json").is_symlink()
    change(data, "train_v2", **{"1_b.mp4": item()})
    assert prepare(tool, data, tmp_path / "out").code == 0
    assert (tmp_path / "out" / "train.json").is_symlink()


def test_a_real_file_where_a_link_belongs(tool, data, tmp_path):
    (tmp_path / "out" / "videos").mkdir(parents=True)
    (tmp_path / "out" / "videos" / "1_a.mp4").write_text("mine")
    done = prepare(tool, data, tmp_path / "out")
    assert done.code == 2
    assert "1_a.mp4: expected nothing or a link here, found something else" in done.stderr
    assert (tmp_path / "out" / "videos" / "1_a.mp4").read_text() == "mine"
