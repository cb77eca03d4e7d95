"""Train, resume, ground and score the demo on a device and on the CPU; time a detector."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
WORLD = {True: ("--train", "5", "--val", "2", "--test", "2"), False: ("--train", "9", "--val", "3", "--test", "3")}
"""Videos of the splits, small or not."""
SECONDS, FPS, SIZE = 20, 30, (640, 360)


def make_text_encoder(folder: Path) -> Path:
    """Save a small random BERT whose words are those of the world's captions, and return its folder."""
    import json

    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    captions = [
        one.get("caption", one.get("English", ""))
        for name in ("train", "val", "test")
        for one in json.loads((folder.parent / "world" / f"{name}.json").read_text()).values()
    ]
    words = sorted({word for text in captions for word in text.lower().replace(".", " ").replace(",", " ").split()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", *words]
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=96, num_hidden_layers=2, num_attention_heads=4, intermediate_size=192
    )
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(vocab={word: index for index, word in enumerate(vocabulary)}).save_pretrained(folder)
    return folder


def measure_demo(device: str, folder: Path, *, small: bool) -> dict[str, Any]:
    """Make and prepare a small world; train, take up, ground and score it on the CPU and on `device`."""
    epochs = 2 if small else 4
    if not (folder / "world").is_dir():
        _call("make_demo_world", "--out", folder / "world", *WORLD[small])
    text = folder / "text" if (folder / "text").is_dir() else make_text_encoder(folder / "text")
    common = [f"data.root={folder / 'world'}"]
    for stage in ("temporal", "matcher"):
        common += [
            f"{stage}.text={text}",
            f"{stage}.training.epochs={epochs}",
            f"{stage}.training.rewordings=0",
            f"{stage}.training.frozen_text_epochs=2",
            f"{stage}.training.validate_from=1",
        ]
    if not (folder / "cpu/prepared").is_dir():
        _call("preprocess", "--config", ROOT / "configs/demo.yaml", f"output.root={folder / 'cpu'}", *common)
    found: dict[str, Any] = {}
    for name in dict.fromkeys((device,) if small else ("cpu", device)):
        out = folder / name
        if name != "cpu":
            shutil.copytree(folder / "cpu/prepared", out / "prepared", dirs_exist_ok=True)
        recipe = ["--config", ROOT / "configs/demo.yaml", f"output.root={out}", f"device={name}", *common]
        started = time.perf_counter()
        _call("train_temporal", *recipe)
        middle = time.perf_counter()
        _call("train_matcher", *recipe)
        trained = time.perf_counter()
        _call(
            "infer_stvg",
            *recipe,
            "--annotations",
            folder / "world/test.json",
            "--videos",
            folder / "world/videos",
            "--out",
            out / "results.json",
        )
        ended = time.perf_counter()
        score = _call("evaluate", "--predictions", out / "results.json", "--annotations", folder / "world/test.json")
        found[name] = {
            "train_temporal_s": middle - started,
            "train_matcher_s": trained - middle,
            "infer_s": ended - trained,
            "scores": score.splitlines()[-6:],
        }
    found["resumed"] = _resumed(device, folder, common)
    found["the device's weights on the CPU"] = _same_weights(device, folder, common)
    return found


def _resumed(device: str, folder: Path, common: list[str]) -> dict[str, float]:
    """Kill a training after its first epoch, take it up, and return how far its weights are from the other's."""
    from safetensors.numpy import load_file

    out = folder / "resumed"
    shutil.copytree(folder / "cpu/prepared", out / "prepared", dirs_exist_ok=True)
    recipe = ["--config", str(ROOT / "configs/demo.yaml"), f"output.root={out}", f"device={device}", *common]
    command = [sys.executable, str(ROOT / "tools/train_temporal.py"), *recipe]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ends = time.monotonic() + 60
    while not (out / "temporal/last.pt").exists() and running.poll() is None and time.monotonic() < ends:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    _call("train_temporal", *recipe, "--resume")
    one, other = (load_file(root / "temporal/best.safetensors") for root in (folder / device, out))
    return {name: max(float(np.abs(one[key] - other[key]).max()) for key in one) for name in ("largest difference",)}


def _same_weights(device: str, folder: Path, common: list[str]) -> dict[str, float]:
    """Return the largest difference of both stages' scores between CPU and device, with the CPU's weights."""
    from stvg.config import load_config
    from stvg.io.annotations import read_annotations
    from stvg.recipe.build import load_localizer, load_matcher
    from stvg.recipe.schema import Recipe
    from stvg.recipe.workspace import prepared_store

    answers = []
    for name in ("cpu", device):
        recipe = load_config(
            Recipe, ROOT / "configs/demo.yaml", [f"output.root={folder / device}", f"device={name}", *common]
        )
        annotations = read_annotations(folder / "world/test.json")
        store, found = prepared_store(recipe, "test"), []
        localizer, matcher = load_localizer(recipe), load_matcher(recipe)
        for one in annotations:
            video = store.read(one.query.video_id)
            maps = matcher.match([one.query], video)[0]
            found += [localizer.localize([one.query], video)[0].scores]
            found += [
                scores
                for tube in (maps if isinstance(maps, list | tuple) else [maps])
                for scores in (tube.iou, tube.contrastive)
            ]
        answers.append(found)
    differences = [float(np.abs(a - b).max()) for a, b in zip(*answers, strict=True) if a.size]
    return {"largest difference": max(differences)}


def measure_detector(device: str, folder: Path, *, small: bool) -> dict[str, Any]:
    """Return the frames a second of each stage of preparing a 20 s clip with an RT-DETRv2 of random weights."""
    from transformers import RTDetrImageProcessor, RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

    from stvg.config import load_config
    from stvg.io.video import read_footage
    from stvg.recipe.build import build_preparer
    from stvg.recipe.schema import Recipe

    backbone = RTDetrResNetConfig(
        layer_type="basic",
        depths=[2, 2, 2, 2],
        hidden_sizes=[64, 128, 256, 512],
        embedding_size=64,
        out_features=["stage2", "stage3", "stage4"],
    )
    config = RTDetrV2Config(
        backbone_config=backbone,
        encoder_in_channels=[128, 256, 512],
        decoder_layers=3,
        hidden_expansion=0.5,
        num_labels=80,
        id2label={0: "person", **{n: f"c{n}" for n in range(1, 80)}},
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
    )
    model = folder / "rtdetr"
    RTDetrV2ForObjectDetection(config).save_pretrained(model)
    RTDetrImageProcessor().save_pretrained(model)
    clip = _clip(folder / "clip.mp4", 1 if small else SECONDS)
    found: dict[str, Any] = {}
    for half, batch in ((False, 8), (True, 32)) if device == "cuda" else ((False, 8),):
        recipe = load_config(
            Recipe,
            ROOT / "configs/demo.yaml",
            [
                f"data.root={folder}",
                f"output.root={folder}",
                f"device={device}",
                "video.stride=1",
                f"detector={{kind: transformers, name: '{model}', half: {str(half).lower()}, batch_size: {batch}}}",
            ],
        )
        preparer = build_preparer(recipe)
        footage = read_footage(clip, "clip.mp4", 1, 640)
        preparer.detector.detect(
            read_footage(_clip(folder / "short.mp4", 1), "short.mp4", 1, 640)
        )  # loads what it needs
        started = time.perf_counter()
        found_people = preparer.detector.detect(footage)
        seconds = time.perf_counter() - started
        found[f"half {half}, batch {batch}"] = {
            "frames_per_s": len(footage.frames) / seconds,
            "people": sum(len(one.scores) for one in found_people),
        }
        print(found, file=sys.stderr)
    return found


def _clip(path: Path, seconds: int) -> Path:
    import av

    generator = np.random.default_rng(0)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        image = generator.integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        for number in range(seconds * FPS):
            frame = av.VideoFrame.from_ndarray(np.roll(image, 2 * number, axis=1), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def _call(tool: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / f"{tool}.py", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "TQDM_DISABLE": "1"},
    )
    if done.returncode:
        raise RuntimeError(f"{tool}: exit {done.returncode}: {done.stderr[-1500:]}")
    return done.stdout
