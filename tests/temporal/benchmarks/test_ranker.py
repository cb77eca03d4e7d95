"""Ranked moments and recalls from features, against loops over single videos and sentences."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from temporal.benchmarks.annotations import AnnotatedVideo
from temporal.benchmarks.features import clips_of
from temporal.benchmarks.nms import moment_scores
from temporal.benchmarks.ranker import MomentRanker, RecallConfig, moment_item, rank_split
from temporal.mmn.moment_map import cell_spans_s, moment_cells, span_iou
from temporal.mmn.network import MMNConfig, cosines, make_mmn

N, P = 8, 16


def network():
    torch.manual_seed(0)
    return make_mmn(
        MMNConfig(
            num_pre_clips=P,
            num_clips=N,
            pool_kernel=2,
            hidden_size=8,
            joint_size=8,
            moment_map="pool",
            pooling_counts=(3, 2),
            conv_kernel=3,
            conv_layers=1,
        ),
        5,
        6,
    )


class Sentences:
    """Vectors of sentences from their lengths and first letters."""

    def encode(self, texts):
        return torch.stack(
            [torch.linspace(-1, 1, 6) * len(text) + torch.tensor([ord(text[0]) % 5.0] + 5 * [0.0]) for text in texts]
        )


SENTENCES = Sentences()


def videos():
    rng = np.random.default_rng(1)
    found = []
    for k, count in enumerate((2, 1, 3)):
        starts = rng.uniform(0, 8, count)
        moments = np.stack([starts, starts + rng.uniform(0.5, 2, count)], axis=1)
        found.append(AnnotatedVideo(f"v{k}", 10.0 + k, tuple("abc"[:count]), moments))
    return found, {f"v{k}": rng.normal(size=(20 + 9 * k, 5)).astype(np.float32) for k in range(3)}


def ranker(power=0.5):
    return MomentRanker(network(), SENTENCES, RecallConfig(nms_threshold=0.5), clamp=True, power=power)


def naive_ranked(one, features, text, duration, limit):
    """Score every cell alone, then take the best that no better one overlaps by more than half."""
    model = one.model
    with torch.no_grad():
        out = model(clips_of(features, P, clamp=True)[None], SENTENCES.encode([text]))
    contrastive = cosines(out.queries.contrastive, out.maps.contrastive)[0, 0].numpy()
    iou = torch.sigmoid(10 * cosines(out.queries.iou, out.maps.iou)[0, 0]).numpy()
    scores = moment_scores(contrastive, iou, one.power)
    spans = cell_spans_s(moment_cells(model.mask.numpy()), N, duration)
    kept = []
    for cell in sorted(range(len(scores)), key=lambda cell: -scores[cell]):
        if all(span_iou(spans[cell], spans[other]) <= 0.5 for other in kept):
            kept.append(cell)
    return spans[kept[:limit]], scores[kept[:limit]]


@pytest.mark.parametrize("power", [0.5, 0.3])
def test_localize_is_the_naive_ranking(power):
    found, features = videos()
    one = ranker(power)
    for video in found:
        ranked = one.localize(features[video.video_id], video.sentences, video.duration_s, limit=4)
        assert len(ranked) == len(video.sentences)
        for moments, text in zip(ranked, video.sentences, strict=True):
            spans, scores = naive_ranked(one, features[video.video_id], text, video.duration_s, 4)
            np.testing.assert_allclose(moments.spans_s, spans)
            np.testing.assert_allclose(moments.scores, scores, rtol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_rank_split_is_localize_of_each_video(batch_size):
    found, features = videos()
    one = ranker()
    ranking = rank_split(one, found, lambda name: clips_of(features[name], P, clamp=True), 3, batch_size)
    alone = [one.localize(features[video.video_id], video.sentences, video.duration_s, 3) for video in found]
    expected = [moments.spans_s for ranked in alone for moments in ranked]
    np.testing.assert_allclose(ranking.moments_s, np.stack(expected))
    np.testing.assert_allclose(ranking.truths_s, np.concatenate([video.moments_s for video in found]))
    assert ranking.durations_s.tolist() == [10, 10, 11, 12, 12, 12]


def test_groups_by_length_share_out_all_sentences():
    found, features = videos()
    ranking = rank_split(ranker(), found, lambda name: clips_of(features[name], P, clamp=True), 5, 8)
    config = RecallConfig(firsts=(1, 5), thresholds=(0.3,))
    whole = ranking.recalls(config)
    edges = (0.0, 0.1, 0.15, 1.0)
    groups = ranking.recalls_by_length(config, edges)
    shares = [(e - s) / d for (s, e), d in zip(ranking.truths_s, ranking.durations_s, strict=True)]
    sizes = [sum(low <= share < high for share in shares) for low, high in pairwise(edges)]
    assert [0 if group is None else group.num_queries for group in groups] == sizes
    for key, value in whole.recall.items():
        hits = sum(group.recall[key] * group.num_queries for group in groups if group is not None)
        assert hits == pytest.approx(value * whole.num_queries)


def test_a_moment_over_the_whole_video_is_in_the_last_group():
    video = AnnotatedVideo("v0", 10.0, ("a",), np.array([[0.0, 10.0]]))
    features = videos()[1]
    ranking = rank_split(ranker(), [video], lambda name: clips_of(features[name], P, clamp=True), 1, 8)
    first, last = ranking.recalls_by_length(RecallConfig(), (0.0, 0.5, 1.0))
    assert first is None
    assert last.num_queries == 1


def test_a_training_item_holds_the_tiou_of_every_cell():
    found, features = videos()
    model = network()
    item = moment_item(found[2], lambda name: clips_of(features[name], P, clamp=True), model.mask)
    assert item.texts == found[2].sentences
    assert item.read_clips().shape == (1, P, 5)
    spans = cell_spans_s(moment_cells(model.mask.numpy()), N, found[2].duration_s)
    for row, truth in zip(item.ious, found[2].moments_s, strict=True):
        np.testing.assert_allclose(row, span_iou(spans, truth), rtol=1e-5, atol=1e-6)
