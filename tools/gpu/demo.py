"""The demo on a device and on the CPU: training, resuming, grounding, scores."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gpu.variants import Row
from stvg.io.files import read_json

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/demo.yaml"
_WORLD = {True: ("--train", "2", "--val", "1", "--test", "2"), False: ("--train", "9", "--val", "3", "--test", "3")}
"""Videos of the splits, small or not."""
_EPOCHS = {True: 2, False: 4}
_KILL_WITHIN_S = 60.0


def measure_demo(device: str, folder: Path, *, small: bool) -> Iterator[Row]:
    """Make and prepare a small world in `folder`; train, ground and score it on the CPU and on `device`; resume.

    `small`: on `device` alone. A world, a text encoder and prepared videos that are there already are used.

    Raises:
        RuntimeError: a command fails.
    """
    world, text = folder / "world", folder / "text"
    if not world.is_dir():
        _call("make_demo_world", "--out", world, *_WORLD[small])
    if not text.is_dir():
        _make_text_encoder(text, world)
    common = [f"data.root={world}"]
    for stage in ("temporal", "matcher"):
        settings = {"epochs": _EPOCHS[small], "rewordings": 0, "frozen_text_epochs": 2, "validate_from": 1}
        common += [f"{stage}.text={text}", *(f"{stage}.training.{key}={value}" for key, value in settings.items())]
    if not (folder / "cpu/prepared").is_dir():
        _call("preprocess", "--config", CONFIG, f"output.root={folder / 'cpu'}", *common)
    for name in dict.fromkeys((device,) if small else ("cpu", device)):
        yield _trained_and_scored(name, folder, common)
    yield {
        "compared": "weights of a training that was killed and resumed, with one that was not",
        "largest difference": _difference_of_a_resumed_training(device, folder, common),
    }
    yield {
        "compared": f"scores on {device} with those on the CPU, of the same weights",
        "largest difference": _difference_of_scores(device, folder, common),
    }


def _make_text_encoder(folder: Path, world: Path) -> None:
    """Save a small random BERT whose words are those of the world's captions."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    items = [one for name in ("train", "val", "test") for one in read_json(world / f"{name}.json").values()]
    captions = [one.get("caption", one.get("English", "")) for one in items]
    words = sorted({word for text in captions for word in text.lower().replace(".", " ").replace(",", " ").split()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", *words]
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=96, num_hidden_layers=2, num_attention_heads=4, intermediate_size=192
    )
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(vocab={word: index for index, word in enumerate(vocabulary)}).save_pretrained(folder)


def _recipe(device: str, root: Path, common: Sequence[str]) -> list[str]:
    """Return the options of a command that runs on `device` and keeps its results in `root`."""
    return ["--config", str(CONFIG), f"output.root={root}", f"device={device}", *common]


def _take_prepared(folder: Path, root: Path) -> None:
    """Copy the prepared videos, which do not depend on the device, into another output folder."""
    if root != folder / "cpu":
        shutil.copytree(folder / "cpu/prepared", root / "prepared", dirs_exist_ok=True)


def _trained_and_scored(device: str, folder: Path, common: Sequence[str]) -> Row:
    """Train both stages, ground the test split and score it; return the seconds of each step and the scores."""
    root, annotations = folder / device, folder / "world/test.json"
    _take_prepared(folder, root)
    recipe = _recipe(device, root, common)
    split = ["--annotations", annotations, "--videos", folder / "world/videos", "--out", root / "results.json"]
    row: Row = {"device": device}
    for name, further in (("train_temporal", ()), ("train_matcher", ()), ("infer_stvg", split)):
        started = time.perf_counter()
        _call(name, *recipe, *further)
        row[f"{name} s"] = time.perf_counter() - started
    scores = root / "scores.json"
    _call("evaluate", "--predictions", root / "results.json", "--annotations", annotations, "--json", scores)
    found = read_json(scores)
    return {**row, **{name: found[name] for name in ("m_tiou", "m_viou", "viou@0.3", "viou@0.5")}}


def _difference_of_a_resumed_training(device: str, folder: Path, common: Sequence[str]) -> float:
    """Kill a training after its first epoch, resume it, and return the largest difference of its weights."""
    from safetensors.numpy import load_file

    root = folder / "resumed"
    shutil.rmtree(root, ignore_errors=True)
    _take_prepared(folder, root)
    recipe = _recipe(device, root, common)
    command = [sys.executable, str(ROOT / "tools/train_temporal.py"), *recipe]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ends = time.monotonic() + _KILL_WITHIN_S
    while not (root / "temporal/last.pt").exists() and running.poll() is None and time.monotonic() < ends:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    _call("train_temporal", *recipe, "--resume")
    one, other = (load_file(out / "temporal/best.safetensors") for out in (folder / device, root))
    return max(float(np.abs(one[key] - other[key]).max()) for key in one)


def _difference_of_scores(device: str, folder: Path, common: Sequence[str]) -> float:
    """Return the largest difference of both stages' scores between the CPU and `device`."""
    from stvg.config import load_config
    from stvg.io.hcstvg_annotations import read_annotations
    from stvg.recipe.build import load_localizer, load_matcher
    from stvg.recipe.schema import Recipe
    from stvg.recipe.workspace import prepared_store

    answers = []
    for name in ("cpu", device):
        recipe = load_config(Recipe, CONFIG, _recipe(name, folder / device, common)[2:])
        localizer, matcher, store = load_localizer(recipe), load_matcher(recipe), prepared_store(recipe, "test")
        scores = []
        for one in read_annotations(folder / "world/test.json"):
            video = store.read(one.query.video_id)
            scores.append(localizer.localize([one.query], video)[0].scores)
            for tube in matcher.match([one.query], video)[0]:
                scores += [tube.iou, tube.contrastive]
        answers.append(scores)
    return max(float(np.abs(one - other).max()) for one, other in zip(*answers, strict=True) if one.size)


def _call(tool: str, *arguments: object) -> None:
    command = [sys.executable, str(ROOT / "tools" / f"{tool}.py"), *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "TQDM_DISABLE": "1"})
    if done.returncode:
        raise RuntimeError(f"{tool}: exit code {done.returncode}: {json.dumps(done.stderr[-1500:])}")
