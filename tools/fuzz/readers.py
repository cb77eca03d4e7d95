"""Call every reader of foreign files with a file, and check what it made of it."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fuzz import network_seeds, seeds
from fuzz.network_seeds import EPOCHS, NETWORK, WEIGHT_BYTES, TinyTask
from fuzz.seeds import RECIPE, VIDEO_IDS, Seed
from spatial.detectors.detections_file import FileConfig
from spatial.detectors.onnx import OnnxConfig
from spatial.detectors.onnx_decoders import DECODERS
from spatial.detectors.postprocess import BoxFilterConfig
from spatial.mmn_stvg.files import FeatureFiles, TubeFolders
from spatial.tracking.mot_tracks import track_file
from stvg.config import load_config
from stvg.datasets.hcstvg.index import read_index
from stvg.datasets.hcstvg.item_checks import read_split
from stvg.datasets.hcstvg.vidstg import convert_split
from stvg.errors import InputError
from stvg.fusion.score_fusion import read_fitted_weights
from stvg.io.answer_log import answer_log
from stvg.io.files import is_finite_number, read_json
from stvg.io.hcstvg_annotations import read_annotated_clips, read_queries
from stvg.io.mot_text import read_mot
from stvg.io.submission import find_problems, read_submission
from stvg.io.video import read_footage, read_meta, stream_images
from stvg.models.tfjs import convert_graph
from stvg.pickles.plain_pickle import read_pickle
from stvg.pickles.torch_file import read_torch_file
from stvg.prepare.store import PreparedStore
from stvg.recipe.schema import BenchmarkRecipe, Recipe, load_temporal_recipe
from stvg.types import VideoFrames, VideoMeta
from stvg.viewer.page.results import read_results
from temporal.benchmarks.annotations import read_moments
from temporal.benchmarks.features import FeatureFile
from temporal.mmn.network import make_mmn
from temporal.mmn.text_encoder import load_text_backbone, load_text_tokenizer
from temporal.official.checkpoint import convert_checkpoint
from temporal.training import loop
from temporal.training.checkpoint import read_checkpoint
from temporal.training.config import TrainingConfig

Read = Callable[[Path, Path], object]


@dataclass(frozen=True, slots=True)
class Reader:
    """`read(file, folder)` reads a file, with an empty folder to work in; `seeds(folder)` are healthy ones."""

    read: Read
    seeds: Callable[[Path], Sequence[Seed]]
    slow: bool = False


def one_line(error: InputError) -> None:
    """Check that the message is a line that can be shown and written."""
    text = str(error)
    assert text, "an empty message"
    assert text.isprintable(), repr(text)
    assert len(text) < 100_000, f"a message of {len(text)} characters"
    text.encode()


def finite(array: Any) -> None:
    """Check that all numbers are finite."""
    assert np.isfinite(np.asarray(array)).all(), "numbers that are not finite were read"


def guarded(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns, None where it refuses its input properly."""
    try:
        return function(*arguments)
    except InputError as error:
        one_line(error)
        return None


def annotations(path: Path, folder: Path) -> None:
    """HC-STVG: strictly, as queries, and as the data kit checks it."""
    for clip in guarded(read_annotated_clips, path) or ():
        finite(clip.annotation.tube.boxes_xyxy)
    guarded(read_annotated_clips, path, "skip")
    guarded(read_queries, path)
    if (checked := guarded(read_split, "train", path)) is not None:
        assert all(str(one.message).isprintable() for one in checked.findings), "a finding of several lines"


def answers(path: Path, folder: Path) -> None:
    """Return nothing; a log beside a submission, whose answers are all fit to be written."""
    shutil.copy(path, folder / ".results.json.answers")
    with answer_log(folder / "results.json", "s") as log:
        assert find_problems({key: one.item for key, one in log._answers.items()}) == []


def feature_file(path: Path, folder: Path) -> None:
    """2D-TAN's HDF5 file."""
    file = FeatureFile(path, None)
    for video_id in list(file._file):
        if (features := guarded(file.read, video_id)) is not None:
            finite(features)


def store(path: Path, folder: Path) -> None:
    """Prepared videos: as a packed file and as a part, of this recipe and of another one."""
    store_part(path, folder / "other")
    shutil.copy(path, folder / "train.h5")
    for recipe in (RECIPE, "other"):
        stored = PreparedStore(folder / "train.h5", recipe)
        guarded(stored.sources)
        for video_id in VIDEO_IDS:
            guarded(stored.has, video_id, "src1")
            if (prepared := guarded(stored.read, video_id)) is not None:
                for array in (prepared.clip_features, *prepared.tube_features):
                    finite(array)
        guarded(stored.pack)


def store_part(path: Path, folder: Path) -> None:
    """Read one video's part."""
    (folder / "train.parts").mkdir(parents=True)
    shutil.copy(path, folder / "train.parts" / f"{VIDEO_IDS[0]}.h5")
    for method in ("sources", "pack"):
        guarded(getattr(PreparedStore(folder / "train.h5", RECIPE), method))


def failed_json(path: Path, folder: Path) -> None:
    """Return the record of videos that could not be prepared."""
    shutil.copy(path, folder / "train.failed.json")
    PreparedStore(folder / "train.h5", "r").failures()


def fusion_json(path: Path, folder: Path) -> None:
    """Joint weights."""
    weights = read_fitted_weights(path)
    assert weights is not None
    assert all(is_finite_number(value) and value >= 0 for value in (weights.moment, weights.iou, weights.contrastive))


def index(path: Path, folder: Path) -> None:
    """Index of a data set."""
    assert all(one.width >= 0 and one.height >= 0 for one in read_index(path).videos.values())


def last_pt(path: Path, folder: Path) -> None:
    """Resume a training."""
    shutil.copy(path, folder / "last.pt")
    (folder / "best.safetensors").touch()
    torch.manual_seed(0)
    task: Any = TinyTask()
    loop.train(task, TrainingConfig(epochs=EPOCHS), folder, resume=True)


def mot_read(path: Path, folder: Path) -> None:
    """MOT text alone."""
    rows = read_mot(path)
    finite(rows.boxes_xyxy)
    finite(rows.scores)


def mot_track(path: Path, folder: Path) -> None:
    """MOT text without a video."""
    track_file(path, folder / "tubes.txt", None, fps=10, stride=1, keep=BoxFilterConfig())


def detections(path: Path, folder: Path) -> None:
    """Public detections of a video."""
    shutil.copy(path, folder / "v.txt")
    meta = VideoMeta("v.mp4", folder / "v.mp4", 40, 10.0, 320, 240)
    found = FileConfig(folder=folder).build("cpu").detect(VideoFrames(meta, np.arange(0, 40, 2), None, 1.0, ()))
    for one in found:
        finite(one.boxes_xyxy)
        assert ((one.scores >= 0) & (one.scores <= 1)).all()


def onnx(path: Path, folder: Path) -> None:
    """Each family of detectors."""
    meta = VideoMeta("v.mp4", Path("v.mp4"), 2, 10.0, 64, 48)
    frames = VideoFrames(meta, np.arange(2), np.zeros((2, 48, 64, 3), np.uint8), 1.0, ())
    copy = folder / "model.onnx"
    shutil.copy(path, copy)

    def detect(decoder: Any) -> Any:
        return OnnxConfig(path=copy, decoder=decoder).build("cpu").detect(frames)

    for decoder in DECODERS:
        for one in guarded(detect, decoder) or ():
            finite(one.boxes_xyxy)


def mmn_stvg(path: Path, folder: Path) -> None:
    """Tubes and features of MMN-STVG, in every form."""
    shutil.copy(path, folder / "x.pkl")
    guarded(read_pickle, path)
    guarded(TubeFolders([folder]).read, "x")
    guarded(FeatureFiles("clips", [folder]).read, "x")
    if (files := guarded(FeatureFiles, "clips", [path])) is not None:
        for stem in files.files[path]:
            guarded(files.read, stem)


def torch_file(path: Path, folder: Path) -> None:
    """Return a file of torch.save, by both readers."""
    guarded(read_torch_file, path)
    guarded(read_pickle, path)


def results(name: str) -> Read:
    """Return a reader of one of the files of an ablation, as the report page takes them."""

    def read(path: Path, folder: Path) -> None:
        shutil.copy(path, folder / name)
        found = read_results(folder, None)
        json.dumps(str(found), allow_nan=False).encode()
        str(found).encode()
        assert all(0 <= share <= 100 for _, causes in found.budgets for _, share in causes)

    return read


def submission(path: Path, folder: Path) -> None:
    """results.json: all its problems, and its predictions."""
    problems = find_problems(read_json(path))
    assert all(str(problem).isprintable() for problem in problems)
    for prediction in read_submission(path):
        finite(prediction.tube.boxes_xyxy)


def tan_json(path: Path, folder: Path) -> None:
    """2D-TAN's annotations."""
    for video in read_moments(path, "2d-tan", drop_empty=True).videos:
        finite(video.moments_s)


def vidstg(path: Path, folder: Path) -> None:
    """VidSTG: its list, and VidOR's boxes, from one object with both."""
    both = read_json(path)
    files = both if isinstance(both, dict) else {}
    (folder / "training").mkdir()
    (folder / "training" / "v1.json").write_text(json.dumps(files.get("boxes")))
    (folder / "train.json").write_text(json.dumps(files.get("sentences")))
    converted = convert_split("train", folder / "train.json", folder, "both")
    assert all(str(one.message).isprintable() for one in converted.split.findings), "a finding of several lines"


def recipe(path: Path, folder: Path) -> None:
    """Recipes of both kinds."""
    guarded(load_config, Recipe, path)
    guarded(load_config, BenchmarkRecipe, path)
    guarded(load_temporal_recipe, path)


def safetensors(path: Path, folder: Path) -> None:
    """Load weights."""
    checkpoint = read_checkpoint(path, "stvg train")
    guarded(lambda: checkpoint.input_size)
    guarded(checkpoint.check, {"input_size": 6})
    model = make_mmn(NETWORK, 6, 8)
    if guarded(checkpoint.load_into, model) is not None:
        for weight in model.parameters():
            finite(weight.detach())


def video(path: Path, folder: Path) -> None:
    """Metadata, frames for detection, frames in full size."""
    guarded(read_meta, path, "v.mp4")
    guarded(read_footage, path, "v.mp4", 2, 64)
    guarded(lambda: sum(1 for _ in stream_images(path)))


def encoder(name: str) -> Read:
    """Return a reader of one file of a text encoder's folder."""

    def read(path: Path, folder: Path) -> None:
        network_seeds.encoder(folder)
        shutil.copy(path, folder / name)
        backbone = guarded(load_text_backbone, str(folder))
        tokenizer = guarded(load_text_tokenizer, str(folder))
        tokens = None if tokenizer is None else guarded(tokenizer.tokenize, ["The man walks", "a gnarf"])
        if backbone is not None and tokens is not None:
            guarded(backbone, tokens)

    return read


READERS: dict[str, Reader] = {
    "annotations": Reader(annotations, seeds.annotations),
    "answers": Reader(answers, seeds.answers),
    "detections": Reader(detections, seeds.mot),
    "failed_json": Reader(
        failed_json, lambda _: seeds.json_seeds({"recipe": "r", "videos": {"1_a.mp4": {"source": "s", "reason": "x"}}})
    ),
    "feature_file": Reader(feature_file, seeds.feature_file),
    "fusion_json": Reader(
        fusion_json, lambda _: seeds.json_seeds({"weights": {"moment": 1.0, "iou": 1.0, "contrastive": 0.5}, "n": 1})
    ),
    "index": Reader(index, seeds.index),
    "mot_read": Reader(mot_read, seeds.mot),
    "mot_track": Reader(mot_track, seeds.mot),
    "pickle_hand": Reader(mmn_stvg, seeds.mmn_stvg),
    "results_ablation": Reader(results("ablation.json"), seeds.ablation),
    "results_breakdown": Reader(results("breakdown.json"), seeds.breakdown),
    "results_differences": Reader(results("differences.json"), seeds.differences),
    "results_errors": Reader(results("errors.json"), seeds.errors),
    "safetensors": Reader(safetensors, network_seeds.checkpoints),
    "submission": Reader(submission, seeds.submission),
    "tan_json": Reader(tan_json, seeds.moments),
    "tfjs": Reader(
        lambda path, _: convert_graph(path.read_bytes(), bytes(WEIGHT_BYTES), str(path)), network_seeds.graph_models
    ),
    "torch_hand": Reader(torch_file, seeds.torch_file),
    "vidstg": Reader(vidstg, seeds.vidstg),
    "yaml_hand": Reader(recipe, seeds.recipes),
    "video": Reader(video, seeds.videos, slow=True),
    "store": Reader(store, seeds.store, slow=True),
    "onnx": Reader(onnx, network_seeds.onnx_models, slow=True),
    "official": Reader(
        lambda path, folder: convert_checkpoint(path, folder / "best.safetensors"), network_seeds.official, slow=True
    ),
    "last_pt": Reader(last_pt, network_seeds.last_pt, slow=True),
    "encoder_weights": Reader(encoder("model.safetensors"), network_seeds.encoder_weights, slow=True),
    "encoder_config": Reader(encoder("config.json"), network_seeds.encoder_config, slow=True),
    "encoder_tokenizer": Reader(encoder("tokenizer.json"), network_seeds.encoder_tokenizer, slow=True),
}
"""All readers by the name of what they read, quick ones first."""
