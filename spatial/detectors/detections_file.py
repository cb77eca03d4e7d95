"""Read public detections from MOTChallenge text, one file per video."""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic.dataclasses import dataclass

from spatial.detectors.postprocess import BoxFilterConfig, clean_detections
from stvg.config import STRICT
from stvg.errors import InputError
from stvg.io.mot_text import MotRows, read_mot
from stvg.types import Detections, VideoFrames


@dataclass(frozen=True, config=STRICT, kw_only=True)
class FileConfig(BoxFilterConfig):
    """People read from public detections."""

    kind: Literal["file"] = "file"
    folder: Path | None = None
    """Holds one MOTChallenge text per video, named as the video with .txt for its extension; None: the folder
    detections/ beside the folder of the videos."""

    def build(self, device: str) -> "FileDetector":
        """Return the detector, which runs nothing on any `device`."""
        return FileDetector(self)


class FileDetector:
    """Looks the people of a video up in a folder of public detections; scores outside [0, 1] are clipped."""

    def __init__(self, config: FileConfig) -> None:
        self._config = config

    def detect(self, video: VideoFrames) -> list[Detections]:
        """Return the file's boxes in each sampled frame; its other frames and its ids are not used.

        Raises:
            InputError: no file for this video, not MOT text, or a frame past the video's end.
        """
        path = detections_path(self._config.folder, video.meta.path)
        if not path.is_file():
            raise InputError(
                f"{path}: expected the public detections of {video.meta.video_id}, found none "
                "(detector.kind is file; another detector needs no such file)"
            )
        return detections_in(read_mot(path), video, path, self._config)


def detections_path(folder: Path | None, video: Path) -> Path:
    """Return where the public detections of a video file are; see FileConfig.folder."""
    return (folder or video.parent.parent / "detections") / f"{video.stem}.txt"


def detections_in(rows: MotRows, video: VideoFrames, path: Path, keep: BoxFilterConfig) -> list[Detections]:
    """Return the rows of the file `path` that `keep` lets through, as one Detections per sampled frame of the video.

    Raises:
        InputError: a row past the video's end.
    """
    meta = video.meta
    if len(rows) and int(rows.frames.max()) >= meta.num_frames:
        raise InputError(
            f"{path}: expected detections of {meta.video_id}, frames 1 to {meta.num_frames}, "
            f"got frame {int(rows.frames.max()) + 1}"
        )
    order = np.argsort(rows.frames, kind="stable")
    starts = np.searchsorted(rows.frames[order], video.frames, side="left")
    stops = np.searchsorted(rows.frames[order], video.frames, side="right")
    return [
        clean_detections(
            frame,
            rows.boxes_xyxy[order[start:stop]],
            rows.scores[order[start:stop]].clip(0, 1),
            meta,
            source=str(path),
            keep=keep,
        )
        for frame, start, stop in zip(video.frames.tolist(), starts, stops, strict=True)
    ]
