"""Schema of a recipe: what one YAML file of configs/ says."""

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from spatial.detectors.detections_file import FileConfig
from spatial.detectors.detectron2 import Detectron2Config
from spatial.detectors.hog import HogConfig
from spatial.detectors.mmdet import MmdetConfig
from spatial.detectors.onnx import OnnxConfig
from spatial.detectors.phrase import PhraseConfig
from spatial.detectors.torchvision import TorchvisionConfig
from spatial.detectors.transformers import TransformersConfig
from spatial.features.classic import ClassicConfig
from spatial.features.image_encoder import ImageEncoderConfig
from spatial.features.image_text import ImageTextConfig
from spatial.features.imported import ImportedConfig
from spatial.features.pose import PoseConfig
from spatial.features.video_encoder import VideoNetworkConfig
from spatial.tracking.tracker import TrackingConfig
from spatial.tracking.tracklet_linker import LinkingConfig
from stvg.config import STRICT, parse_config, read_values
from stvg.fusion.score_fusion import FusionConfig
from stvg.io.frame_sampling import VideoConfig
from temporal.benchmarks.annotations import MomentForm
from temporal.benchmarks.ranker import RecallConfig
from temporal.mmn.losses import LossConfig
from temporal.mmn.network import MMNConfig
from temporal.training.config import TrainingConfig

DetectorConfig = Annotated[
    FileConfig  # a new detector is one more line here
    | OnnxConfig
    | HogConfig
    | PhraseConfig
    | TransformersConfig
    | TorchvisionConfig
    | MmdetConfig
    | Detectron2Config,
    Field(discriminator="kind"),
]
FeaturesConfig = Annotated[
    ClassicConfig | PoseConfig | ImageEncoderConfig | VideoNetworkConfig | ImageTextConfig | ImportedConfig,
    Field(discriminator="kind"),
]
Device = Literal["cpu", "cuda"]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class DataConfig:
    """Where the data are: `root` holds videos/ and train.json, val.json, test.json in HC-STVG's form."""

    root: Path
    memory_gib: float = Field(default=4.0, ge=0)
    """Training holds its items in memory up to this size, and the videos of val; the rest is read again from disk."""

    @property
    def memory_bytes(self) -> int:
        """`memory_gib` in bytes."""
        return int(self.memory_gib * 2**30)

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
class StageConfig:
    """One Mutual Matching Network: its text encoder, sizes, losses and training."""

    folder: ClassVar[str]
    """Where training leaves its checkpoints, under output.root."""
    command: ClassVar[str]
    """The command that trains the stage."""

    text: str = "distilbert-base-uncased"
    """Hub name, folder, or package:NAME/FOLDER of a transformers encoder."""
    subject: bool = False
    """Whether the sentence's subject ("the man in red") is encoded once more on its own; needs an encoder that does not
    learn."""
    network: MMNConfig = field(default_factory=MMNConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    checkpoint: Path | None = None
    """Weights to ground with, a .safetensors file, or package:NAME/FILE; None: the best under output.root."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TemporalConfig(StageConfig):
    """The temporal stage."""

    folder: ClassVar[str] = "temporal"
    command: ClassVar[str] = "stvg train temporal"

    search: Literal["video", "people"] = "video"
    """Where moments are searched: in the clips of the whole video, or in those of each tube (the best one counts)."""
    power: float = 0.5
    """p of a moment's score (0.5 c + 0.5)^p x iou."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class MatcherConfig(StageConfig):
    """The spatial stage."""

    folder: ClassVar[str] = "matcher"
    command: ClassVar[str] = "stvg train matcher"


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
    zero_shot: bool = False
    """Ground by the similarity of features of kind image_text to the sentence, without training; temporal and matcher
    then mean nothing."""
    temporal: TemporalConfig = field(default_factory=TemporalConfig)
    matcher: MatcherConfig = field(default_factory=MatcherConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class BenchmarkDataConfig:
    """A benchmark of temporal grounding: annotation files and one file of features, all under `root`."""

    root: Path
    train: Path
    """Annotations of the split to train on."""
    val: Path | None = None
    """Annotations that choose the checkpoint; None where the benchmark has none."""
    test: Path
    """Annotations to report."""
    form: MomentForm = "2d-tan"
    """How the annotations are written (temporal.benchmarks.annotations)."""
    drop_empty: bool = False
    """Drop sentences whose moment has no length, as the official code does; false: they are errors."""
    features: Path
    """HDF5, one data set (T, D) for each video."""
    inner: str | None = None
    """Name of the data set inside each video's group; None: the video's entry is the data set."""
    clamp: bool = True
    """MMN's rule for the ends of clips, under which the last feature is never averaged."""
    memory_gib: float = Field(default=8.0, ge=0)
    """Averaged features are held in memory up to this size, read again each time beyond it."""

    def annotations(self, split: Literal["train", "val", "test"]) -> Path | None:
        """The annotation file of a split, None where there is none."""
        name: Path | None = getattr(self, split)
        return None if name is None else self.root / name


@dataclass(frozen=True, config=STRICT, kw_only=True)
class RankerConfig(StageConfig):
    """An MMN over the clip features of whole videos."""

    folder: ClassVar[str] = "temporal"
    command: ClassVar[str] = "stvg mmn train"

    power: float = 0.5
    """p of a moment's score (0.5 c + 0.5)^p x iou."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class BenchmarkRecipe:
    """Everything that a run on a benchmark of temporal grounding needs to know."""

    seed: int = 0
    device: Device = "cpu"
    data: BenchmarkDataConfig
    output: OutputConfig
    temporal: RankerConfig = field(default_factory=RankerConfig)
    recall: RecallConfig = field(default_factory=RecallConfig)
    select_on: Literal["val", "test", "last"] = "val"
    """What chooses the checkpoint: recalls on val, on test (say so when you report), or the last epoch."""


def load_temporal_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe | BenchmarkRecipe:
    """Read a recipe that trains a temporal stage: of the whole pipeline, or of a benchmark (its data have features).

    Raises:
        InputError: as stvg.config.load_config.
    """
    values = read_values(path, overrides)
    data = values.get("data")
    if isinstance(data, dict) and "features" in data:
        return parse_config(BenchmarkRecipe, values, str(path), overrides)
    return parse_config(Recipe, values, str(path), overrides)
