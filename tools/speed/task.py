"""A random batch of a recipe's sizes, and networks that read it."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from stvg.compute.device import usable
from stvg.compute.matmul import use_onednn_linear
from stvg.errors import InputError
from stvg.recipe.networks import text_learns
from stvg.recipe.schema import RankerConfig, StageConfig, TemporalConfig
from temporal.mmn.losses import LossConfig
from temporal.mmn.map_conv import MapKernel
from temporal.mmn.moment_map import moment_ious, moment_map_mask
from temporal.mmn.network import MMN, make_mmn
from temporal.mmn.text_encoder import TextBackbone, TextTokenizer, TokenBatch, load_text_backbone
from temporal.sparse_conv.cells import needed_cells, reachable_cells, valid_counts
from temporal.training.moment_items import MomentItem


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """`videos` of `sentences` each, about `tokens` tokens long, and clip features of `width` columns."""

    videos: int
    sentences: int = 3
    tokens: int = 12
    width: int = 4096


def load_text(name: str) -> tuple[str, TextBackbone]:
    """Return the text encoder `name` and its description: a random one for a DistilBERT that is not on this machine.

    Raises:
        InputError: another encoder that cannot be loaded.
    """
    try:
        return name, load_text_backbone(name)
    except InputError:
        if not name.startswith("distilbert"):
            raise
    return f"DistilBERT of the published size, randomly initialised; {name} is not on this machine", random_distilbert()


def random_distilbert(**sizes: int) -> TextBackbone:
    """Return a randomly initialised DistilBERT, but for `sizes` as large as distilbert-base-uncased."""
    from transformers import DistilBertConfig, DistilBertModel

    config = DistilBertConfig(**sizes)
    encoder = DistilBertModel(config)
    use_onednn_linear(encoder)
    return TextBackbone(encoder, config.dim)


class RandomTokens(TextTokenizer):
    """Stands for a tokenizer: gives each of the given sentences random tokens, always the same."""

    def __init__(self, sentences: Sequence[str], tokens: int, words: int) -> None:
        lengths = torch.randint(max(3, tokens - 4), tokens + 5, (len(sentences),)).tolist()
        self._tokens_of = {
            text: torch.randint(words, (length,)) for text, length in zip(sentences, lengths, strict=True)
        }

    def tokenize(self, sentences: Sequence[str]) -> TokenBatch:
        """Return the tokens of `sentences`, padded to the longest."""
        ids = [self._tokens_of[text] for text in sentences]
        masks = [torch.ones(len(row), dtype=torch.bool) for row in ids]
        return TokenBatch(pad_sequence(ids, batch_first=True), pad_sequence(masks, batch_first=True))


@dataclass(frozen=True, slots=True, eq=False)
class SpeedTask:
    """A batch of training `items`, their `tokenizer`, and the stage whose network reads them with a text `backbone`.

    `text` says which encoder that is. `loss` is the stage's in mode "match" with negatives of all videos, which the
    authors' way can compute too.
    """

    device: str
    stage: TemporalConfig | RankerConfig
    sizes: BatchSizes
    text: str
    backbone: TextBackbone
    text_learns: bool
    loss: LossConfig
    items: tuple[MomentItem, ...]
    tokenizer: RandomTokens

    def make_network(self, kernel: MapKernel) -> tuple[MMN, TextBackbone]:
        """Return the network and its text encoder, each time of the same weights; the one holds the other if it learns.

        Raises:
            InputError: sizes that do not fit each other.
        """
        backbone = deepcopy(self.backbone)
        network = replace(self.stage.network, map_kernel=kernel, feature_dropout=0.0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                learning = backbone if self.text_learns else None
                model = make_mmn(network, self.sizes.width, backbone.hidden_size, learning)
            except ValueError as error:
                raise InputError(f"config: temporal.network: {error}") from error
        return model.to(self.device), backbone

    def read_clips(self) -> Tensor:
        """Return the clips (B, P, D) of all videos, which lie in the CPU's memory as they do in training."""
        return torch.cat([item.read_clips() for item in self.items])


def make_task(
    stage: TemporalConfig | RankerConfig, device: str, sizes: BatchSizes, backbone: TextBackbone | None = None
) -> SpeedTask:
    """Return a random batch for the stage; `backbone` stands in for the recipe's text encoder.

    Raises:
        InputError: sizes that do not fit each other, sentences too long for the text encoder, or no such device.
    """
    usable(device)
    text, backbone = ("a given one", backbone) if backbone else load_text(stage.text)
    encoder: Any = backbone.encoder
    if (longest := encoder.config.max_position_embeddings - 4) < sizes.tokens:
        raise InputError(f"--tokens: expected at most {longest} for {text}, got {sizes.tokens}")
    try:
        mask = torch.from_numpy(moment_map_mask(stage.network.num_clips, stage.network.pooling_counts))
    except ValueError as error:
        raise InputError(f"config: temporal.network: {error}") from error
    items = tuple(_item(number, stage, sizes, mask) for number in range(sizes.videos))
    return SpeedTask(
        device=device,
        stage=stage,
        sizes=sizes,
        text=text,
        backbone=backbone,
        text_learns=text_learns(stage),
        loss=replace(stage.loss, mode="match", negatives="all"),
        items=items,
        tokenizer=RandomTokens([one for item in items for one in item.texts], sizes.tokens, encoder.config.vocab_size),
    )


def _item(number: int, stage: StageConfig, sizes: BatchSizes, mask: Tensor) -> MomentItem:
    clips = nn.functional.normalize(torch.randn(1, stage.network.num_pre_clips, sizes.width), dim=2)
    moments = torch.rand(sizes.sentences, 2).sort(dim=1).values + torch.tensor([0.0, 1e-2])
    return MomentItem(
        texts=tuple(f"video {number} sentence {one}" for one in range(sizes.sentences)),
        num_maps=1,
        read_clips=lambda: clips,
        described=torch.zeros(sizes.sentences, dtype=torch.int64),
        ious=moment_ious(moments.double().numpy(), mask),
        moments=moments,
    )


def count_operations(task: SpeedTask, *, training: bool) -> int:
    """Return the floating point operations that one step, or answering the batch once, asks for.

    Counted are the products of the clip layer, of a direct convolution over active cells (each with its active
    neighbours), of the heads and of the text encoder (none where its vectors are cached). A step takes three times
    those of a forward pass. Tiles in the frequency domain need fewer, the whole canvas needs more.
    """
    network, sizes = task.stage.network, task.sizes
    mask = torch.from_numpy(moment_map_mask(network.num_clips, network.pooling_counts))
    counts = valid_counts(mask, network.conv_kernel, network.conv_layers)
    cells = (reachable_cells if training else needed_cells)(mask, counts, network.conv_kernel)
    pairs = sum(int(count[own].sum()) for count, own in zip(counts, cells[1:], strict=True))
    clips = network.num_pre_clips * sizes.width * network.hidden_size
    heads = 2 * int(mask.sum()) * network.hidden_size * network.joint_size
    queries = 2 * sizes.sentences * task.backbone.hidden_size * network.joint_size
    products = sizes.videos * (clips + pairs * network.hidden_size**2 + heads + queries)
    if task.text_learns:
        weights = task.backbone.named_parameters()
        inner = sum(weight.numel() for name, weight in weights if "embeddings" not in name)
        products += inner * sum(int(task.tokenizer.tokenize(item.texts).mask.sum()) for item in task.items)
    return 2 * (3 if training else 1) * products
