"""Whether MMN computes on a device what it computes on the CPU in float64: losses, gradients, scores."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from temporal.mmn.losses import LossConfig, mmn_losses
from temporal.mmn.moment_map import moment_ious
from temporal.mmn.network import MMN, MMNConfig, cosines, iou_scores, make_mmn

MAPS = {"16 x 16, k 5, 4 layers": (16, (15,), 5, 4), "32 x 32, k 9, 2 layers": (32, (15, 8), 9, 2)}
VIDEOS, QUERIES, WIDTH, TEXT = 4, 12, 48, 32


def measure_agreement(device: str, channels: int) -> Iterator[dict[str, Any]]:
    """Yield the largest error of each quantity, relative to the largest value, for each map, kernel and precision."""
    for name, sizes in MAPS.items():
        expected = _computed("cpu", torch.float64, "dense", (*sizes, channels), bfloat16=False)
        for kernel in ("dense", "active"):
            for precision in ("float32", "float32 without TF32", "bfloat16"):
                torch.backends.cudnn.allow_tf32 = precision != "float32 without TF32"
                found = _computed(device, torch.float32, kernel, (*sizes, channels), bfloat16=precision == "bfloat16")
                yield {
                    "map": name,
                    "kernel": kernel,
                    "precision": precision,
                    **{key: _error(found[key], value) for key, value in expected.items()},
                }
        torch.backends.cudnn.allow_tf32 = True


def _error(found: Tensor, expected: Tensor) -> float:
    return float((found.double().cpu() - expected).abs().max() / expected.abs().max())


def _computed(device: str, dtype: torch.dtype, kernel: Any, sizes: Any, *, bfloat16: bool) -> dict[str, Tensor]:
    clips_n, counts, side, layers, channels = sizes
    torch.manual_seed(0)
    model: MMN = (
        make_mmn(
            MMNConfig(
                num_pre_clips=2 * clips_n,
                num_clips=clips_n,
                pool_kernel=2,
                hidden_size=channels,
                joint_size=32,
                moment_map="pool",
                pooling_counts=counts,
                conv_kernel=side,
                conv_layers=layers,
                map_kernel=kernel,
            ),
            WIDTH,
            TEXT,
        )
        .to(device=device, dtype=dtype)
        .train()
    )
    generator = torch.Generator().manual_seed(1)
    clips = torch.randn(VIDEOS, 2 * clips_n, WIDTH, generator=generator, dtype=torch.float64)
    vectors = torch.randn(QUERIES, TEXT, generator=generator, dtype=torch.float64)
    moments = torch.rand(QUERIES, 2, generator=generator, dtype=torch.float64).sort(dim=1).values
    moments[:, 1] += 0.05
    ious = moment_ious(moments.numpy(), model.mask).to(device=device, dtype=dtype)
    videos = torch.arange(QUERIES, device=device) % VIDEOS
    with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
        found = model(clips.to(device=device, dtype=dtype), vectors.to(device=device, dtype=dtype))
    exact = torch.promote_types(dtype, torch.float32)
    contrastive = cosines(found.queries.contrastive.to(exact), found.maps.contrastive.to(exact))
    iou = cosines(found.queries.iou.to(exact), found.maps.iou.to(exact))
    losses = mmn_losses(contrastive, iou, ious, videos, moments.to(device=device, dtype=dtype), LossConfig())
    losses.total(0.5).backward()  # type: ignore[no-untyped-call]
    gradients = torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None])
    model.eval()
    with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=bfloat16):
        answered = model(clips.to(device=device, dtype=dtype), vectors.to(device=device, dtype=dtype))
    scores = iou_scores(cosines(answered.queries.iou.to(exact), answered.maps.iou.to(exact)))
    return {
        "losses": torch.stack([losses.vid, losses.sent, losses.iou]).detach(),
        "gradients": gradients,
        "scores": scores,
    }
