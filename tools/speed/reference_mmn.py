"""MMN computed the way its authors' code does it, as a reference for speed: written anew, slow where theirs is.

What makes it slow is kept: the whole canvas is convolved, heads and cosines cover all N x N cells, the text encoder is
called once per video, the losses loop over the videos of a batch. The numbers are those of temporal.network and of
temporal.mmn.losses in mode "match".

Source: MCG-NJU/MMN (mmn/modeling/mmn/mmn.py, loss.py). A difference: its loss of the IoU branch takes probabilities to
a binary cross entropy, as here; ours takes logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from temporal.mmn.losses import LossConfig, Losses
from temporal.mmn.network import IOU_SCALE, MMN
from temporal.mmn.text_encoder import QueryEmbeddings, TextBackbone, TokenBatch


@dataclass(frozen=True, slots=True, eq=False)
class OfficialEmbeddings:
    """Maps (B, J, N, N) of both branches, and the sentences of each video."""

    contrastive: Tensor
    iou: Tensor
    queries: list[QueryEmbeddings]


@dataclass(frozen=True, slots=True, eq=False)
class VideoTruth:
    """One video's sentences: `ious` (S, N, N) of the cells with each true moment, `moments` (S, 2)."""

    ious: Tensor
    moments: Tensor


def encode_sentences(model: MMN, backbone: TextBackbone, videos: Sequence[TokenBatch]) -> list[QueryEmbeddings]:
    """Return the sentence embeddings of each video: one call of the text encoder per video."""
    return [model.query_heads(_mean_tokens(backbone.encoder, tokens)) for tokens in videos]


def _mean_tokens(encoder: nn.Module, tokens: TokenBatch) -> Tensor:
    """Return the mean token vectors (S, H) of one video's sentences."""
    states: Tensor = encoder(input_ids=tokens.ids, attention_mask=tokens.mask.long()).last_hidden_state
    weights = tokens.mask.to(states.dtype)[..., None]
    return (states * weights).sum(1) / weights.sum(1)


def encode_dense(model: MMN, clips: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maps (B, J, N, N) of the contrastive and of the IoU branch; `model` convolves densely."""
    hidden = model.map_conv(model.moment_map(model.clip_pool(clips)))
    return model.contrastive_head(hidden), model.iou_head(hidden)


def dense_scores(model: MMN, maps: OfficialEmbeddings) -> list[tuple[Tensor, Tensor]]:
    """Return each video's scores (S, N, N): cosines, and predicted IoUs, both zero outside the mask."""
    scores = []
    for video, queries in enumerate(maps.queries):
        contrastive = _cosine_map(queries.contrastive, maps.contrastive[video])
        iou = (_cosine_map(queries.iou, maps.iou[video]) * IOU_SCALE).sigmoid()
        scores.append((contrastive * model.mask, iou * model.mask))
    return scores


def _cosine_map(queries: Tensor, maps: Tensor) -> Tensor:
    """Return the cosines (S, N, N) of sentences (S, J) with the cells of one map (J, N, N)."""
    return (F.normalize(queries, dim=1) @ F.normalize(maps, dim=0).flatten(1)).view(-1, *maps.shape[1:])


def losses_by_video(mask: Tensor, maps: OfficialEmbeddings, truths: Sequence[VideoTruth], config: LossConfig) -> Losses:
    """Return the three losses of a batch, video by video and sentence by sentence, in mode "match"."""
    moments = F.normalize(maps.contrastive.masked_select(mask).view(*maps.contrastive.shape[:2], -1), dim=1)
    sentences = F.normalize(torch.cat([queries.contrastive for queries in maps.queries]), dim=1)
    video_terms, sentence_terms, first = [], [], 0
    for video, truth in enumerate(truths):
        ious = truth.ious.masked_select(mask).view(len(truth.ious), -1)
        overlaps = _overlaps(truth.moments)
        for own in range(len(ious)):
            best = ious[own].topk(config.num_positives).indices
            for cell in best:
                row = sentences @ moments[video, :, cell]
                kept = torch.ones(len(sentences), dtype=torch.bool, device=row.device)
                kept[first : first + len(ious)] = overlaps[own] < config.removal_iou
                kept[first + own] = True
                video_terms.append(_video_term(row, kept, first + own, config))
            sentence_terms += _sentence_terms(sentences[first + own], moments, video, ious[own], best, config)
        first += len(ious)
    return Losses(
        vid=torch.stack(video_terms).mean(),
        sent=torch.stack(sentence_terms).mean(),
        iou=_iou_loss(mask, maps, truths, config),
    )


def _overlaps(moments: Tensor) -> Tensor:
    """Return the IoUs (S, S) of the moments (S, 2) of one video."""
    starts, ends = moments.unbind(1)
    inter = (torch.minimum(ends[:, None], ends) - torch.maximum(starts[:, None], starts)).clamp(min=0)
    return inter / ((ends - starts)[:, None] + (ends - starts) - inter)


def _video_term(cosines: Tensor, kept: Tensor, own: int, config: LossConfig) -> Tensor:
    """Return the loss of one positive moment over all sentences, whose cosines with it are `cosines` (Q,)."""
    positive = ((cosines[own] - config.margin) / config.tau_video).exp()
    others = (cosines / config.tau_video).exp() * kept
    return -(positive / (positive + others.sum() - others[own])).log()


def _sentence_terms(
    sentence: Tensor, moments: Tensor, video: int, ious: Tensor, best: Tensor, config: LossConfig
) -> list[Tensor]:
    """Return the losses of one sentence (J,) for its positive moments, over all moments (B, J, K) of the batch."""
    cosines = torch.einsum("j,bjk->bk", sentence, moments)
    negative = (ious < config.negative_iou).to(cosines.dtype)
    own = (cosines[video] * negative / config.tau_sentence).exp().sum()
    others = sum((cosines[other] / config.tau_sentence).exp().sum() for other in range(len(moments)) if other != video)
    logits = (cosines[video, best] - config.margin) / config.tau_sentence
    return [(logit.exp() + own + others + 1e-6).log() - logit for logit in logits]


def _iou_loss(mask: Tensor, maps: OfficialEmbeddings, truths: Sequence[VideoTruth], config: LossConfig) -> Tensor:
    """Return the mean binary cross entropy over the masked cells of all sentences' own maps."""
    predicted, wanted = [], []
    for video, truth in enumerate(truths):
        scores = (_cosine_map(maps.queries[video].iou, maps.iou[video]) * IOU_SCALE).sigmoid()
        predicted.append(scores.masked_select(mask))
        targets = (truth.ious - config.min_iou) / (config.max_iou - config.min_iou)
        wanted.append(targets.clamp(0, 1).masked_select(mask))
    return F.binary_cross_entropy(torch.cat(predicted), torch.cat(wanted).to(predicted[0].dtype))
