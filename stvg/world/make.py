"""Make the demo world: a small HC-STVG whose clips are planned, rendered, encoded and annotated here."""

import hashlib
import logging
import multiprocessing
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import get_args

import numpy as np

from stvg.annotations import AnnotatedClip, ClipSize, write_annotations, write_queries
from stvg.errors import InputError
from stvg.files import read_json, write_json_atomically, writing
from stvg.mot import write_mot
from stvg.types import Annotation, FloatArray, Image, Query, Tube
from stvg.world.detections import detect_roughly
from stvg.world.plan import FPS, HEIGHT, WIDTH, PlannedClip, Split, plan_clip

logger = logging.getLogger(__name__)

RENDERING = 1
"""Raised when clips look different than before, so that those of an older world are made anew."""
_ENCODER = {"preset": "ultrafast", "crf": "26", "threads": "1"}


@dataclass(frozen=True, slots=True)
class ClipJob:
    """One clip to make: `key` is its name in the annotations, `seed` decides all of it."""

    key: str
    split: Split
    seed: int
    out: Path

    @property
    def stem(self) -> str:
        """The key without its extension."""
        return Path(self.key).stem


def clip_jobs(out: Path, counts: dict[Split, int], seed: int) -> list[ClipJob]:
    """Return the clips of a world; a clip's seed depends on the world's seed, its split and its number in it alone."""
    jobs: list[ClipJob] = []
    for split, count in counts.items():
        for number in range(count):
            state = np.random.SeedSequence([seed, get_args(Split).index(split), number])
            key = f"{number + 1}_w{len(jobs) + 1:04d}.mp4"
            jobs.append(ClipJob(key, split, int(state.generate_state(1, np.uint64)[0]), out))
    return jobs


def make_world(out: Path, train: int, val: int, test: int, seed: int, workers: int | None = None) -> None:
    """Write a world to the folder `out`: videos/*.mp4, {train,val,test}.json, test_queries.json, detections/*.txt.

    The same seed gives the same bytes however many `workers` (None: all cores) there are. Clips that are finished are
    not made again; the hidden folder .truth remembers their true boxes.

    Raises:
        InputError: a number of clips below 1, a negative seed, fewer than one worker, or `out` cannot be written.
    """
    counts: dict[Split, int] = {"train": train, "val": val, "test": test}
    for name, value, least in (*((split, count, 1) for split, count in counts.items()), ("seed", seed, 0),
                               ("workers", workers or (1 if workers is None else 0), 1)):  # fmt: skip
        if value < least:
            raise InputError(f"--{name}: expected a whole number of at least {least}, got {value}")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder to write the world to, got a file")
    jobs = clip_jobs(out, counts, seed)
    missing = [job for job in jobs if not _is_finished(job)]
    logger.info("world %s: %d of %d clips to make", out, len(missing), len(jobs))
    _make_clips(missing, min(workers or len(os.sched_getaffinity(0)), max(len(missing), 1)))
    for split in counts:
        write_annotations(out / f"{split}.json", [_annotated(job) for job in jobs if job.split == split], FPS)
    write_queries(out / "test_queries.json", [_annotated(job).annotation.query for job in jobs if job.split == "test"])


def _make_clips(jobs: list[ClipJob], workers: int) -> None:
    """Make clips in `workers` processes, with a progress bar; the first failure stops it."""
    from tqdm import tqdm

    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
        for _ in tqdm(pool.map(make_clip, jobs), total=len(jobs), desc="render", unit="clip"):
            pass


def _start_worker() -> None:
    import cv2

    cv2.setNumThreads(1)


def make_clip(job: ClipJob) -> None:
    """Render and encode one clip, write its detections, and at last its truth."""
    from stvg.world.render import render_scene

    plan = plan_clip(job.seed, job.split)
    boxes: list[FloatArray] = []
    visible: list[FloatArray] = []

    def images() -> Iterable[Image]:
        for frame in render_scene(plan.scene):
            boxes.append(frame.boxes_xyxy)
            visible.append(frame.visible)
            yield frame.image

    with writing(job.out / "videos" / job.key) as beside:
        write_video(beside, images(), FPS, WIDTH, HEIGHT)
    boxes_xyxy = np.stack(boxes)
    noise = np.random.default_rng([job.seed, 1])
    rows = detect_roughly(boxes_xyxy, np.stack(visible), (WIDTH, HEIGHT), noise)
    write_mot(job.out / "detections" / f"{job.stem}.txt", rows)
    truth = {"plan": _fingerprint(plan), "boxes_xyxy": _true_boxes(plan, boxes_xyxy)}
    write_json_atomically(_truth_path(job), truth)


def write_video(path: Path, images: Iterable[Image], fps: float, width: int, height: int) -> None:
    """Write RGB images (height, width, 3) uint8 as H.264 in mp4; the same images give the same bytes."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=dict(_ENCODER))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def _true_boxes(plan: PlannedClip, boxes_xyxy: FloatArray) -> list[list[int]]:
    """Return the described person's box in each frame of the span, in whole pixels inside the image."""
    boxes = boxes_xyxy[plan.span.start : plan.span.stop, plan.target_id].astype(np.float64)
    low = np.clip(np.floor(boxes[:, :2] + 0.5), 0, (WIDTH - 1, HEIGHT - 1))
    high = np.clip(np.floor(boxes[:, 2:] + 0.5), low + 1, (WIDTH, HEIGHT))
    whole: list[list[int]] = np.concatenate([low, high], axis=1).astype(int).tolist()
    return whole


def _fingerprint(plan: PlannedClip) -> str:
    """Return a digest of all that a clip is made from."""
    return hashlib.sha256(repr((RENDERING, _ENCODER, plan)).encode()).hexdigest()


def _truth_path(job: ClipJob) -> Path:
    return job.out / ".truth" / f"{job.stem}.json"


def _is_finished(job: ClipJob) -> bool:
    """Return whether all files of the clip are there, made from this very plan."""
    files = (job.out / "videos" / job.key, job.out / "detections" / f"{job.stem}.txt", _truth_path(job))
    if not all(path.is_file() for path in files):
        return False
    truth = read_json(_truth_path(job))
    return isinstance(truth, dict) and truth.get("plan") == _fingerprint(plan_clip(job.seed, job.split))


def _annotated(job: ClipJob) -> AnnotatedClip:
    """Return a finished clip's annotation."""
    plan = plan_clip(job.seed, job.split)
    boxes = np.array(read_json(_truth_path(job))["boxes_xyxy"], np.float32)
    count = len(boxes)
    tube = Tube(0, plan.span.start, boxes, np.ones(count, np.float32), np.ones(count, np.bool_))
    query = Query(job.key, job.key, plan.caption)
    return AnnotatedClip(Annotation(query, tube), ClipSize(WIDTH, HEIGHT, plan.scene.num_frames))
