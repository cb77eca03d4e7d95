"""Frames a second of a transformers detector on a device."""

import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from gpu.variants import Row
from stvg.config import load_config
from stvg.io.video import read_footage
from stvg.recipe.build import build_preparer
from stvg.recipe.schema import Recipe

CONFIG = Path(__file__).parents[2] / "configs/demo.yaml"
_FRAMES = {True: 4, False: 600}
"""Frames of the clip, small or not."""
_FPS, _WIDTH, _HEIGHT = 30, 640, 360


def measure_detector(device: str, folder: Path, *, small: bool) -> Iterator[Row]:
    """Yield the speed of an RT-DETRv2 of random weights on a clip, in float32 and on a GPU in half precision too."""
    model = _save_model(folder / "rtdetr")
    first, clip = _write_clip(folder / "first.mp4", 2), _write_clip(folder / "clip.mp4", _FRAMES[small])
    for half, batch in ((False, 8), (True, 32)) if device == "cuda" else ((False, 8),):
        detector = f"{{kind: transformers, name: '{model}', half: {str(half).lower()}, batch_size: {batch}}}"
        options = [f"data.root={folder}", f"output.root={folder}", f"device={device}", f"detector={detector}"]
        found = build_preparer(load_config(Recipe, CONFIG, options)).detector
        found.detect(read_footage(first, first.name, 1, _WIDTH))  # loads the model
        footage = read_footage(clip, clip.name, 1, _WIDTH)
        started = time.perf_counter()
        people = sum(len(one.scores) for one in found.detect(footage))
        seconds = time.perf_counter() - started
        yield {
            "precision": "float16" if half else "float32",
            "batch": batch,
            "frames/s": len(footage.frames) / seconds,
            "boxes": people,
        }


def _save_model(folder: Path) -> Path:
    """Save an RT-DETRv2 with ResNet-18 of random weights that knows people and 79 other classes."""
    from transformers import RTDetrImageProcessor, RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

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
    RTDetrV2ForObjectDetection(config).save_pretrained(folder)
    RTDetrImageProcessor().save_pretrained(folder)
    return folder


def _write_clip(path: Path, num_frames: int) -> Path:
    """Write a clip of noise that moves to the right."""
    image = np.random.default_rng(0).integers(0, 255, (_HEIGHT, _WIDTH, 3), dtype=np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=_FPS, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(np.roll(image, 2 * number, axis=1), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
