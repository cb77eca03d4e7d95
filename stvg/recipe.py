"""The whole recipe of a run: what one YAML file of configs/ says, from the data to the fusion."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from spatial.detectors.file import FileConfig
from spatial.detectors.hog import HogConfig
from spatial.detectors.onnx import OnnxConfig
from spatial.detectors.transformers import TransformersConfig
from spatial.features.classic import ClassicConfig
from spatial.features.encoder import ImageEncoderConfig
from spatial.linking import LinkingConfig
from spatial.tracking import TrackingConfig
from stvg.config import STRICT
from stvg.fusion import FusionConfig
from temporal.losses import LossConfig
from temporal.network import MMNConfig
from temporal.training import TrainingConfig

DetectorConfig = Annotated[FileConfig | OnnxConfig | HogConfig | TransformersConfig, Field(discriminator="kind")]
FeaturesConfig = Annotated[ClassicConfig | ImageEncoderConfig, Field(discriminator="kind")]
Device = Literal["cpu", "cuda"]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class DataConfig:
    """Where the data are: `root` holds videos/ and train.json, val.json, test.json in HC-STVG's form."""

    root: Path

    @property
    def videos(self) -> Path:
        """The folder of the video files, named by the keys of the annotations."""
        return self.root / "videos"

    def annotations(self, split: str) -> Path:
        """The annotation file of a split."""
        return self.root / f"{split}.json"


@dataclass(frozen=True, config=STRICT, kw_only=True)
class OutputConfig:
    """Where results go: `root` gets prepared/, temporal/, matcher/ and fusion.json."""

    root: Path


@dataclass(frozen=True, config=STRICT, kw_only=True)
class VideoConfig:
    """Which frames are looked at."""

    stride: int = Field(default=1, ge=1)
    """Every stride-th frame."""
    max_side: int = Field(default=640, ge=32)
    """Pixels of the longer side to which frames are reduced."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class StageConfig:
    """One Mutual Matching Network: its text encoder, sizes, losses and training."""

    text: str = "distilbert-base-uncased"
    """Hub name, folder, or package:NAME/FOLDER of a transformers encoder."""
    network: MMNConfig = field(default_factory=MMNConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    checkpoint: Path | None = None
    """Weights to ground with, a .safetensors file; None: the best under output.root."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TemporalConfig(StageConfig):
    """The temporal stage."""

    streams: Literal["video", "people"] = "video"
    """Whether moments are sought in the clips of the whole video, or in each tube's and the best one counts."""
    power: float = 0.5
    """p of a moment's score (0.5 c + 0.5)^p x iou."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Recipe:
    """Everything that a run needs to know."""

    seed: int = 0
    device: Device = "cpu"
    data: DataConfig
    output: OutputConfig
    video: VideoConfig = field(default_factory=VideoConfig)
    detector: DetectorConfig
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    linking: LinkingConfig = field(default_factory=LinkingConfig)
    features: FeaturesConfig = field(default_factory=ClassicConfig)
    temporal: TemporalConfig = field(default_factory=TemporalConfig)
    matcher: StageConfig = field(default_factory=StageConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
