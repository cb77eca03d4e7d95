"""Clips whose people are all known, with detections that err: what trackers are compared on."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from spatial.detectors.postprocess import BoxFilterConfig, clean_detections
from stvg.datasets.synthetic.detections import DetectorErrors, detect_roughly
from stvg.datasets.synthetic.make import footage_jobs
from stvg.datasets.synthetic.rendering.frames import render_scene
from stvg.errors import InputError
from stvg.geometry.boxes import clip_boxes
from stvg.io.mot_text import MotRows, read_mot
from stvg.io.shot_detection import HEIGHT as THUMBNAIL_HEIGHT
from stvg.io.shot_detection import WIDTH as THUMBNAIL_WIDTH
from stvg.io.shot_detection import find_cuts
from stvg.types import Detections, FloatArray, Image, VideoFrames, VideoMeta

FILMED = ("TUD-Campus", "TUD-Stadtmitte")
_FILMED_SIZE, _FILMED_FPS = (640, 480), 25.0
_STRIDE = 2
"""Sampling step of drawn scenes, in frames, as in the demo."""
_ZOOM = 1.3
"""A planted cut shows this much closer what the camera saw before."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackingClip:
    """VideoFrames, one Detections per frame of it, and the true boxes of all people in all frames of the video."""

    name: str
    footage: VideoFrames
    detections: tuple[Detections, ...]
    truth: MotRows


def filmed_clip(name: str, data: Path | None, seed: int) -> TrackingClip:
    """Return a clip of the package motmetrics' data, with detections derived from its truth.

    Misses 15 %, gaps of up to a second, jitter 5 % of the size, one false box to ten true ones, which may stay a few
    frames. There are no pictures. `data` holds NAME/gt.txt; None: the installed package's.

    Raises:
        InputError: no such file, or the package is missing.
    """
    truth = read_mot((data or _packaged_data()) / name / "gt.txt")
    people, owners = np.unique(truth.track_ids, return_inverse=True)
    boxes = np.full((int(truth.frames.max()) + 1, len(people), 4), np.nan, np.float32)
    boxes[truth.frames, owners] = truth.boxes_xyxy
    per_frame = len(truth) / len(boxes)
    errors = _filmed_errors(per_frame)
    rng = np.random.default_rng([seed, len(name)])
    rows = detect_roughly(boxes, np.isfinite(boxes[..., 0]).astype(np.float32), _FILMED_SIZE, rng, errors)
    meta = VideoMeta(name, Path(name), len(boxes), _FILMED_FPS, *_FILMED_SIZE)
    frames = np.arange(len(boxes), dtype=np.int64)
    footage = VideoFrames(meta, frames, None, 1 / meta.height, ())
    return TrackingClip(f"{name} {seed}", footage, _by_frame(rows, footage), truth)


def crowd_clip(num_people: int, num_frames: int, seed: int) -> TrackingClip:
    """Return people who walk to and fro past each other, without pictures, with detections that err as filmed ones."""
    rng = np.random.default_rng(seed)
    frames = np.arange(num_frames, dtype=np.int64)
    phases, periods = rng.uniform(0, 2 * np.pi, num_people), rng.uniform(40, 160, num_people)
    left = 600 + 560 * np.sin(frames[:, None] / periods + phases)
    top = np.broadcast_to(80 + 30.0 * np.arange(num_people), left.shape)
    boxes = np.stack([left, top, left + 45, top + 110], axis=-1).astype(np.float32)
    size = 1280, 720
    rows = detect_roughly(boxes, np.ones(left.shape, np.float32), size, rng, _filmed_errors(num_people))
    meta = VideoMeta("crowd", Path("crowd"), num_frames, _FILMED_FPS, *size)
    footage = VideoFrames(meta, frames, None, 1 / meta.height, ())
    return TrackingClip(f"crowd {seed}", footage, _by_frame(rows, footage), _truth(boxes))


def drawn_clips(counts: tuple[int, int, int], seed: int) -> Iterator[TrackingClip]:
    """Yield the test scenes of a demo world (numbers of train, val and test footages, seed), rendered here.

    Detections are the world's public ones. The truth is every person in every frame, hidden or not.
    """
    for job in footage_jobs(Path(), dict(zip(("train", "val", "test"), counts, strict=True)), seed):
        if job.split != "test":
            continue
        scene = next(iter(job.plans().values())).scene
        frames = list(render_scene(scene))
        boxes = np.stack([frame.boxes_xyxy for frame in frames])
        images = [frame.image for frame in frames]
        meta = VideoMeta(job.keys[0], Path(job.keys[0]), scene.num_frames, scene.fps, scene.width, scene.height)
        kept = np.arange(0, len(frames), _STRIDE, dtype=np.int64)
        footage = VideoFrames(meta, kept, np.stack(images[::_STRIDE]), 1.0, find_cuts(_thumbnails(images)))
        noise = np.random.default_rng([job.seed, 1])
        rows = detect_roughly(boxes, np.stack([frame.visible for frame in frames]), (scene.width, scene.height), noise)
        yield TrackingClip(job.keys[0], footage, _by_frame(rows, footage), _truth(boxes))


def with_planted_cut(clip: TrackingClip, seed: int) -> TrackingClip:
    """Return the clip with a shot cut somewhere in its middle half, after which the camera is nearer.

    Who is out of the new view by more than half of the box counts as absent. The cut is where the pictures say.
    """
    rng = np.random.default_rng([seed, clip.footage.meta.num_frames])
    meta = clip.footage.meta
    cut = int(rng.integers(meta.num_frames // 4, 3 * meta.num_frames // 4))
    size = np.array([meta.width, meta.height]) / _ZOOM
    corner = rng.uniform((0, meta.height - size[1]), (meta.width - size[0], meta.height - size[1]))
    x, y = np.round(corner * clip.footage.scale).astype(int)
    width, height = np.round(size * clip.footage.scale).astype(int)
    images = clip.footage.pictures.copy()
    for row in np.flatnonzero(clip.footage.frames >= cut):
        images[row] = cv2.resize(images[row, y : y + height, x : x + width], images.shape[2:0:-1])
    footage = VideoFrames(meta, clip.footage.frames, images, clip.footage.scale, (cut,))
    truth = clip.truth
    boxes, seen = _zoomed(truth.boxes_xyxy, truth.frames >= cut, corner, meta)
    items = []
    for item in clip.detections:
        moved, inside = _zoomed(item.boxes_xyxy, np.full(len(item), item.frame >= cut), corner, meta)
        items.append(Detections(item.frame, moved[inside], item.scores[inside]))
    rows = MotRows(truth.frames[seen], truth.track_ids[seen], boxes[seen], truth.scores[seen])
    return TrackingClip(f"{clip.name} cut", footage, tuple(items), rows)


def _filmed_errors(per_frame: float) -> DetectorErrors:
    """Return the errors of filmed_clip, where `per_frame` people are in view on average."""
    return DetectorErrors(
        least_visible=0.5,
        miss=0.15,
        miss_hidden=0.0,
        gap_per_frame=0.008,
        gap_frames=(3, round(_FILMED_FPS)),
        jitter=0.05,
        false_starts_per_frame=0.1 * per_frame * (1 - DetectorErrors.false_lasts),
    )


def _zoomed(boxes: FloatArray, after: np.ndarray, corner: np.ndarray, meta: VideoMeta) -> tuple[FloatArray, np.ndarray]:
    """Return boxes (N, 4) as the new view shows those `after` the cut, and whether half of each is in view."""
    moved = np.where(after[:, None], (boxes - np.tile(corner, 2)) * _ZOOM, boxes)
    cut_off = clip_boxes(moved, meta.width, meta.height)
    areas = [np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (cut_off, moved)]
    return cut_off.astype(np.float32), (areas[0] > 0.5 * areas[1]) & (areas[0] > 0)


def _by_frame(rows: MotRows, footage: VideoFrames) -> tuple[Detections, ...]:
    """Return the rows at the footage's frames, weak and tiny ones left out."""
    items = []
    for frame in footage.frames.tolist():
        here = rows.frames == frame
        items.append(
            clean_detections(
                frame,
                rows.boxes_xyxy[here],
                rows.scores[here],
                footage.meta,
                source=footage.meta.video_id,
                keep=BoxFilterConfig(),
            )
        )
    return tuple(items)


def _truth(boxes_xyxy: FloatArray) -> MotRows:
    """Return the boxes (T, N, 4) of people, NaN where someone is out of view, as rows."""
    frames, people = np.nonzero(np.isfinite(boxes_xyxy[..., 0]))
    boxes = boxes_xyxy[frames, people].astype(np.float32)
    return MotRows(frames.astype(np.int64), people.astype(np.int64), boxes, np.ones(len(frames), np.float32))


def _thumbnails(images: list[Image]) -> Image:
    return np.stack([cv2.resize(i, (THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT), interpolation=cv2.INTER_AREA) for i in images])


def _packaged_data() -> Path:
    """Return the folder of the package motmetrics' clips, without importing it."""
    found = find_spec("motmetrics")
    if found is None or found.origin is None:
        raise InputError("filmed clips: expected the package motmetrics: pip install motmetrics, or --filmed FOLDER")
    return Path(found.origin).parent / "data"
