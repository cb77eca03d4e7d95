"""Settings of a training run."""

from typing import Literal

from pydantic.dataclasses import dataclass

from stvg.config import STRICT, Count, NotNegative, Positive, ProperShare, Share, WholeNumber

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, config=STRICT)
class TrainingConfig:
    """Optimiser, schedule and augmentation of a training run; the defaults are those published for Charades-STA."""

    epochs: Count = 18
    batch_size: Count = 48
    """Videos per step, each with all its sentences."""
    lr: NotNegative = 1e-4
    text_lr_scale: NotNegative = 0.1
    """Learning rate of the text encoder as a multiple of lr."""
    frozen_text_epochs: WholeNumber = 4
    """Epochs at the start in which the text encoder does not learn; a number >= epochs freezes it altogether."""
    betas: tuple[ProperShare, ProperShare] = (0.9, 0.99)
    weight_decay: NotNegative = 1e-5
    milestones: tuple[Count, ...] = (8, 13)
    """Epochs after which lr is multiplied by 0.1."""
    warmup_steps: WholeNumber = 0
    """Steps at the start over which lr rises linearly."""
    cosine: bool = False
    """Cosine decay of lr to zero over the whole run, in place of the milestones."""
    precision: Precision = "float32"
    """bfloat16: forward and backward pass of the network under autocast; weights and losses stay float32."""
    crops: WholeNumber = 0
    """Random crops in time per sentence, made before training; an epoch draws the whole video or one version of it."""
    crop_share: ProperShare = 0.3
    """Largest share of a video that a crop cuts off at either end."""
    concatenations: WholeNumber = 0
    """Random concatenations of each sentence's video with another one, further versions as the crops are."""
    rewordings: WholeNumber = 0
    """Paraphrases of a video's sentences by similar words of the text encoder (see temporal.training.paraphrase),
    further versions as the crops are."""
    reworded_share: Share = 0.3
    """Probability that a paraphrase replaces a word that has similar ones."""
    clip_norm: Positive = 5.0
    """Largest joint norm of all gradients of a step."""
    full_contrastive_epochs: WholeNumber = 7
    """Epochs after which the contrastive losses count 0.01 of their weight (the official log says "only bce")."""
    validate_from: Count = 1
    """First epoch (counted from 1) after which val is scored."""
    validate_every: Count = 1
    """Epochs from one scoring of val to the next."""
