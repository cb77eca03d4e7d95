"""Losses, gradients and scores of MMN on a device, against the CPU's in float64."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gpu.variants import Row
from temporal.mmn.losses import LossConfig, mmn_losses
from temporal.mmn.map_conv import MapKernel
from temporal.mmn.moment_map import moment_ious
from temporal.mmn.network import MMN, Embeddings, MMNConfig, cosines, iou_scores, make_mmn

VIDEOS, QUERIES, WIDTH, TEXT_SIZE, JOINT = 4, 12, 48, 32, 32


@dataclass(frozen=True, slots=True)
class _Map:
    """The moment map and the convolutions of a network."""

    num_clips: int
    pooling_counts: tuple[int, ...]
    conv_kernel: int
    conv_layers: int


_MAPS = {"16 x 16, k 5, 4 layers": _Map(16, (15,), 5, 4), "32 x 32, k 9, 2 layers": _Map(32, (15, 8), 9, 2)}


def measure_agreement(device: str, channels: int) -> Iterator[Row]:
    """Yield the largest error of each quantity, relative to its largest value, for each map, kernel and precision."""
    allowed = torch.backends.cudnn.allow_tf32
    kernels: tuple[MapKernel, ...] = ("dense", "active")
    try:
        for name, sizes in _MAPS.items():
            expected = _computed(sizes, channels, "cpu", torch.float64, "dense", bfloat16=False)
            for kernel in kernels:
                for precision in ("float32", "float32 without TF32", "bfloat16"):
                    torch.backends.cudnn.allow_tf32 = precision != "float32 without TF32"
                    found = _computed(sizes, channels, device, torch.float32, kernel, bfloat16=precision == "bfloat16")
                    errors = {key: _error(found[key], value) for key, value in expected.items()}
                    yield {"map": name, "kernel": kernel, "precision": precision, **errors}
    finally:
        torch.backends.cudnn.allow_tf32 = allowed


def _error(found: Tensor, expected: Tensor) -> float:
    return float((found.double().cpu() - expected).abs().max() / expected.abs().max())


def _network(sizes: _Map, channels: int, kernel: MapKernel) -> MMN:
    torch.manual_seed(0)
    config = MMNConfig(
        num_pre_clips=2 * sizes.num_clips,
        num_clips=sizes.num_clips,
        pool_kernel=2,
        hidden_size=channels,
        joint_size=JOINT,
        moment_map="pool",
        pooling_counts=sizes.pooling_counts,
        conv_kernel=sizes.conv_kernel,
        conv_layers=sizes.conv_layers,
        map_kernel=kernel,
    )
    return make_mmn(config, WIDTH, TEXT_SIZE)


def _computed(
    sizes: _Map, channels: int, device: str, dtype: torch.dtype, kernel: MapKernel, *, bfloat16: bool
) -> dict[str, Tensor]:
    """Return losses (3,), all gradients in one row and the scores in eval mode, of one fixed random batch."""
    model = _network(sizes, channels, kernel).to(device=device, dtype=dtype)
    generator = torch.Generator().manual_seed(1)
    clips = torch.randn(VIDEOS, 2 * sizes.num_clips, WIDTH, generator=generator, dtype=torch.float64)
    vectors = torch.randn(QUERIES, TEXT_SIZE, generator=generator, dtype=torch.float64)
    moments = torch.rand(QUERIES, 2, generator=generator, dtype=torch.float64).sort(dim=1).values
    moments[:, 1] += 0.05
    ious = moment_ious(moments.numpy(), model.mask)
    inputs = [one.to(device=device, dtype=dtype) for one in (clips, vectors, ious, moments)]
    videos = torch.arange(QUERIES, device=device) % VIDEOS

    def embed() -> Embeddings:
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            embeddings: Embeddings = model(*inputs[:2])
        return embeddings

    found = embed()
    contrastive = cosines(found.queries.contrastive.to(dtype), found.maps.contrastive.to(dtype))
    iou = cosines(found.queries.iou.to(dtype), found.maps.iou.to(dtype))
    losses = mmn_losses(contrastive, iou, inputs[2], videos, inputs[3], LossConfig())
    losses.total(0.5).backward()  # type: ignore[no-untyped-call]
    gradients = torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None])
    model.eval()
    with torch.no_grad():
        answered = embed()
    scores = iou_scores(cosines(answered.queries.iou.to(dtype), answered.maps.iou.to(dtype)))
    return {
        "losses": torch.stack([losses.vid, losses.sent, losses.iou]).detach(),
        "gradients": gradients,
        "scores": scores,
    }
