"""Runs that are killed, doubled, or short of videos or disk: nothing is lost, nothing is half-written."""

import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from stvg.errors import InputError
from stvg.io.files import write_json_atomically, writing
from stvg.io.locks import locked
from stvg.io.submission import find_problems
from stvg.pipeline import Grounder
from temporal.training.checkpoint import save_weights


def asked(road, out, *options):
    return [
        *road.options,
        "--annotations",
        road.world / "test_queries.json",
        "--videos",
        road.world / "videos",
        "--out",
        out,
        "--workers",
        1,
        *options,
    ]


def failed(done):
    return [line.removeprefix("failed: ") for line in done.stderr.splitlines() if line.startswith("failed: ")]


def test_killed_commands_end_with_the_same_bytes(road, tool, tmp_path):
    """One kill of each, at a drawn moment; tools/interruptions.py makes as many as one likes."""
    arguments = ["--annotations", road.world / "test_queries.json", "--videos", road.world / "videos"]
    command = [*road.options, *arguments, "--out", tmp_path / "out", "--kills", 1, "--seed", 2]
    done = run_alone("interruptions", *command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(": ")[1] for line in done.stdout.splitlines()] == ["killed 1 times, 1 of 1 the same bytes"] * 4


def run_alone(name, *arguments):
    """Run a tool in a process of its own: it forks, which one with torch's threads must not."""
    root = Path(__file__).parents[2]
    command = [sys.executable, root / "tools" / f"{name}.py", *arguments]
    return subprocess.run(  # noqa: S603
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def test_a_stopped_grounding_keeps_its_answers(road, tool, tmp_path, monkeypatch):
    true, calls = Grounder.ground, []

    def counted(self, queries, video, stop=True):
        calls.append(queries[0].query_id)
        if stop and len(calls) == 2:
            raise KeyboardInterrupt
        return true(self, queries, video)

    out = tmp_path / "results.json"
    with monkeypatch.context() as patched:
        patched.setattr(Grounder, "ground", counted)
        assert tool("infer_stvg", *asked(road, out)).code == 130
    assert [path.name for path in tmp_path.iterdir()] == [".results.json.answers"]
    with monkeypatch.context() as patched:
        patched.setattr(Grounder, "ground", lambda *arguments: counted(*arguments, stop=False))
        assert tool("infer_stvg", *asked(road, out)).code == 0
    assert calls[2:] == [calls[1]], "the first answer is kept"
    assert out.read_bytes() == road.submission.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json", "results.manifest.json"]


def test_two_groundings_into_one_file(road, tool, tmp_path):
    with locked(tmp_path / "results.json"):
        done = tool("infer_stvg", *asked(road, tmp_path / "results.json"))
    assert (done.code, done.stdout) == (2, "")
    assert "results.json: expected no other run that writes here, found one: process " in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "stage"), [("train_temporal", "temporal"), ("train_matcher", "matcher")])
def test_two_trainings_of_one_stage(road, tool, name, stage):
    before = (road.out / stage / "best.safetensors").read_bytes()
    with locked(road.out / stage):
        done = tool(name, *road.options)
    assert done.code == 2
    assert f"{stage}: expected no other run that writes here" in done.stderr.splitlines()[-1]
    assert (road.out / stage / "best.safetensors").read_bytes() == before


def test_two_preparations_of_one_split(road, tool):
    with locked(road.out / "prepared" / "val.h5"):
        done = tool("preprocess", *road.options, "--workers", 1)
    assert done.code == 2
    assert "val.h5: expected no other run that writes here" in done.stderr.splitlines()[-1]


@pytest.fixture
def queries(road, tmp_path):
    """The test queries of the world, and two of videos that are not there."""
    texts = json.loads((road.world / "test_queries.json").read_text())
    path = tmp_path / "query.json"
    path.write_text(json.dumps({"8_gone.mkv": "The man sits.", **texts, "9_gone.mp4": "The woman sits."}))
    return path


def test_missing_videos_are_listed_and_with_fallback_answered(road, tool, tmp_path, queries):
    arguments = [*road.options, "--annotations", queries, "--videos", road.world / "videos", "--workers", 1]
    done = tool("infer_stvg", *arguments, "--out", tmp_path / "some.json")
    assert done.code == 3
    assert [line.split(":")[0] for line in failed(done)] == ["8_gone.mkv", "9_gone.mp4"]
    some = json.loads((tmp_path / "some.json").read_text())
    assert some == json.loads(road.submission.read_text())
    done = tool("infer_stvg", *arguments, "--out", tmp_path / "all.json", "--fallback")
    assert done.code == 3
    assert all(line.endswith("; answered with the centre box over the whole clip") for line in failed(done))
    answers = json.loads((tmp_path / "all.json").read_text())
    assert find_problems(answers) == []
    assert list(answers) == list(json.loads(queries.read_text())), "the order of the queries"
    assert {key: answers[key] for key in some} == some
    guessed = answers["8_gone.mkv"]
    assert guessed["st_frame"] == 1
    lengths = [item["img_num"] for item in json.loads((road.world / "test.json").read_text()).values()]
    assert guessed["ed_frame"] == len(guessed["bbox"]) == min(lengths)
    assert set(map(tuple, guessed["bbox"].values())) == {(213.33, 60.0, 426.67, 300.0)}
    manifest = json.loads((tmp_path / "all.manifest.json").read_text())
    assert set(manifest["problems"]) == {"8_gone.mkv", "9_gone.mp4"}


def test_training_goes_on_without_a_video_that_cannot_be_had(road, tool, tmp_path):
    """Of the training videos one is missing and one cut off."""
    world = tmp_path / "world"
    (world / "videos").mkdir(parents=True)
    keys = list(json.loads((road.world / "train.json").read_text()))[:4]
    for split in ("train", "val"):
        items = list(json.loads((road.world / f"{split}.json").read_text()).items())[:4]
        (world / f"{split}.json").write_text(json.dumps(dict(items)))
        for key, _ in items:
            if key != keys[0]:
                shutil.copy(road.world / "videos" / key, world / "videos" / key)
    cut = world / "videos" / keys[1]
    cut.write_bytes(cut.read_bytes()[:5000])
    options = [
        "--config",
        road.config,
        f"data.root={world}",
        f"output.root={tmp_path / 'out'}",
        f"detector.folder={road.world / 'detections'}",
    ]
    done = tool("train_temporal", *options)
    assert done.code == 2, "nothing is prepared yet"
    assert tool("preprocess", *options, "--workers", 1).code == 3
    for name, stage in (("train_temporal", "temporal"), ("train_matcher", "matcher")):
        done = tool(name, *options)
        assert done.code == 3, done.stderr
        assert [line.split(":")[0] for line in failed(done)] == keys[:2]
        assert "expected a video file, found none; left out of training" in failed(done)[0]
        assert "cut off" in failed(done)[1]
        assert (tmp_path / "out" / stage / "best.safetensors").is_file()


@contextmanager
def small_files(size):
    """Let no file grow beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_h5(path):
    with writing(path) as beside, h5py.File(beside, "w") as file:
        file["a"] = np.zeros(100_000)


def write_torch(path):
    with writing(path) as beside, beside.open("wb") as file:
        torch.save({"a": torch.zeros(100_000)}, file)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_json_atomically(path, ["x"] * 100_000),
        write_h5,
        write_torch,
        lambda path: save_weights(torch.nn.Linear(300, 300), {}, path),
    ],
    ids=["json", "hdf5", "torch", "safetensors"],
)
def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path, write):
    path = tmp_path / "file.bin"
    path.write_text("old")
    with small_files(1 << 14), pytest.raises(InputError, match=r"file\.bin: expected room for it on the disk"):
        write(path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"]


def test_weights_and_state_are_the_same_bytes_each_time(road):
    for stage in ("temporal", "matcher"):
        assert load_file(road.out / stage / "best.safetensors")
        assert b".part" not in (road.out / stage / "last.pt").read_bytes(), "no drawn name inside"
