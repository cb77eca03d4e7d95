"""Extract features by a pose network: joints, colours of body parts, nearness to others."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic.dataclasses import dataclass

from spatial.features.descriptors.crops import TubeSamples, every, sample_tube
from spatial.features.descriptors.joints import JointFinder, part_colours
from spatial.features.descriptors.motion import FlowFields, flow_fields
from spatial.features.descriptors.pose_columns import POSE_DIM, PersonMeasures, describe_people
from spatial.features.descriptors.scene import SCENE_DIM, scene_features
from stvg.config import STRICT, Count, Pixels, Positive
from stvg.types import FloatArray, Tube, VideoFrames


@dataclass(frozen=True, config=STRICT)
class PoseConfig:
    """Features of joints, part colours and place: what drawn and filmed people share."""

    not_described: ClassVar[tuple[str, ...]] = ("path", "threads", "rate")
    """Keys that do not tell one network's features from another's."""
    kind: Literal["pose"] = "pose"
    """Which extractor this is."""
    path: Path = Path("runs/models/movenet_thunder.onnx")
    """MoveNet as an ONNX file; `stvg models` fetches it."""
    rate: Positive = 5.0
    """Crops of a person that are described per second, as near as a whole stride of the frames looked at comes."""
    flow_width: Pixels = 160
    """Width of the images between which the camera's motion is measured, in pixels."""
    threads: Count = 1
    """Crops that the network works on at once."""

    def build(self, device: str) -> "PoseFeatures":
        """Return the extractor; it runs on the CPU whatever the `device`.

        Raises:
            InputError: as JointFinder.
        """
        return PoseFeatures(self)


class PoseFeatures:
    """Joints by MoveNet, colours of body parts, and how people stand to each other.

    `tube_dim` = 290 (descriptors.pose_columns), `clip_dim` = 37: colours and motion of the whole image.

    Raises:
        InputError: as JointFinder.
    """

    def __init__(self, config: PoseConfig) -> None:
        self._config = config
        self._joints = JointFinder(config.path, config.threads)
        self.tube_dim, self.clip_dim = POSE_DIM, SCENE_DIM

    def extract(self, video: VideoFrames, tubes: Sequence[Tube]) -> tuple[FloatArray, tuple[FloatArray, ...]]:
        """Return clip features (N, clip_dim), a row per sampled frame, and for each tube (T_k, tube_dim) rows.

        A tube has `rate` rows per second that it lasts, at least one. All float32 and finite.

        Raises:
            ValueError: the video has no pictures.
        """
        step = max(1, round(video.sampled_fps / self._config.rate))
        samples = [every(sample_tube(video, tube), step) for tube in tubes]
        fields = flow_fields(video, samples, self._config.flow_width)
        people = [self._measure(video, *one, fields) for one in zip(tubes, samples, strict=True)]
        size = video.pictures.shape[2], video.pictures.shape[1]
        rows = describe_people(people, size, video.meta.num_frames / video.meta.fps)
        return scene_features(video.pictures, fields), rows

    def _measure(self, video: VideoFrames, tube: Tube, samples: TubeSamples, fields: FlowFields) -> PersonMeasures:
        """Return what is measured of a tube at its sampled frames."""
        joints = self._joints.find(video.pictures, samples)
        frames = video.frames[samples.index]
        row = np.clip(frames - tube.start_frame, 0, tube.span.length - 1)
        middle = np.asarray((samples.boxes_xyxy[:, :2] + samples.boxes_xyxy[:, 2:]) / 2, dtype=np.float32)
        return PersonMeasures(
            seconds=np.asarray(frames / video.meta.fps, dtype=np.float32),
            boxes_xyxy=samples.boxes_xyxy,
            joints=joints,
            colours=part_colours(video.pictures, samples, joints),
            scores=tube.scores[row],
            camera=fields.camera_at(samples.index, middle),
        )
