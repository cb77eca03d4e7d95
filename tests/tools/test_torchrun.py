"""Training under torchrun: two processes that share each batch end where one process ends."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).parents[2]
EXACT = [
    f"{stage}.{key}"
    for stage in ("temporal", "matcher")
    for key in ("network.feature_dropout=0", "training.epochs=1", "training.lr=1e-3")
]


def torchrun(*arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=ROOT)  # noqa: S603


@pytest.mark.parametrize("stage", ["temporal", "matcher"])
def test_two_processes_train_the_weights_of_one(road, tool, tmp_path, stage):
    """On the tiny demo: its one training footage goes to one rank, the other one's share is empty."""
    options = [option for option in road.options if not option.startswith("output.root")]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "prepared").symlink_to(road.out / "prepared")
    done = tool(f"train_{stage}", *options, f"output.root={tmp_path / 'one'}", *EXACT)
    assert done.code == 0, done.stderr
    ran = torchrun(f"tools/train_{stage}.py", *options, f"output.root={tmp_path / 'two'}", *EXACT)
    assert ran.returncode == 0, ran.stderr
    one, two = (load_file(tmp_path / name / stage / "best.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, weights in one.items():
        torch.testing.assert_close(two[name], weights, rtol=1e-3, atol=1e-4, msg=name)
    assert len(list((tmp_path / "two" / stage / "events").iterdir())) == 1, "the first rank alone writes"


def test_a_video_that_cannot_be_had_is_named_once_and_left_out_on_every_rank(road, tool, tmp_path):
    """Of the footage's clips the first one's file is missing; one process leaves out the same."""
    world, options = tmp_path / "world", ["--config", road.config, f"detector.folder={road.world / 'detections'}"]
    (world / "videos").mkdir(parents=True)
    keys = []
    for split in ("train", "val"):
        items = dict(list(json.loads((road.world / f"{split}.json").read_text()).items())[:3])
        (world / f"{split}.json").write_text(json.dumps(items))
        keys += items
    for key in keys[1:]:
        shutil.copy(road.world / "videos" / key, world / "videos" / key)
    options += [f"data.root={world}", *EXACT]
    assert tool("preprocess", *options, f"output.root={tmp_path / 'one'}", "--workers", 1).code == 3
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "prepared").symlink_to(tmp_path / "one" / "prepared")
    assert tool("train_matcher", *options, f"output.root={tmp_path / 'one'}").code == 3
    ran = torchrun("tools/train_matcher.py", *options, f"output.root={tmp_path / 'two'}")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("cannot be had and are left out") == 1
    assert f"1 video(s) of train and val cannot be had and are left out: {keys[0]}\n" in ran.stderr
    one, two = (load_file(tmp_path / name / "matcher" / "best.safetensors") for name in ("one", "two"))
    for name, weights in one.items():
        torch.testing.assert_close(two[name], weights, rtol=1e-3, atol=1e-4, msg=name)
