"""A benchmark of temporal grounding by its command lines: plant features, train, kill and resume, evaluate."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

import mmn_ablation
from mmn_ablation import VARIANTS, ablation_table
from stvg.config import dump_config, load_config
from stvg.errors import InputError
from stvg.io.locks import locked
from stvg.recipe.build_benchmark import load_temporal
from stvg.recipe.schema import BenchmarkRecipe
from temporal.benchmarks.features import FeatureFile

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "temporal" / "planted_charades.yaml"
SMALL = [
    "temporal.network.hidden_size=8",
    "temporal.network.joint_size=8",
    "temporal.network.conv_layers=1",
    "temporal.training.epochs=3",
    "temporal.training.frozen_text_epochs=3",
    "temporal.training.batch_size=4",
    "temporal.training.validate_from=3",
]
WORDS = ["opens", "closes", "holds", "eats", "throws", "washes"]


def annotations(first, count):
    """Videos with two sentences each, at the two ends."""
    return {
        f"v{first + k}": {
            "duration": 20.0 + k,
            "timestamps": [[0.0, 6.0 + k % 3], [12, 18]],
            "sentences": [f"a person {WORDS[k % 6]} a book", f"somebody {WORDS[(k + 1) % 6]} a door"],
        }
        for k in range(count)
    }


@pytest.fixture(scope="module")
def planted(tmp_path_factory, tool):
    """A folder with planted features of 12 + 6 videos, and the options that lead there."""
    root = tmp_path_factory.mktemp("planted")
    for name, first, count in (("train", 0, 14), ("test", 14, 6)):
        (root / f"raw_{name}.json").write_text(json.dumps(annotations(first, count)))
    options = ["--config", CONFIG, f"data.root={root}/data", f"output.root={root}/model", *SMALL]
    done = tool(
        "planted/make",
        *options,
        "--train",
        root / "raw_train.json",
        "--train-videos",
        12,
        "--test",
        root / "raw_test.json",
        "--snr",
        2,
        "--rank",
        8,
    )
    assert done.code == 0, done.stderr
    return root, options, done


def test_planted_data_and_bounds(planted):
    root, _, done = planted
    train, test = (json.loads((root / "data" / f"{name}.json").read_text()) for name in ("train", "test"))
    assert (len(train), len(test)) == (12, 6)
    with h5py.File(root / "data" / "features.hdf5") as file:
        assert set(file) == train.keys() | test.keys()
        assert file["v15"].shape == (42, 64)
    bounds = json.loads((root / "data" / "bounds.json").read_text())
    assert bounds["test"]["matched_filter"]["R@1,IoU=0.5"] > bounds["test"]["chance"]["R@1,IoU=0.5"]
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["matched_filter", "prior", "chance"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rank", 60), "--rank: expected fewer directions than different sentences, of which there are 12, got 60"),
        (("--rank", 9, "--width", 8), "--width: expected a number of at least 9, got 8"),
        (("--rank", 0), "--rank: expected a number of at least 1, got 0"),
        (("--snr", 0), "--snr: expected a number above 0, got 0.0"),
    ],
)
def test_bad_sizes_of_planted_data_are_one_line(planted, tool, tmp_path, options, message):
    root = planted[0]
    done = tool(
        "planted/make",
        "--config",
        CONFIG,
        f"data.root={tmp_path / 'new'}",
        *SMALL,
        "--train",
        root / "raw_train.json",
        "--test",
        root / "raw_test.json",
        *options,
    )
    assert (done.code, done.stderr.splitlines()[-1]) == (2, f"error: {message}")
    assert not (tmp_path / "new").exists()


def test_planting_does_not_write_over_what_it_reads(planted, tool):
    root, options, _ = planted
    before = (root / "data" / "train.json").read_bytes()
    done = tool(
        "planted/make",
        *options,
        "--train",
        root / "data" / "train.json",
        "--train-videos",
        2,
        "--test",
        root / "raw_test.json",
        "--rank",
        8,
    )
    assert done.code == 2
    assert "train.json: expected a file outside of data.root" in done.stderr.splitlines()[-1]
    assert (root / "data" / "train.json").read_bytes() == before


@pytest.fixture(scope="module")
def trained(planted, tool):
    root, options, _ = planted
    done = tool("train_temporal", *options)
    assert done.code == 0, done.stderr
    return root / "model" / "temporal"


def test_evaluation_counts_the_recalls(planted, trained, tool, tmp_path):
    _, options, _ = planted
    done = tool("evaluate_temporal", *options, "--json", tmp_path / "r.json")
    assert done.code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["moments", "queries"]
    assert lines[1].split()[:2] == ["all", "12"]
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["num_queries"] == 12
    assert f"{100 * found['R@1,IoU=0.5']:.2f}" == lines[1].split()[2]
    assert sum(group["num_queries"] for group in found["by_length"].values() if group) == 12
    copy = tool("evaluate_temporal", *options, "--checkpoint", trained / "best.safetensors", "output.root=/nowhere")
    assert copy.stdout == done.stdout


def test_three_lines_of_python_localize(planted, trained, tmp_path):
    root, options, _ = planted
    recipe = load_config(BenchmarkRecipe, CONFIG, [str(option) for option in options[2:]])
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump(dump_config(recipe)))
    features = FeatureFile(root / "data" / "features.hdf5", None).read("v15")

    ranker = load_temporal(config, trained / "best.safetensors")
    (moments,) = ranker.localize(features, ["somebody holds a door"], duration_s=21.0)

    assert moments.spans_s.shape == (5, 2)
    assert (moments.spans_s[:, 0] < moments.spans_s[:, 1]).all()
    assert moments.spans_s.max() <= 21
    assert (np.diff(moments.scores) <= 0).all()
    for given, sentences, duration, message in (
        (features, "a man", 21.0, "sentences: expected a list"),
        (features, [], 21.0, "sentences: expected a list"),
        (features, ["a", " "], 21.0, "sentences: expected a list"),
        (features[:, :9], ["a"], 21.0, r"features: expected \(T, 64\), T at least 1, got \(42, 9\)"),
        (features[:0], ["a"], 21.0, "features: expected"),
        (features * np.nan, ["a"], 21.0, "features: expected finite"),
        (features, ["a"], -1.0, "duration_s: expected a number above 0, got -1.0"),
    ):
        with pytest.raises(InputError, match=message):
            ranker.localize(given, sentences, duration)


KILLED = """
import os, runpy, signal, sys
from temporal.training.moment_items import MomentLoss
original, calls = MomentLoss.of, []
def counted(self, batch):
    calls.append(1)
    if len(calls) == {batch}:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, batch)
MomentLoss.of = counted
sys.argv = {argv}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_two_trainings_into_one_folder(planted, trained, tool):
    before = {path: path.read_bytes() for path in trained.glob("*.*")}
    with locked(trained):
        done = tool("train_temporal", *planted[1])
    assert (done.code, done.stdout) == (2, "")
    assert "temporal: expected no other run that writes here, found one: process " in done.stderr.splitlines()[-1]
    assert {path: path.read_bytes() for path in trained.glob("*.*")} == before


def test_a_training_removes_what_a_killed_one_left(planted, trained, tool, tmp_path):
    left = tmp_path / "temporal" / ".last.abcdefgh.part.pt"
    left.parent.mkdir()
    left.touch()
    assert tool("train_temporal", *planted[1], f"output.root={tmp_path}").code == 0
    assert not left.exists()


@pytest.mark.parametrize("batch", [2, 5, 9])
def test_a_killed_training_resumes_to_the_same_bytes(planted, trained, tool, tmp_path, batch):
    """Killed with SIGKILL inside the first, second and third epoch of three batches each."""
    _, options, _ = planted
    options = [str(option) for option in options if not str(option).startswith("output.root=")]
    options.append(f"output.root={tmp_path}")
    code = KILLED.format(batch=batch, argv=[str(ROOT / "tools" / "train_temporal.py"), *options])
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)  # noqa: S603
    assert killed.returncode == -9
    assert not (tmp_path / "temporal" / "best.safetensors").exists()
    assert (tmp_path / "temporal" / "last.pt").exists() == (batch > 3)
    done = tool("train_temporal", *options, "--resume")
    assert done.code == 0, done.stderr
    resumed, whole = ((folder / "best.safetensors").read_bytes() for folder in (tmp_path / "temporal", trained))
    assert resumed == whole


def test_two_processes_train_the_weights_of_one(planted, trained, tmp_path):
    """torchrun: each batch of four videos is shared two and two, and the other's are negatives too."""
    _, options, _ = planted
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        ROOT / "tools" / "train_temporal.py",
        *options,
        f"output.root={tmp_path}",
    ]
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)  # noqa: S603
    assert ran.returncode == 0, ran.stderr
    one, two = (load_file(folder / "best.safetensors") for folder in (trained, tmp_path / "temporal"))
    assert one.keys() == two.keys()
    for name, weights in one.items():
        torch.testing.assert_close(two[name], weights, rtol=1e-2, atol=1e-3, msg=name)


def change_features(folder, name, value):
    with h5py.File(folder / "features.hdf5", "a") as file:
        del file[name]
        if value is not None:
            file[name] = value


def change_annotations(folder, name, value):
    items = json.loads((folder / "train.json").read_text())
    items[name]["timestamps"][0] = value
    (folder / "train.json").write_text(json.dumps(items))


ROWS = np.ones((40, 64), np.float32)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d, v: change_features(d, v, None), "expected the features of 12 videos, 1 are missing, the first"),
        (lambda d, v: change_features(d, v, ROWS * np.nan), "expected finite features, row 0 is not"),
        (lambda d, v: change_features(d, v, ROWS[:, :9]), "expected features (T, 64), T >= 1, got (40, 9)"),
        (lambda d, v: change_annotations(d, v, [5, 3]), "sentence 0: expected start < end inside"),
        (lambda d, v: (d / "features.hdf5").unlink(), "expected an HDF5 file of features"),
    ],
)
def test_bad_data_is_one_line(planted, tool, tmp_path, spoil, message):
    root, options, _ = planted
    data = tmp_path / "data"
    data.mkdir()
    for file in (root / "data").iterdir():
        (data / file.name).write_bytes(file.read_bytes())
    video = list(json.loads((data / "train.json").read_text()))[-1]
    spoil(data, video)
    done = tool("train_temporal", *options, f"data.root={data}", f"output.root={tmp_path / 'out'}")
    assert done.code == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert message in line
    assert video in line or "features.hdf5" in line
    assert not list((tmp_path / "out").rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("temporal.network.hidden_size=16", "a checkpoint of another config: hidden_size is 8 there, 16 here"),
        ("data.clamp=false", "a checkpoint of another config: clamp is True there, False here"),
        ("temporal.checkpoint=nothing.safetensors", "nothing.safetensors: expected trained weights, found none"),
    ],
)
def test_weights_of_other_sizes_are_refused(planted, trained, tool, option, message):
    _, options, _ = planted
    done = tool("evaluate_temporal", *options, option)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr


def test_features_of_another_width_than_the_weights(planted, trained, tool, tmp_path):
    root, options, _ = planted
    (tmp_path / "test.json").write_bytes((root / "data" / "test.json").read_bytes())
    with h5py.File(tmp_path / "features.hdf5", "w") as file:
        for name in json.loads((tmp_path / "test.json").read_text()):
            file[name] = ROWS[:, :32]
    done = tool("evaluate_temporal", *options, f"data.root={tmp_path}")
    assert done.code == 2
    assert "expected features of width 64, which the weights were trained on, got 32" in done.stderr


def test_a_split_that_the_benchmark_lacks(planted, trained, tool):
    _, options, _ = planted
    done = tool("evaluate_temporal", *options, "--split", "val")
    assert done.code == 2
    assert "data.val: expected the annotations of a val split, this benchmark has none" in done.stderr


def test_a_pipeline_recipe_is_refused(tool):
    done = tool("evaluate_temporal", "--config", ROOT / "configs" / "demo.yaml")
    assert done.code == 2


def ablate(monkeypatch, capsys, *arguments):
    """Run tools/mmn_ablation.py as the module that its worker processes import; return what it prints."""
    monkeypatch.setattr(sys, "argv", ["mmn_ablation.py", *map(str, arguments)])
    capsys.readouterr()
    assert mmn_ablation.main() == 0
    return capsys.readouterr().out


def test_ablation_of_variants(planted, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mmn_ablation, "VARIANTS", [VARIANTS[0], VARIANTS[-1]])
    _, options, _ = planted
    short = [*options, "temporal.training.epochs=1", "temporal.training.validate_from=1"]
    arguments = [*short, "--seeds", 0, 1, "--out", tmp_path]
    printed = ablate(monkeypatch, capsys, *arguments, "--workers", 1)
    rows = json.loads((tmp_path / "ablation.json").read_text())
    assert [(row["variant"], row["seed"]) for row in rows] == [
        (name, seed) for name in ("match", "no contrastive branch") for seed in (0, 1)
    ]
    mean = np.mean([row["mIoU"] for row in rows if row["variant"] == "match"])
    lines = printed.splitlines()
    assert lines[2].startswith("| match | ")
    assert float(lines[2].split("|")[-2].split("±")[0]) == pytest.approx(100 * mean, abs=0.051)
    assert rows[0]["mIoU"] != rows[2]["mIoU"]
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert len(written) == 4
    assert ablate(monkeypatch, capsys, *arguments, "--workers", 2) == printed
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == written


def test_intervals_of_the_table_are_student_s():
    rows = [
        {"variant": name, "seed": seed, "num_queries": 9, "mIoU": first + seed / 10}
        for name, first in (("a", 0.5), ("b", 0.6))
        for seed in range(3)
    ]
    lines = ablation_table(rows).splitlines()
    assert lines[2] == "| a | 60.0 ± 24.8 |", "4.303 x 10 / sqrt(3)"
    assert lines[4] == "| b minus a | 10.0 ± 0.0 |"
