"""Make the demo world: plan, draw, encode and annotate its clips.

As in HC-STVG, one video carries several clips, each under its own key: in train twelve clips share one footage, in val
four. They describe its people and moments, each pair once and then again in other words. In test every clip has footage
of its own: queries are independent.
"""

import hashlib
import logging
import multiprocessing
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from stvg.datasets.synthetic.detections import detect_roughly
from stvg.datasets.synthetic.planning.clip import FPS, HEIGHT, WIDTH, PlannedClip, Split, plan_clips
from stvg.errors import InputError
from stvg.io import video_writer
from stvg.io.files import read_json, write_json_atomically, writing
from stvg.io.hcstvg_annotations import AnnotatedClip, write_annotations, write_queries
from stvg.io.mot_text import write_mot
from stvg.types import Annotation, ClipSize, FloatArray, Image, Query, Tube

logger = logging.getLogger(__name__)

RENDERING = 2
"""Raised when clips look different than before, so that those of an older world are made anew."""
CLIPS_PER_FOOTAGE: dict[Split, int] = {"train": 12, "val": 4, "test": 1}
_ENCODER = {"preset": "ultrafast", "crf": "26", "threads": "1"}


@dataclass(frozen=True, slots=True)
class FootageJob:
    """One footage to render: `keys` are the names of its clips in the annotations, `seed` decides all of it."""

    keys: tuple[str, ...]
    split: Split
    seed: int
    out: Path

    def plans(self) -> dict[str, PlannedClip]:
        """Return the plan of each clip by its key."""
        return dict(zip(self.keys, plan_clips(self.seed, self.split, len(self.keys)), strict=True))


def footage_jobs(out: Path, counts: dict[Split, int], seed: int) -> list[FootageJob]:
    """Return so many footages of each split; a footage's seed depends on the world's, its split and number alone."""
    jobs: list[FootageJob] = []
    for split, count in counts.items():
        for number in range(count):
            state = np.random.SeedSequence([seed, get_args(Split).index(split), number])
            keys = tuple(f"{clip + 1}_w{len(jobs) + 1:04d}.mp4" for clip in range(CLIPS_PER_FOOTAGE[split]))
            jobs.append(FootageJob(keys, split, int(state.generate_state(1, np.uint64)[0]), out))
    return jobs


def make_world(out: Path, train: int, val: int, test: int, seed: int, workers: int | None = None) -> None:
    """Write a world to the folder `out`: videos/*.mp4, {train,val,test}.json, test_queries.json, detections/*.txt.

    `train`, `val` and `test` are numbers of footages, of which each carries CLIPS_PER_FOOTAGE clips of its split. The
    same seed gives the same bytes however many `workers` (None: all cores) there are. Clips that are finished are
    not made again; the hidden folder .truth remembers their true boxes.

    Raises:
        InputError: a number of footages below 1, a negative seed, fewer than one worker, or `out` cannot be written.
    """
    counts: dict[Split, int] = {"train": train, "val": val, "test": test}
    for name, value, least in (
        *((split, count, 1) for split, count in counts.items()),
        ("seed", seed, 0),
        ("workers", workers or (1 if workers is None else 0), 1),
    ):
        if value < least:
            raise InputError(f"--{name}: expected a whole number of at least {least}, got {value}")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder to write the world to, got a file")
    jobs = footage_jobs(out, counts, seed)
    missing = [job for job in jobs if not _is_finished(job)]
    logger.info("world %s: %d of %d videos to make", out, len(missing), len(jobs))
    _make_all(missing, min(workers or len(os.sched_getaffinity(0)), max(len(missing), 1)))
    for split in counts:
        clips = [clip for job in jobs if job.split == split for clip in _annotated(job)]
        write_annotations(out / f"{split}.json", clips, FPS)
    write_queries(out / "test_queries.json", [clip.annotation.query for clip in clips])


def _make_all(jobs: list[FootageJob], workers: int) -> None:
    """Make all footage in `workers` processes, with a progress bar; the first failure stops it."""
    from tqdm import tqdm

    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
        for _ in tqdm(pool.map(make_footage, jobs), total=len(jobs), desc="render", unit="video"):
            pass


def _start_worker() -> None:
    import cv2

    cv2.setNumThreads(1)


def make_footage(job: FootageJob) -> None:
    """Render and encode one footage, write its detections, and at last the truth of each of its clips."""
    from stvg.datasets.synthetic.rendering.frames import render_scene

    plans = job.plans()
    scene = next(iter(plans.values())).scene
    boxes: list[FloatArray] = []
    visible: list[FloatArray] = []

    def images() -> Iterable[Image]:
        for frame in render_scene(scene):
            boxes.append(frame.boxes_xyxy)
            visible.append(frame.visible)
            yield frame.image

    write_video(_video_path(job, job.keys[0]), images(), FPS, WIDTH, HEIGHT)
    boxes_xyxy = np.stack(boxes)
    noise = np.random.default_rng([job.seed, 1])
    rows = detect_roughly(boxes_xyxy, np.stack(visible), (WIDTH, HEIGHT), noise)
    write_mot(_detections_path(job, job.keys[0]), rows)
    for key, plan in plans.items():
        for path in (_video_path, _detections_path) if key != job.keys[0] else ():
            with writing(path(job, key)) as beside:
                _link_or_copy(path(job, job.keys[0]), beside)
        truth = {"plan": _fingerprint(plan), "boxes_xyxy": _true_boxes(plan, boxes_xyxy)}
        write_json_atomically(_truth_path(job, key), truth)


def _link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; where the file system has no hard links, a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_video(path: Path, images: Iterable[Image], fps: float, width: int, height: int) -> None:
    """Write RGB images (height, width, 3) uint8 as the world's videos are encoded: the same images, the same bytes.

    Raises:
        InputError, ValueError: as stvg.io.video_writer.write_video.
    """
    video_writer.write_video(path, images, fps, width, height, _ENCODER, reproducible=True)


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


def _video_path(job: FootageJob, key: str) -> Path:
    return job.out / "videos" / key


def _detections_path(job: FootageJob, key: str) -> Path:
    return job.out / "detections" / f"{Path(key).stem}.txt"


def _truth_path(job: FootageJob, key: str) -> Path:
    return job.out / ".truth" / f"{Path(key).stem}.json"


def _is_finished(job: FootageJob) -> bool:
    """Return whether all files of all its clips are there, made from these very plans."""
    for key in job.keys:
        if not all(path(job, key).is_file() for path in (_video_path, _detections_path, _truth_path)):
            return False
    stored = {key: read_json(_truth_path(job, key)) for key in job.keys}
    return all(
        isinstance(stored[key], dict) and stored[key].get("plan") == _fingerprint(plan)
        for key, plan in job.plans().items()
    )


def _annotated(job: FootageJob) -> list[AnnotatedClip]:
    """Return the annotations of its finished clips."""
    clips = []
    for key, plan in job.plans().items():
        boxes = np.array(read_json(_truth_path(job, key))["boxes_xyxy"], np.float32)
        tube = Tube(0, plan.span.start, boxes, np.ones(len(boxes), np.float32), np.ones(len(boxes), np.bool_))
        annotation = Annotation(Query(key, key, plan.caption), tube)
        clips.append(AnnotatedClip(annotation, ClipSize(WIDTH, HEIGHT, plan.scene.num_frames)))
    return clips
