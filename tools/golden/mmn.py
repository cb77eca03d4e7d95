"""Figures of the official implementation, recomputed: MMN over the moments of videos.

A golden file holds what the official code computed from given weights and inputs: averaged features, score maps,
ranked moments, recalls, losses, gradients and the weights after one optimiser step. `golden.tube_mmn` does the same for
the MMN over tubes and shares most functions.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from golden.file import Array, Figure, GoldenFile
from stvg.errors import InputError
from temporal.benchmarks.nms import MomentGrid, moment_scores, ranked_moments_s
from temporal.benchmarks.recall import recall_table
from temporal.mmn.clip_features import average_clips, normalise_features
from temporal.mmn.losses import LossConfig, Losses, mmn_losses
from temporal.mmn.moment_map import cell_spans_s, span_iou
from temporal.mmn.network import MMN, Embeddings, MMNConfig, cosines, iou_scores, lay_out, make_mmn
from temporal.mmn.text_encoder import TextBackbone, TokenBatch
from temporal.official.weight_names import from_official, our_name
from temporal.training.checkpoint import weight_problems
from temporal.training.config import TrainingConfig
from temporal.training.optimizer import clip_and_step, make_optimizer


def check_mmn(golden: GoldenFile) -> list[Figure]:
    """Recompute every figure of an mmn_*.npz.

    Raises:
        InputError: an array or a size of the config is missing, or weights do not fit the sizes.
    """
    model = golden_model(golden)
    clips, figures = averaged_features(golden, clamp=True)
    figures.append(golden.compare("mask", "mask2d", model.mask))
    figures += _target_figures(golden)
    figures += _score_figures(golden, model, clips)
    figures += _ranking_figures(golden)
    embeddings = model.train()(clips, all_golden_tokens(golden))
    return figures + training_figures(golden, model, _train_losses(golden, embeddings, model.mask))


def golden_model(golden: GoldenFile) -> MMN:
    """Return the network of the file's sizes and weights, in eval mode.

    Raises:
        InputError: a size is missing or does not fit, or weights do not fit the sizes.
    """
    from transformers import DistilBertConfig, DistilBertModel

    config = golden.config
    try:
        encoder = DistilBertModel(DistilBertConfig(**config["bert"]))
        sizes = MMNConfig(
            num_pre_clips=config["num_pre_clips"],
            num_clips=config["num_clips"],
            pool_kernel=config["pool_kernel"],
            hidden_size=config["hidden"],
            joint_size=config["joint"],
            moment_map=config.get("map", "pool"),
            pooling_counts=tuple(config["pooling_counts"]),
            conv_kernel=config["conv_kernel"],
            conv_layers=config["conv_layers"],
        )
        text_size = config["bert"]["dim"]
        model = make_mmn(sizes, config["input"], text_size, TextBackbone(encoder, text_size)).to(golden.dtype)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{golden.path}: config: {error}") from error
    try:
        load_official(model, {name: golden.tensor(f"state/{name}") for name in golden.names("state/")})
    except InputError as error:
        raise InputError(f"{golden.path}: {error}") from error
    return model.eval()


def averaged_features(golden: GoldenFile, *, clamp: bool) -> tuple[Tensor, list[Figure]]:
    """Return the features of raw/* normalised and averaged (B, P, D), and how they compare."""
    raws = [golden.tensor(f"raw/{index}").numpy() for index in range(golden.count("raw/"))]
    num_clips = golden.config["num_pre_clips"]
    clips = np.stack([average_clips(normalise_features(raw), num_clips, clamp=clamp) for raw in raws])
    return torch.from_numpy(clips), [golden.compare("averaging", "feats", clips)]


def golden_tokens(golden: GoldenFile, video: int) -> TokenBatch:
    """Return the tokens of one video's sentences."""
    ids, lengths = golden.tensor(f"query/{video}"), golden.tensor(f"wordlen/{video}")
    return TokenBatch(ids, torch.arange(ids.shape[1]) < lengths[:, None])


def all_golden_tokens(golden: GoldenFile) -> TokenBatch:
    """Return the tokens of all sentences, padded to one width."""
    return join_tokens([golden_tokens(golden, video) for video in range(golden.count("query/"))])


def golden_loss_config(golden: GoldenFile) -> LossConfig:
    """Return the file's loss hyper-parameters, in mode "match"."""
    loss = golden.config["loss"]
    return LossConfig(
        mode="match",
        min_iou=loss["min_iou"],
        max_iou=loss["max_iou"],
        num_positives=loss["num_postive_video_proposal"],
        negative_iou=loss["negative_video_iou"],
        removal_iou=loss["sent_removal_iou"],
        tau_video=loss["tau_video"],
        tau_sentence=loss["tau_sent"],
        margin=loss["margin"],
        contrastive_weight=loss["contrastive_weight"],
    )


def training_figures(golden: GoldenFile, model: MMN, losses: Losses) -> list[Figure]:
    """Compare the losses of a forward pass in train mode, its gradients and one step from the golden gradients."""
    losses.total(golden.config["loss"]["contrastive_weight"]).backward()  # type: ignore[no-untyped-call]
    figures = [golden.compare(f"loss_{name}", f"train/loss_{name}", getattr(losses, name)) for name in _LOSSES]
    figures += _gradient_figures(golden, model)
    _golden_step(golden, model)
    state = model.state_dict()
    for name in golden.names("train/state_after_step/"):
        key, ours = f"train/state_after_step/{name}", our_name(name)
        quantity = "batchnorm" if "running_" in name or "num_batches" in name else "step"
        figures.append(golden.compare(quantity, key, golden[f"state/{name}"] if ours is None else state[ours]))
    return figures


_LOSSES = ("vid", "sent", "iou")


def _gradient_figures(golden: GoldenFile, model: MMN) -> list[Figure]:
    names = golden.names("train/grad/")
    floor = 1e-3 * max(float(np.abs(golden[f"train/grad/{name}"]).max()) for name in names)
    # Parameters that we do not train (see MapConv) have no gradient, where the official code computes zero.
    gradients = {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in model.named_parameters()}
    figures = [
        golden.compare("gradients", f"train/grad/{name}", gradients.get(our_name(name) or "", torch.zeros(0)), floor)
        for name in names
    ]
    norm = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
    return [*figures, golden.compare("grad_norm", "train/grad_norm", norm)]


def _golden_step(golden: GoldenFile, model: MMN) -> None:
    """Take one optimiser step as the recipe does it, from the file's gradients."""
    config, parameters = golden.config, dict(model.named_parameters())
    for parameter in parameters.values():
        parameter.grad = None
    for name in golden.names("train/grad/"):
        ours = our_name(name)
        if ours is not None:
            parameters[ours].grad = golden.tensor(f"train/grad/{name}")
    text = [] if model.text_backbone is None else list(model.text_backbone.parameters())
    training = TrainingConfig(
        lr=config["lr"],
        text_lr_scale=config["bert_lr_scale"],
        betas=tuple(config["betas"]),
        weight_decay=config["weight_decay"],
    )
    optimizer = make_optimizer(model, text, training)
    clip_and_step(optimizer, model.parameters(), config["clip_norm"])


def _target_figures(golden: GoldenFile) -> list[Figure]:
    """Compare the tIoU of each true moment with all N * N cells."""
    num_clips = golden.config["num_clips"]
    cells = np.indices((num_clips, num_clips)).reshape(2, -1).T
    figures = []
    for video, duration in enumerate(golden["duration"]):
        moments = golden[f"moment/{video}"]
        ious = span_iou(cell_spans_s(cells, num_clips, float(duration)), moments[:, None])
        figures.append(golden.compare("targets", f"iou2d/{video}", ious.reshape(-1, num_clips, num_clips)))
    return figures


@torch.no_grad()
def _score_figures(golden: GoldenFile, model: MMN, clips: Tensor) -> list[Figure]:
    maps, figures = model.encode_maps(clips), []
    for video in range(len(clips)):
        queries = model.encode_queries(golden_tokens(golden, video))
        contrastive = lay_out(cosines(queries.contrastive, maps.contrastive)[:, video], model.mask)
        iou = lay_out(iou_scores(cosines(queries.iou, maps.iou)[:, video]), model.mask)
        figures.append(golden.compare("contrastive", f"eval/contrastive/{video}", contrastive))
        figures.append(golden.compare("iou", f"eval/iou/{video}", iou))
    return figures


def _ranking_figures(golden: GoldenFile) -> list[Figure]:
    """Compare ranked moments and recalls, recomputed from the file's own score maps."""
    config, mask = golden.config, golden["mask2d"].astype(bool)
    grid = MomentGrid(mask, config["nms_threshold"])
    figures, ranked = [], []
    for video, duration in enumerate(golden["duration"]):
        contrastive, iou = golden[f"eval/contrastive/{video}"], golden[f"eval/iou/{video}"]
        scores = moment_scores(contrastive, iou, config["contrastive_power"])[:, mask]
        for sentence, row in enumerate(scores):
            key = f"eval/nms/{video}/{sentence}"
            limit = max(len(golden[key]), 5)
            moments = ranked_moments_s(grid, grid.rank(row[None], limit, [duration]), config["num_clips"], [duration])[
                0
            ]
            figures.append(golden.compare("nms", key, moments[: len(golden[key])]))
            ranked.append(moments[:5])
    truths = np.concatenate([golden[f"moment/{video}"] for video in range(len(golden["duration"]))])
    return figures + _recall_figures(golden, np.stack(ranked), truths)


def _recall_figures(golden: GoldenFile, moments: Array, truths: Array) -> list[Figure]:
    names = golden.names("eval/metric/")
    pairs = {name: (int(hit[1]), float(hit[2])) for name in names if (hit := re.fullmatch(r"R@(\d+),IoU@(.+)", name))}
    firsts, thresholds = sorted({n for n, _ in pairs.values()}), sorted({m for _, m in pairs.values()})
    table = recall_table(moments, truths, firsts, thresholds)
    values = {name: table.recall[pair] for name, pair in pairs.items()}
    values |= {f"Best_R{n}": table.mean_recall(n) for n in firsts}
    return [golden.compare("recalls", f"eval/metric/{name}", values.get(name, float("nan"))) for name in names]


def _train_losses(golden: GoldenFile, embeddings: Embeddings, mask: Tensor) -> Losses:
    videos = range(len(golden["duration"]))
    counts = torch.tensor([len(golden[f"moment/{video}"]) for video in videos])
    return mmn_losses(
        cosines(embeddings.queries.contrastive, embeddings.maps.contrastive),
        cosines(embeddings.queries.iou, embeddings.maps.iou),
        torch.cat([golden.tensor(f"iou2d/{video}") for video in videos])[:, mask],
        torch.repeat_interleave(torch.arange(len(counts)), counts),
        torch.cat([golden.tensor(f"moment/{video}") for video in videos]),
        golden_loss_config(golden),
    )


def load_official(model: MMN, state: Mapping[str, Tensor]) -> None:
    """Copy an official state dict into `model`, which has a text backbone of the same kind.

    Raises:
        InputError: any name missing or unexpected, or of another shape; all of them are listed.
    """
    renamed, own = from_official(state), model.state_dict()
    problems = weight_problems({name: tuple(value.shape) for name, value in own.items()}, renamed)
    if problems:
        raise InputError(f"weights: {'; '.join(problems)}")
    model.load_state_dict(renamed)


def join_tokens(batches: Sequence[TokenBatch]) -> TokenBatch:
    """Return the sentences of all `batches`, padded to the widest."""
    ids = [row for batch in batches for row in batch.ids]
    masks = [row for batch in batches for row in batch.mask]
    return TokenBatch(pad_sequence(ids, batch_first=True), pad_sequence(masks, batch_first=True))
