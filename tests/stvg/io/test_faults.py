"""Small inputs that once broke the project end in one InputError or a sensible result, fast and in little memory.

The files are kept outside the repository; the prefix of a file's name says which reader it is for.
"""

import json
import os
import resource
import shutil
import signal
import time
import traceback
from pathlib import Path

import numpy as np
import onnxruntime  # noqa: F401 (loaded before the limits on memory)
import pytest
import torch

from spatial.detectors.onnx import OnnxConfig
from spatial.detectors.onnx_decoders import DECODERS
from spatial.detectors.postprocess import BoxFilterConfig
from spatial.mmn_stvg.files import FeatureFiles, TubeFolders
from spatial.tracking.mot_tracks import track_file
from stvg.config import load_config
from stvg.datasets.hcstvg.index import read_index
from stvg.errors import InputError
from stvg.fusion.score_fusion import read_fitted_weights
from stvg.io.answer_log import answer_log
from stvg.io.files import is_finite_number, read_json
from stvg.io.hcstvg_annotations import read_annotated_clips
from stvg.io.mot_text import read_mot
from stvg.io.submission import find_problems, read_submission
from stvg.io.video import read_footage, read_meta
from stvg.models.tfjs import convert_graph
from stvg.pickles.plain_pickle import read_pickle
from stvg.pickles.torch_file import read_torch_file
from stvg.prepare.store import PreparedStore
from stvg.recipe.schema import Recipe
from stvg.types import VideoFrames, VideoMeta
from stvg.viewer.page.results import read_results
from temporal.benchmarks.annotations import read_moments
from temporal.benchmarks.features import FeatureFile
from temporal.mmn.losses import Losses
from temporal.mmn.network import MMNConfig, make_mmn
from temporal.official.checkpoint import convert_checkpoint
from temporal.training import loop
from temporal.training.checkpoint import read_checkpoint
from temporal.training.config import TrainingConfig

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "faults"
SECONDS, MIB = 1.0, 200
FAULTS = sorted(path for path in FOLDER.glob("*") if path.name != "README.md")
NETWORK = MMNConfig(
    num_pre_clips=8,
    num_clips=8,
    pool_kernel=1,
    hidden_size=4,
    joint_size=4,
    conv_kernel=3,
    conv_layers=2,
    pooling_counts=(7,),
)
torch.optim.AdamW([torch.zeros(1)])  # loads half of torch, which the limits on time and memory are not for


class Task:
    """A training of a network of the size of that in the files last_pt."""

    contrastive_weight, seed, text_parameters = 1.0, 0, ()

    def __init__(self):
        self.model = make_mmn(NETWORK, 6, 8)

    def items(self):
        return [torch.ones(6)]

    def versions(self):
        return ()

    def loss(self, batch):
        zero = sum(parameter.sum() for parameter in self.model.parameters()) * 0.0
        return Losses(vid=zero, sent=zero, iou=zero)

    def score(self):
        return 0.0

    def description(self):
        return {"a": 1, "input_size": 6}

    def setting(self):
        return {"annotations": "x"}


def answers(path, folder):
    shutil.copy(path, folder / ".results.json.answers")
    with answer_log(folder / "results.json", "s") as log:
        assert find_problems({key: one.item for key, one in log._answers.items()}) == []


def feature_file(path, folder):
    file = FeatureFile(path, None)
    for video_id in list(file._file):
        finite(file.read(video_id))


def store(path, folder):
    store_part(path, folder / "other")
    shutil.copy(path, folder / "train.h5")
    for recipe in ("r" * 64, "other"):
        stored = PreparedStore(folder / "train.h5", recipe)
        outcomes = [guarded(stored.sources)]
        for video_id in ("1_a.mp4", "2_b.mp4", "3_c.mp4"):
            outcomes += [guarded(stored.has, video_id, "src1"), guarded(stored.read, video_id)]
        outcomes.append(guarded(stored.pack))
        for prepared in outcomes:
            for array in (prepared.clip_features, *prepared.tube_features) if hasattr(prepared, "tubes") else ():
                finite(array)


def guarded(function, *arguments):
    try:
        return function(*arguments)
    except InputError as error:
        one_line(error)
        return None


def store_part(path, folder):
    (folder / "train.parts").mkdir(parents=True)
    shutil.copy(path, folder / "train.parts" / "1_a.mp4.h5")
    for function in (
        PreparedStore(folder / "train.h5", "r" * 64).sources,
        PreparedStore(folder / "train.h5", "r" * 64).pack,
    ):
        guarded(function)


def failed_json(path, folder):
    shutil.copy(path, folder / "train.failed.json")
    PreparedStore(folder / "train.h5", "r").failures()


def fusion_json(path, folder):
    weights = read_fitted_weights(path)
    assert all(is_finite_number(value) and value >= 0 for value in (weights.moment, weights.iou, weights.contrastive))


def index(path, folder):
    assert all(one.width >= 0 and one.height >= 0 for one in read_index(path).videos.values())


def last_pt(path, folder):
    shutil.copy(path, folder / "last.pt")
    torch.manual_seed(0)
    loop.train(Task(), TrainingConfig(epochs=18), folder, resume=True)


def mot_track(path, folder):
    track_file(path, folder / "tubes.txt", None, fps=10, stride=1, keep=BoxFilterConfig())


def mot_read(path, folder):
    rows = read_mot(path)
    finite(rows.boxes_xyxy)
    finite(rows.scores)


def onnx(path, folder):
    meta = VideoMeta("v.mp4", Path("v.mp4"), 2, 10.0, 64, 48)
    frames = VideoFrames(meta, np.arange(2), np.zeros((2, 48, 64, 3), np.uint8), 1.0, ())
    copy = folder / "model.onnx"
    shutil.copy(path, copy)

    def detect(decoder):
        return OnnxConfig(path=copy, decoder=decoder).build("cpu").detect(frames)

    for decoder in DECODERS:
        guarded(detect, decoder)


def pickle_hand(path, folder):
    shutil.copy(path, folder / "x.pkl")
    guarded(read_pickle, path)
    guarded(TubeFolders([folder]).read, "x")
    guarded(FeatureFiles("clips", [folder]).read, "x")
    if (files := guarded(FeatureFiles, "clips", [path])) is not None:
        for stem in files.files[path]:
            guarded(files.read, stem)


def safetensors(path, folder):
    read_checkpoint(path, "stvg train").load_into(make_mmn(NETWORK, 6, 8))


def results_ablation(path, folder):
    shutil.copy(path, folder / "ablation.json")
    json.dumps(str(read_results(folder, None)), allow_nan=False).encode()
    str(read_results(folder, None)).encode()


def results_errors(path, folder):
    shutil.copy(path, folder / "errors.json")
    results = read_results(folder, None)
    assert all(0 <= share <= 100 for _, causes in results.budgets for _, share in causes)


def submission(path, folder):
    problems = find_problems(read_json(path))
    assert all(str(problem).isprintable() for problem in problems)
    for prediction in read_submission(path):
        finite(prediction.tube.boxes_xyxy)


def tan_json(path, folder):
    for video in read_moments(path, "2d-tan", drop_empty=True).videos:
        finite(video.moments_s)


def tfjs(path, folder):
    convert_graph(path.read_bytes(), bytes(4 * 200), str(path))


def video(path, folder):
    read_meta(path, "v.mp4")
    read_footage(path, "v.mp4", 1, 64)


READERS = {
    "annotations": lambda path, folder: [
        finite(clip.annotation.tube.boxes_xyxy) for clip in read_annotated_clips(path)
    ],
    "answers": answers,
    "failed_json": failed_json,
    "feature_file": feature_file,
    "fusion_json": fusion_json,
    "index": index,
    "last_pt": last_pt,
    "mot_read": mot_read,
    "mot_track": mot_track,
    "official": lambda path, folder: convert_checkpoint(path, folder / "best.safetensors"),
    "onnx": onnx,
    "pickle_hand": pickle_hand,
    "results_ablation": results_ablation,
    "results_errors": results_errors,
    "safetensors": safetensors,
    "store_bytes": store,
    "store_struct": store,
    "submission": submission,
    "tan_json": tan_json,
    "tfjs": tfjs,
    "torch_hand": lambda path, folder: (guarded(read_torch_file, path), guarded(read_pickle, path)),
    "video": video,
    "yaml_hand": lambda path, folder: load_config(Recipe, path),
}


def finite(array):
    assert np.isfinite(np.asarray(array)).all()


def one_line(error):
    assert str(error).isprintable(), repr(str(error))
    assert str(error)
    assert len(str(error)) < 100_000
    str(error).encode()


def in_child(function, path, folder):
    """Run in a forked process with limits on time and memory; return what went wrong, "" where nothing did."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.close(reading)
            text = limited(function, path, folder)
            os.write(writing, text[-8000:].encode(errors="replace"))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        text = file.read().decode()
    _, status = os.waitpid(child, 0)
    return text if text or status == 0 else f"the process ended with status {status}"


def limited(function, path, folder):
    torch.set_num_threads(1)
    before = int(
        next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmSize" in line).split()[1]
    )
    limit = before * 1024 + 4 * MIB * 2**20  # of addresses, most of which no thread ever touches
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.alarm(30)
    start, used = resident(), time.process_time()
    try:
        function(path, folder)
    except InputError as error:
        try:
            one_line(error)
        except Exception:
            return traceback.format_exc()
    except BaseException:
        return traceback.format_exc()
    seconds, mib = time.process_time() - used, resident() - start
    if seconds > SECONDS or mib > MIB:
        return f"took {seconds:.2f} s and {mib:.0f} MiB"
    return ""


def resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.skipif(not FAULTS, reason=f"no fault files in {FOLDER}")
@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.name)
def test_a_file_that_once_broke_a_reader(path, tmp_path, monkeypatch):
    reader = READERS[path.name.rpartition("-")[0]]
    assert in_child(reader, path, tmp_path) == ""
