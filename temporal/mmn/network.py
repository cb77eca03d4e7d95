"""The Mutual Matching Network: joint embeddings of moments and sentences.

Source: Wang et al., Negative Sample Matters, AAAI 2022 (arXiv 2109.04872), and MCG-NJU/MMN (mmn/modeling/mmn/mmn.py).
The network gives embeddings only: scores come from the functions below, losses from temporal.mmn.losses.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass as config_dataclass
from torch import Tensor, nn

from stvg.config import STRICT, ProperShare, Size
from temporal.mmn.map_conv import MapConv, MapKernel
from temporal.mmn.moment_map import MapKind, MomentMap2D, make_moment_map
from temporal.mmn.text_encoder import QueryEmbeddings, QueryHeads, TextBackbone, TokenBatch

IOU_SCALE = 10.0
"""Factor on the cosine of the IoU branch before the sigmoid."""


@config_dataclass(frozen=True, config=STRICT)
class MMNConfig:
    """Sizes of the network; the defaults are those published for Charades-STA."""

    num_pre_clips: Size = 32
    """P, clips that a video's features are averaged to."""
    num_clips: Size = 16
    """N, clips of the moment map; divides num_pre_clips."""
    pool_kernel: Size = 2
    """Kernel of the average pooling from P to N clips, at stride P / N."""
    hidden_size: Size = 512
    """Channels of the map and its convolutions."""
    joint_size: Size = 256
    """Width of the joint space of moments and sentences."""
    moment_map: MapKind = "pool"
    """Feature of a moment from its clips: pool, the maximum; conv, learned convolutions."""
    pooling_counts: tuple[Size, ...] = (15,)
    """Numbers of diagonals of the map at stride 1, 2, 4, ... clips."""
    conv_kernel: Size = 5
    """Side of the kernel of a map convolution, cells."""
    conv_layers: Size = 8
    """Number of map convolutions."""
    map_kernel: MapKernel = "active"
    """active: convolve the cells that moments reach; dense: the whole canvas. Results are equal up to rounding."""
    feature_dropout: ProperShare = 0.0
    """Share of the feature columns that training sets to zero, drawn per sequence and step; not in the paper."""


@dataclass(frozen=True, slots=True, eq=False)
class MapEmbeddings:
    """Moments in the joint space: `contrastive` and `iou`, each (B, J, K), K the cells of the mask, row by row."""

    contrastive: Tensor
    iou: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """What one forward pass gives: the moments of B videos (or tubes) and Q sentences."""

    maps: MapEmbeddings
    queries: QueryEmbeddings


class ClipPool(nn.Module):
    """Clip features (B, P, D) to the map's clips (B, H, N): a linear layer, ReLU, average over neighbours.

    In training a share `feature_dropout` of the columns is set to zero, each in all clips of a sequence.

    Raises:
        ValueError: N does not divide P, or the kernel does not give N clips.
    """

    def __init__(self, config: MMNConfig, input_size: int) -> None:
        super().__init__()
        num_pre_clips, num_clips, kernel = config.num_pre_clips, config.num_clips, config.pool_kernel
        stride = num_pre_clips // num_clips
        if num_pre_clips % num_clips or not 0 <= num_pre_clips - kernel - stride * (num_clips - 1) < stride:
            raise ValueError(
                f"num_pre_clips, num_clips, pool_kernel: expected a kernel that pools {num_pre_clips} "
                f"clips to {num_clips} at stride {stride}, got {kernel}"
            )
        self.num_pre_clips = num_pre_clips
        self.dropout = nn.Dropout1d(config.feature_dropout)
        self.conv = nn.Conv1d(input_size, config.hidden_size, 1)
        self.pool = nn.AvgPool1d(kernel, stride)

    def forward(self, clips: Tensor) -> Tensor:
        """Return the pooled clips (B, H, N)."""
        pooled: Tensor = self.pool(self.conv(self.dropout(clips.transpose(1, 2))).relu())
        return pooled


class MMN(nn.Module):
    """The network, made of its parts. `text_backbone` may be left out where sentence vectors are cached."""

    def __init__(
        self,
        clip_pool: ClipPool,
        moment_map: MomentMap2D,
        map_conv: MapConv,
        contrastive_head: nn.Module,
        iou_head: nn.Module,
        query_heads: QueryHeads,
        text_backbone: TextBackbone | None = None,
    ) -> None:
        super().__init__()
        self.clip_pool = clip_pool
        self.moment_map = moment_map
        self.map_conv = map_conv
        self.contrastive_head = contrastive_head
        self.iou_head = iou_head
        self.query_heads = query_heads
        self.text_backbone = text_backbone

    @property
    def mask(self) -> Tensor:
        """The (N, N) bool mask of candidate moments, on the network's device."""
        return self.moment_map.mask

    @property
    def num_pre_clips(self) -> int:
        """P, the number of clips that the network takes of each video or tube."""
        return self.clip_pool.num_pre_clips

    @property
    def input_size(self) -> int:
        """D, the width of a clip's features."""
        return self.clip_pool.conv.in_channels

    def encode_maps(self, clips: Tensor) -> MapEmbeddings:
        """Return the moments of `clips` (B, P, D), the averaged features of B videos or tubes, from any device."""
        maps = self.moment_map(self.clip_pool(clips.to(self.mask.device)))
        return self.embed_moments(self.map_conv.moments(maps))

    def embed_moments(self, moments: Tensor) -> MapEmbeddings:
        """Return the embeddings of `moments` (B, K, H), the convolved map's cells: the heads see no other cells."""
        pixels = moments.transpose(1, 2)[..., None]
        return MapEmbeddings(self.contrastive_head(pixels)[..., 0], self.iou_head(pixels)[..., 0])

    def encode_queries(self, queries: TokenBatch | Tensor) -> QueryEmbeddings:
        """Return the embeddings of Q sentences, given as tokens or as mean token vectors (Q, H).

        Raises:
            ValueError: tokens, but the network was made without a text backbone.
        """
        if isinstance(queries, TokenBatch):
            if self.text_backbone is None:
                raise ValueError("queries: expected sentence vectors (Q, H), got tokens for a network without backbone")
            queries = self.text_backbone(queries.to(self.mask.device))
        embeddings: QueryEmbeddings = self.query_heads(queries.to(self.mask.device))
        return embeddings

    def forward(self, clips: Tensor, queries: TokenBatch | Tensor) -> Embeddings:
        """Return the embeddings of `clips` (B, P, D) and of Q sentences (see encode_queries)."""
        return Embeddings(maps=self.encode_maps(clips), queries=self.encode_queries(queries))


def make_mmn(config: MMNConfig, input_size: int, text_size: int, text_backbone: TextBackbone | None = None) -> MMN:
    """Return a randomly initialised network.

    `input_size` is D, the width of a clip's features; `text_size` is H, the width of a sentence vector.

    Raises:
        ValueError: sizes that do not fit each other.
    """
    hidden_size, joint_size = config.hidden_size, config.joint_size
    moment_map = make_moment_map(config.moment_map, config.num_clips, config.pooling_counts, hidden_size)
    kernel_size, num_layers = config.conv_kernel, config.conv_layers
    return MMN(
        clip_pool=ClipPool(config, input_size),
        moment_map=moment_map,
        map_conv=MapConv(hidden_size, hidden_size, kernel_size, num_layers, moment_map.mask, config.map_kernel),
        contrastive_head=nn.Conv2d(hidden_size, joint_size, 1),
        iou_head=nn.Conv2d(hidden_size, joint_size, 1),
        query_heads=QueryHeads(text_size, joint_size),
        text_backbone=text_backbone,
    )


def cosines(queries: Tensor, moments: Tensor) -> Tensor:
    """Return the cosine (Q, B, ...) of each query (Q, J) with each moment of `moments` (B, J, ...), in [-1, 1].

    >>> cosines(torch.tensor([[2.0, 0.0]]), torch.tensor([[[3.0, 0.0], [0.0, 5.0]]])).tolist()
    [[[1.0, 0.0]]]
    """
    return torch.einsum("qj,bj...->qb...", F.normalize(queries, dim=1), F.normalize(moments, dim=1))


def iou_scores(cosine: Tensor) -> Tensor:
    """Return the predicted IoU sigmoid(10 cos), in (0, 1), of cosines of any shape."""
    return (cosine * IOU_SCALE).sigmoid()


def lay_out(values: Tensor, mask: Tensor) -> Tensor:
    """Return values (..., K) of the cells of `mask` (N, N), row by row, as maps (..., N, N), zero outside the mask.

    >>> lay_out(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([[True, True], [False, True]])).tolist()
    [[1.0, 2.0], [0.0, 3.0]]
    """
    maps = values.new_zeros(*values.shape[:-1], *mask.shape)
    maps[..., mask] = values
    return maps
