"""From MMN-STVG's own files to answers: import them, train the matcher on them, ground with it."""

import json
import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml

from spatial.matching.matcher import tube_clips
from stvg.config import load_config
from stvg.recipe.schema import Recipe
from stvg.recipe.workspace import prepared_store

FRAMES, CSN, FLOW = 60, 4, 3
SENTENCES = ["The man walks", "The woman sits down"]


def boxes(frames, x):
    return np.array([[x + frame, 50, x + frame + 40, 150] for frame in frames], dtype=np.float64)


def tube(frames, x, score=0.9):
    """Rows as MMN-STVG has them, frames counted from 1."""
    return np.column_stack([frames, boxes(frames, x), np.full(len(frames), score)]).astype(np.float32)


def rows(frames, width, kind, seed):
    """Feature rows of a tube: a direction that tells the sentences apart, and noise."""
    noise = torch.randn(len(frames), width, generator=torch.Generator().manual_seed(seed))
    noise[:, kind] += 3.0
    return list(torch.cat([torch.tensor(list(frames)).float()[:, None], noise], dim=1))


def official_clips(tube_rows):
    """What the official code makes of a tube's rows: unit length, averaged to 32 parts."""
    values = F.normalize(torch.stack(tube_rows, dim=0)[:, 1:].float(), dim=1)
    edges = (torch.arange(0, 33, 1.0) / 32 * len(values)).round().long().tolist()
    return torch.stack(
        [values[s:e].mean(dim=0) if s < e else values[min(s, len(values) - 1)] for s, e in pairwise(edges)]
    )


def dump(value, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value))


class World:
    """Annotations and official files of a few videos under `root`; the first tube of each is the described one."""

    def __init__(self, root, text, evil):
        self.root, self.data, self.out, self.evil = root, root / "data", root / "out", evil
        self.config = root / "recipe.yaml"
        sizes = {
            "num_pre_clips": 32,
            "num_clips": 8,
            "pool_kernel": 4,
            "hidden_size": 8,
            "joint_size": 8,
            "pooling_counts": [7],
            "conv_kernel": 3,
            "conv_layers": 2,
        }
        training = {"epochs": 1, "batch_size": 2, "frozen_text_epochs": 0, "milestones": []}
        self.config.write_text(
            yaml.safe_dump(
                {
                    "data": {"root": str(self.data)},
                    "output": {"root": str(self.out)},
                    "detector": {"kind": "file"},
                    "features": {"kind": "imported", "width": CSN + FLOW},
                    "fusion": {"mode": "tube_mmn"},
                    "matcher": {"text": text, "network": sizes, "training": training},
                }
            )
        )
        self.data.mkdir()
        self.tubes, self.csn, self.flow = {}, {}, {}
        for number, split in enumerate(("train", "train", "train", "train", "val", "val", "test", "test")):
            self._add(f"{number}_v", split)
        for split in ("train", "val", "test"):
            self.annotate(split)

    def _add(self, stem, split):
        number = int(stem.split("_")[0])
        sampled = np.array([*range(1, 55, 6), 58]) if number == 1 else np.arange(5, 45)
        frames = [sampled, np.arange(2, 61)]
        self.tubes[stem] = split, [tube(frames[0], 100.0), tube(frames[1], 300.0)]
        self.csn[stem] = [rows(own, CSN, (number + k) % 2, 10 * number + k) for k, own in enumerate(frames)]
        self.flow[stem] = [rows(own, FLOW, (number + k) % 2, 10 * number + k + 5) for k, own in enumerate(frames)]

    def stems(self, split):
        return [stem for stem, (own, _) in self.tubes.items() if own == split]

    def annotate(self, split, **changes):
        items = {}
        for stem in self.stems(split):
            xyxy = boxes(range(11, 31), 100.0)
            bbox = np.column_stack([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]]).tolist()
            items[f"{stem}.mp4"] = {
                "bbox": bbox,
                "st_frame": 11,
                "st_time": 0,
                "ed_time": 0,
                "img_num": FRAMES,
                "width": 640,
                "height": 360,
                "English": SENTENCES[int(stem[0]) % 2],
                **changes,
            }
        (self.data / f"{split}.json").write_text(json.dumps(items))

    def detected(self, split):
        """Write a split as it comes from the first stage; return the command's arguments."""
        folder = self.root / f"{split}_tubes_1"
        for stem in self.stems(split):
            dump({0: [[one, 0.5] for one in self.tubes[stem][1]]}, folder / f"{stem}_tubes.pkl")
        arguments = ["--tubes", folder]
        for name, values in (("csn", self.csn), ("flow", self.flow)):
            path = self.root / f"{name}_{split}_split1.pkl"
            torch.save({stem: values[stem] for stem in self.stems(split)}, path)
            arguments += ["--features", f"{name}={path}"]
        return self.options(split) + arguments

    def prepared(self, split):
        """Write a split as MMN-STVG prepares it; return the command's arguments."""
        arguments = ["--tubes", self.root / f"{split}_prep"]
        for stem in self.stems(split):
            tubes = [torch.Tensor(one[:, :5]) for one in self.tubes[stem][1]]
            label = {"vid": stem, "tubes": tubes, "iou2d": torch.zeros(2, 16, 16), "sentence": "x", "tubenum": 2}
            dump(label, self.root / f"{split}_prep" / f"{stem}.pkl")
            for name, values in (("csn", self.csn), ("flow", self.flow)):
                made = torch.stack([official_clips(one) for one in values[stem]])
                dump(made, self.root / f"{name}_{split}_feats" / f"{stem}.pkl")
        for name in ("csn", "flow"):
            arguments += ["--features", f"{name}={self.root / f'{name}_{split}_feats'}"]
        return self.options(split) + arguments

    def options(self, split):
        return ["--config", self.config, "--annotations", self.data / f"{split}.json"]

    def read(self, split, stem):
        return prepared_store(load_config(Recipe, self.config), split).read(f"{stem}.mp4")


def last_line(done):
    """Return the last line on stderr; progress bars come before it."""
    return done.stderr.splitlines()[-1]


@pytest.fixture
def world(tmp_path, tiny_text, evil):
    return World(tmp_path, tiny_text, evil)


GOLDEN = Path(__file__).resolve().parents[2].parent / "shared" / "golden" / "tube_mmn.npz"


def golden_recipe(root, config, text):
    """A recipe of the golden file's sizes; returns the arguments that name it."""
    network = {
        "hidden_size": config["hidden"],
        "joint_size": config["joint"],
        **{
            key: config[key]
            for key in ("num_pre_clips", "num_clips", "pool_kernel", "pooling_counts", "conv_kernel", "conv_layers")
        },
    }
    matcher = {"text": text, "network": network, "checkpoint": str(root / "winner.safetensors")}
    recipe = {
        "data": {"root": str(root)},
        "output": {"root": str(root / "out")},
        "detector": {"kind": "file"},
        "features": {"kind": "imported", "names": ["csn"], "width": config["input"]},
        "matcher": matcher,
        "fusion": {"mode": "tube_mmn"},
    }
    (root / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return ["--config", root / "recipe.yaml"]


@pytest.mark.skipif(not GOLDEN.is_file(), reason="needs tube_mmn.npz in ../shared/golden")
def test_official_weights_tubes_and_features_give_the_official_results(tool, command, tmp_path, numbered_text):
    """The golden file as the files that its authors have: .pth, tubes, features; and then their own results.json."""
    with np.load(GOLDEN) as file:
        golden = {name: file[name] for name in file.files}
    config, items, features = json.loads(str(golden["config"])), {}, {}
    raws = iter(range(len(golden)))
    for video in range(3):
        truth, key = golden[f"gt_tube/{video}"], f"video_{video}"
        tubes = [golden[name] for name in sorted(golden) if name.startswith(f"tube/{video}/")]
        dump(
            {0: [[np.column_stack([one, np.ones(len(one))]), 1.0] for one in tubes]},
            tmp_path / "tubes" / f"{key}_tubes.pkl",
        )
        features[key] = [list(torch.tensor(np.column_stack([one[:, 0], golden[f"raw/{next(raws)}"]]))) for one in tubes]
        bbox = np.column_stack([truth[:, 1:3], truth[:, 3:] - truth[:, 1:3]]).tolist()
        words = " ".join(f"w{token}" for token in golden[f"query/{video}"][0, 1:-1])
        items[f"{key}.mp4"] = {
            "bbox": bbox,
            "st_frame": int(truth[0, 0]),
            "img_num": 200,
            "width": 640,
            "height": 360,
            "caption": words,
        }
    torch.save(features, tmp_path / "csn_val_split1.pkl")
    (tmp_path / "val.json").write_text(json.dumps(items))
    state = {
        f"module.{name[6:]}": torch.from_numpy(value) for name, value in golden.items() if name.startswith("state/")
    }
    torch.save({"model": state, "epoch": 20}, tmp_path / "pool_model_20e.pth")

    used = {int(token) for video in range(3) for token in golden[f"query/{video}"][0, 1:-1]}
    recipe = golden_recipe(tmp_path, config, numbered_text(tmp_path / "text", config["bert"], used))
    assert tool("convert_checkpoint", tmp_path / "pool_model_20e.pth", tmp_path / "winner.safetensors").code == 0
    annotations, results = ["--annotations", tmp_path / "val.json"], tmp_path / "results.json"
    done = command(
        "convert",
        "mmn-stvg",
        *recipe,
        *annotations,
        "--tubes",
        tmp_path / "tubes",
        "--features",
        f"csn={tmp_path / 'csn_val_split1.pkl'}",
    )
    assert done.code == 0, done.stderr
    done = tool("infer_stvg", *recipe, *annotations, "--videos", tmp_path, "--out", results)
    assert done.code == 0, done.stderr
    found, expected = json.loads(results.read_text()), json.loads(str(golden["eval/results_json"]))
    assert {Path(key).stem for key in found} == expected.keys()
    for key, answer in expected.items():
        ours = found[f"{key}.mp4"]
        assert (ours["st_frame"], ours["ed_frame"]) == (answer["st_frame"], answer["ed_frame"])
        assert ours["bbox"].keys() == answer["bbox"].keys()
        for frame, box in answer["bbox"].items():
            np.testing.assert_allclose(ours["bbox"][frame], box, atol=0.006, err_msg="two decimals are written")


@pytest.mark.parametrize("form", ["detected", "prepared"])
def test_what_the_network_sees_is_what_the_official_code_gives_it(command, world, form):
    assert command("convert", "mmn-stvg", *getattr(world, form)("train")).code == 0
    for stem in world.stems("train"):
        video = world.read("train", stem)
        assert (video.meta.num_frames, video.meta.fps, video.meta.width, video.meta.height) == (FRAMES, 3.0, 640, 360)
        for index, own in enumerate(video.tubes):
            official = world.tubes[stem][1][index]
            assert (own.start_frame, own.span.stop) == (official[0, 0] - 1, official[-1, 0])
            np.testing.assert_allclose(
                own.boxes_xyxy, boxes(range(own.span.start + 1, own.span.stop + 1), 100 + 200 * index)
            )
            seen = [row[0] - 1 for row in official]
            np.testing.assert_array_equal(np.flatnonzero(own.observed) + own.start_frame, seen)
            expected = torch.cat([official_clips(kind[stem][index]) for kind in (world.csn, world.flow)], dim=1)
            np.testing.assert_allclose(tube_clips(video, 32)[index], expected, rtol=1e-5, atol=1e-6)
        for own in video.tubes:
            np.testing.assert_allclose(own.scores, 0.9 if form == "detected" else 1.0, rtol=1e-6)


def test_imported_train_infer(tool, command, world):
    for split, arguments in (
        ("train", world.detected("train")),
        ("val", world.prepared("val")),
        ("test", world.detected("test")),
    ):
        done = command("convert", "mmn-stvg", *arguments)
        assert (done.code, done.stdout) == (0, ""), split
    trained = tool("train_matcher", "--config", world.config)
    assert trained.code == 0, trained.stderr
    results = world.root / "results.json"
    ground = ["--annotations", world.data / "test.json", "--videos", world.data / "videos", "--out", results]
    done = tool("infer_stvg", "--config", world.config, *ground)
    assert done.code == 0, done.stderr
    answers = json.loads(results.read_text())
    assert answers.keys() == {"6_v.mp4", "7_v.mp4"}
    for answer in answers.values():
        first = str(answer["st_frame"])
        assert answer["bbox"][first][0] - answer["st_frame"] in (100.0, 300.0), (
            "a box of one of the tubes, in its frame"
        )
    checked = tool("validate_submission", "--predictions", results, "--queries", world.data / "test.json")
    assert checked.stdout.startswith("0 problems")
    assert tool("evaluate", "--predictions", results, "--annotations", world.data / "test.json").code == 0

    for other, message in (
        (["matcher.network.hidden_size=4"], "hidden_size is 8 there, 4 here"),
        (["features.names=[csn]"], "features.names is ['csn', 'flow'] there, ['csn'] here"),
        (["fusion.mode=two_stage"], "expected trained weights, found none; run stvg train temporal"),
    ):
        done = tool("infer_stvg", "--config", world.config, *other, *ground)
        assert done.code == 2
        assert message in done.stderr


def test_a_temporal_stage_on_people_can_be_trained_on_imported_tubes(tool, command, world):
    for split in ("train", "val"):
        command("convert", "mmn-stvg", *world.prepared(split))
    done = tool("train_temporal", "--config", world.config)
    assert done.code == 2
    assert done.stderr == "error: temporal.search: expected people with features.kind imported, got video\n"
    same = [f"temporal.{key}={value}" for key, value in yaml.safe_load(world.config.read_text())["matcher"].items()]
    done = tool("train_temporal", "--config", world.config, *same, "temporal.search=people")
    assert done.code == 0, done.stderr
    assert (world.out / "temporal" / "best.safetensors").is_file()


def test_finished_videos_are_skipped_and_parts_may_come_one_after_another(tool, command, world):
    arguments = world.detected("train")
    folder = world.root / "train_tubes_1"
    later = world.root / "train_tubes_2" / "3_v_tubes.pkl"
    later.parent.mkdir()
    (folder / "3_v_tubes.pkl").rename(later)
    done = command("convert", "mmn-stvg", *arguments)
    assert done.code == 3
    line = last_line(done)
    assert line.startswith(f"failed: 3_v.mp4: expected 3_v_tubes.pkl or 3_v.pkl in {folder}, found neither")
    done = tool("train_matcher", "--config", world.config)
    assert done.code == 2
    assert "expected 3_v.mp4 prepared with this config, found none; run stvg convert mmn-stvg" in done.stderr
    before = world.read("train", "0_v").tube_features[0]
    world.csn["0_v"][0][0][1:] = 9.0
    world.detected("train")
    (folder / "3_v_tubes.pkl").unlink()
    assert command("convert", "mmn-stvg", *arguments, "--tubes", later.parent).code == 0
    assert len(world.read("train", "3_v").tubes) == 2
    np.testing.assert_array_equal(world.read("train", "0_v").tube_features[0], before)
    assert command("convert", "mmn-stvg", *arguments, "--tubes", later.parent, "--overwrite").code == 0
    assert not np.array_equal(world.read("train", "0_v").tube_features[0], before)
    assert [path.name for path in (world.out / "prepared").iterdir()] == ["train.h5"]


def test_missing_videos_can_be_stored_without_tubes(command, world):
    arguments = world.detected("train")
    (world.root / "train_tubes_1" / "3_v_tubes.pkl").unlink()
    dump({0: []}, world.root / "train_tubes_1" / "2_v_tubes.pkl")
    assert command("convert", "mmn-stvg", *arguments, "--allow-missing").code == 0
    assert [len(world.read("train", stem).tubes) for stem in world.stems("train")] == [2, 2, 0, 0]


def test_frames_counted_from_zero(command, world):
    arguments = world.detected("train")
    done = command("convert", "mmn-stvg", *arguments, "--first-frame", 0)
    assert done.code == 2, "every video has a tube that ends in frame 60"
    assert last_line(done).endswith("tube 1: expected frames in 0 to 59 (counted from 0), got 2 to 60")
    for _, tubes in world.tubes.values():
        for one in tubes:
            one[:, 0] -= 1
    for kind in (world.csn, world.flow):
        for of_tubes in kind.values():
            for of_tube in of_tubes:
                for row in of_tube:
                    row[0] -= 1
    assert command("convert", "mmn-stvg", *world.detected("train"), "--first-frame", 0).code == 0
    assert world.read("train", "0_v").tubes[0].start_frame == 4


def test_the_videos_own_length_counts_where_they_are_at_hand(command, world):
    from stvg.datasets.synthetic.make import write_video

    for stem in world.stems("test"):
        path = world.data / "videos" / f"{stem}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_video(path, (np.zeros((48, 64, 3), np.uint8) for _ in range(FRAMES)), 10.0, 64, 48)
    queries = {f"{stem}.mp4": SENTENCES[0] for stem in world.stems("test")}
    arguments = world.detected("test")
    (world.data / "test.json").write_text(json.dumps(queries))
    done = command("convert", "mmn-stvg", *arguments)
    assert done.code == 2
    assert "got test queries; name the folder of their videos (--videos)" in done.stderr
    assert command("convert", "mmn-stvg", *arguments, "--videos", world.data / "videos").code == 0
    meta = world.read("test", "6_v").meta
    assert (meta.num_frames, meta.fps, meta.width, meta.height) == (FRAMES, 10.0, 64, 48)


def set_row(kind, stem, index, values):
    def change(world):
        getattr(world, kind)[stem][index] = values

    return change


def with_evil_tubes(world):
    world.tubes["1_v"][1][1] = world.evil


def with_objects(world):
    world.tubes["1_v"][1][1] = np.array([[1, None]], dtype=object)


def with_a_tube_too_many(world):
    world.tubes["1_v"][1].append(tube([1, 2], 5.0))


def shifted(world):
    world.tubes["1_v"][1][1][:, 0] += 5


def late_rows(world):
    for row in world.csn["1_v"][1]:
        row[0] += 100


def without_flow(world):
    del world.flow["1_v"]
    world.flow["1_v"] = []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            with_evil_tubes,
            "1_v_tubes.pkl: expected plain data, arrays and tensors, refused to execute posix.system",
            id="a command",
        ),
        pytest.param(
            with_objects,
            "1_v_tubes.pkl: expected plain data, arrays and tensors, refused arrays of numpy.dtype 'O8'",
            id="objects",
        ),
        pytest.param(
            shifted,
            "1_v_tubes.pkl: tube 1: expected frames in 1 to 60 (counted from 1), got 7 to 65",
            id="frames past the end",
        ),
        pytest.param(
            with_a_tube_too_many,
            "1_v_tubes.pkl: expected csn features of its 3 tubes, got those of 2",
            id="a tube without features",
        ),
        pytest.param(
            without_flow, "1_v_tubes.pkl: expected flow features of its 2 tubes, got those of 0", id="no flow"
        ),
        pytest.param(
            late_rows,
            "1_v: tube 1: csn: expected features of frames 2 to 60 in order, got frame 102; "
            "--ignore-feature-frames takes them as they come",
            id="features of other frames",
        ),
        pytest.param(
            set_row("csn", "1_v", 0, rows([1, 58], CSN + 1, 0, 0)),
            "1_v: tube 0: expected 7 features (features.width), got 5 + 3",
            id="another width",
        ),
    ],
)
def test_a_video_that_cannot_be_imported_is_listed_and_the_others_go_on(command, world, change, message):
    change(world)
    done = command("convert", "mmn-stvg", *world.detected("train"))
    assert done.code == 3
    line = last_line(done)
    assert done.stderr.count("failed: ") == 1
    assert line.startswith("failed: 1_v.mp4: ")
    assert line.endswith(message)
    assert not world.evil.trace.exists()
    assert len(world.read("train", "0_v").tubes) == 2


def test_feature_frames_can_be_ignored(command, world):
    late_rows(world)
    assert command("convert", "mmn-stvg", *world.detected("train"), "--ignore-feature-frames").code == 0
    expected = torch.cat([official_clips(kind["1_v"][1]) for kind in (world.csn, world.flow)], dim=1)
    np.testing.assert_allclose(tube_clips(world.read("train", "1_v"), 32)[1], expected, rtol=1e-5, atol=1e-6)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda w: truncate(w.root / "csn_train_split1.pkl"),
            "csn_train_split1.pkl: expected a whole file",
            id="truncated features",
        ),
        pytest.param(
            lambda w: torch.save({"0_v": w.evil}, w.root / "flow_train_split1.pkl"),
            "flow_train_split1.pkl: expected tensors and plain data, refused to execute posix.system",
            id="features with a command",
        ),
        pytest.param(
            lambda w: [truncate(path) for path in (w.root / "train_tubes_1").iterdir()],
            "none could be imported; ",
            id="all tubes truncated",
        ),
        pytest.param(lambda w: w.annotate("train", img_num=0), "img_num: expected a whole number >= 1", id="no length"),
    ],
)
def test_files_that_stop_everything(command, world, spoil, message):
    arguments = world.detected("train")
    spoil(world)
    done = command("convert", "mmn-stvg", *arguments)
    assert done.code == 2
    line = last_line(done)
    assert line.startswith("error: ")
    assert message in line
    assert not world.evil.trace.exists()
    assert not (world.out / "prepared" / "train.h5").exists()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--features", "rgb=x.pkl"], "--features: expected csn, flow (features.names), got csn, flow, rgb"),
        (["--features", "x.pkl"], "--features: expected NAME=PATH, as csn=csn_train_split1.pkl, got 'x.pkl'"),
        (["--tubes", "nowhere"], "nowhere: expected a folder of tube files, found none"),
        (["matcher.text=1"], "matcher.text: "),
    ],
)
def test_arguments_that_do_not_fit(command, world, extra, message):
    done = command("convert", "mmn-stvg", *world.detected("train"), *extra)
    assert done.code == 2
    assert message in done.stderr


def test_another_kind_of_features_is_refused(command, world):
    recipe = yaml.safe_load(world.config.read_text())
    world.config.write_text(yaml.safe_dump(recipe | {"features": {"kind": "classic"}}))
    done = command("convert", "mmn-stvg", *world.detected("train"))
    assert (done.code, done.stderr) == (2, "error: features.kind: expected imported, got classic\n")


def test_names_that_differ_in_their_extension_alone(command, world):
    arguments = world.detected("train")
    items = json.loads((world.data / "train.json").read_text())
    items["0_v.mkv"] = items["0_v.mp4"]
    (world.data / "train.json").write_text(json.dumps(items))
    done = command("convert", "mmn-stvg", *arguments)
    assert done.code == 2
    assert "expected names that differ without their extension, got 0_v.mp4 and 0_v.mkv" in done.stderr


def test_what_is_not_imported_cannot_be_prepared(tool, command, world):
    assert command("convert", "mmn-stvg", *world.detected("test")).code == 0
    (world.data / "train.json").unlink()
    (world.data / "val.json").unlink()
    assert tool("preprocess", "--config", world.config).code == 0, "all are there"
    items = json.loads((world.data / "test.json").read_text())
    (world.data / "test.json").write_text(json.dumps(items | {"9_v.mp4": items["6_v.mp4"]}))
    done = tool("preprocess", "--config", world.config)
    assert done.code == 3
    assert last_line(done).startswith("failed: 9_v.mp4: ")
    assert last_line(done).endswith("found none; run stvg convert mmn-stvg")
