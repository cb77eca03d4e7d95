"""Settings of a training run."""

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from stvg.config import STRICT

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, config=STRICT)
class TrainingConfig:
    """Optimiser, schedule and augmentation of a training run; the defaults are those published for Charades-STA."""

    epochs: int = Field(default=18, ge=1)
    batch_size: int = Field(default=48, ge=1)
    """Videos per step, each with all its sentences."""
    lr: float = Field(default=1e-4, ge=0)
    text_lr_scale: float = Field(default=0.1, ge=0)
    """Learning rate of the text encoder as a multiple of lr."""
    frozen_text_epochs: int = Field(default=4, ge=0)
    """Epochs at the start in which the text encoder does not learn; a number >= epochs freezes it altogether."""
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(default=1e-5, ge=0)
    milestones: tuple[int, ...] = (8, 13)
    """Epochs after which lr is multiplied by 0.1."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps at the start over which lr rises linearly."""
    cosine: bool = False
    """Cosine decay of lr to zero over the whole run, in place of the milestones."""
    precision: Precision = "float32"
    """bfloat16: forward and backward pass of the network under autocast; weights and losses stay float32."""
    crops: int = Field(default=0, ge=0)
    """Random crops in time per sentence, made before training; an epoch draws the whole video or one version of it."""
    crop_share: float = Field(default=0.3, ge=0, lt=1)
    """Largest share of a video that a crop cuts off at either end."""
    concatenations: int = Field(default=0, ge=0)
    """Random concatenations of each sentence's video with another one, further versions as the crops are."""
    rewordings: int = Field(default=0, ge=0)
    """Paraphrases of a video's sentences by similar words of the text encoder (see temporal.training.paraphrase),
    further versions as the crops are."""
    reworded_share: float = Field(default=0.3, ge=0, le=1)
    """Probability that a paraphrase replaces a word that has similar ones."""
    clip_norm: float = Field(default=5.0, gt=0)
    """Largest joint norm of all gradients of a step."""
    full_contrastive_epochs: int = Field(default=7, ge=0)
    """Epochs after which the contrastive losses count 0.01 of their weight (the official log says "only bce")."""
    validate_from: int = 1
    """First epoch (counted from 1) after which val is scored."""
    validate_every: int = Field(default=1, ge=1)
    """Epochs from one scoring of val to the next."""
