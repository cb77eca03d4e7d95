"""People read from files: public detections in MOTChallenge text, one file per video."""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic.dataclasses import dataclass

from spatial.detectors.postprocess import clean_detections
from stvg.config import STRICT
from stvg.errors import InputError
from stvg.io.mot import MotRows, read_mot
from stvg.types import Detections, VideoFrames


@dataclass(frozen=True, config=STRICT, kw_only=True)
class FileConfig:
    """People read from public detections."""

    kind: Literal["file"] = "file"
    folder: Path | None = None
    """Holds one MOTChallenge text per video, named as the video with .txt for its extension; None: the folder
    detections/ beside the folder of the videos."""
    threshold: float = 0.2
    """Least score, in [0, 1]; scores outside are clipped. The tracker starts tracks only from its own, higher one."""
    min_side: float = 8.0
    """Least width and height of a person, in pixels of the video."""


class FileDetector:
    """Looks the people of a video up in a folder of public detections; see FileConfig for the arguments."""

    def __init__(self, folder: Path | None = None, *, threshold: float = 0.2, min_side: float = 8.0) -> None:
        self._folder, self._threshold, self._min_side = folder, threshold, min_side

    def detect(self, footage: VideoFrames) -> list[Detections]:
        """Return the file's boxes in each frame of the footage; its other frames and its ids are not used.

        Raises:
            InputError: no file for this video, not MOT text, or a frame past the video's end.
        """
        path = detections_path(self._folder, footage.meta.path)
        if not path.is_file():
            raise InputError(
                f"{path}: expected the public detections of {footage.meta.video_id}, found none "
                "(detector.kind is file; another detector needs no such file)"
            )
        return detections_in(read_mot(path), footage, path, threshold=self._threshold, min_side=self._min_side)


def detections_path(folder: Path | None, video: Path) -> Path:
    """Return where the public detections of a video file are; see FileConfig.folder."""
    return (folder or video.parent.parent / "detections") / f"{video.stem}.txt"


def detections_in(
    rows: MotRows, footage: VideoFrames, path: Path, *, threshold: float, min_side: float
) -> list[Detections]:
    """Return the rows of the file `path` as one Detections per frame of the footage.

    Raises:
        InputError: a row past the video's end.
    """
    meta = footage.meta
    if len(rows) and int(rows.frames.max()) >= meta.num_frames:
        raise InputError(
            f"{path}: expected detections of {meta.video_id}, frames 1 to {meta.num_frames}, "
            f"got frame {int(rows.frames.max()) + 1}"
        )
    order = np.argsort(rows.frames, kind="stable")
    starts = np.searchsorted(rows.frames[order], footage.frames, side="left")
    stops = np.searchsorted(rows.frames[order], footage.frames, side="right")
    return [
        clean_detections(
            frame,
            rows.boxes_xyxy[order[start:stop]],
            rows.scores[order[start:stop]].clip(0, 1),
            meta,
            source=str(path),
            min_score=threshold,
            min_side=min_side,
        )
        for frame, start, stop in zip(footage.frames.tolist(), starts, stops, strict=True)
    ]
