"""Training items and answers of the temporal stage against loops."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stvg.types import Annotation, PreparedVideo, Query, Tube, VideoMeta
from temporal.localizer import MMNLocalizer
from temporal.mmn.losses import LossConfig, loss_iou, mmn_losses
from temporal.mmn.moment_map import moment_cells
from temporal.mmn.network import MMNConfig, cosines, make_mmn
from temporal.sequences import PeopleSequences, VideoSequence
from temporal.training.embedder import BatchEmbedder
from temporal.training.moment_items import MomentLoss, make_moment_item

N = 8
QUERIES = [Query("q0", "a.mp4", "one"), Query("q1", "a.mp4", "two")]


def network(input_size, seed=0):
    torch.manual_seed(seed)
    return make_mmn(
        MMNConfig(
            num_pre_clips=N,
            num_clips=N,
            pool_kernel=1,
            hidden_size=8,
            joint_size=8,
            moment_map="pool",
            pooling_counts=(3, 2),
            conv_kernel=3,
            conv_layers=1,
        ),
        input_size,
        6,
    )


class Sentences:
    """Vectors of sentences from their lengths and first letters."""

    def encode(self, texts):
        return torch.stack(
            [torch.linspace(-1, 1, 6) * len(text) + torch.tensor([ord(text[0]) % 5.0] + 5 * [0.0]) for text in texts]
        )


SENTENCES = Sentences()


def video(num_frames=80, spans=((0, 50), (20, 80))):
    rng = np.random.default_rng(num_frames)
    tubes = [
        Tube(k, a, np.tile([0.0, 0.0, 9.0, 9.0], (b - a, 1)), np.ones(b - a), np.ones(b - a, bool))
        for k, (a, b) in enumerate(spans)
    ]
    features = tuple(rng.normal(size=(b - a, 5)).astype(np.float32) for a, b in spans)
    meta = VideoMeta("a.mp4", Path("a.mp4"), num_frames, 10.0, 64, 48)
    return PreparedVideo(meta, rng.normal(size=(20, 5)).astype(np.float32), tuple(tubes), features)


def annotation(start, stop):
    length = stop - start
    truth = Tube(0, start, np.tile([0.0, 0.0, 9.0, 9.0], (length, 1)), np.ones(length), np.ones(length, bool))
    return Annotation(QUERIES[0], truth)


def test_item_of_a_sentence():
    model, prepared = network(5), video()
    item = make_moment_item([annotation(20, 50)], prepared, PeopleSequences(N), model.mask)
    assert item.texts == ("one",)
    assert item.read_clips().shape == (item.num_maps, N, 5) == (2, N, 5)
    assert item.moments.tolist() == [[0.25, 0.625]]
    assert item.described.tolist() == [0], "of equal overlap the first"
    for (first, last), iou in zip(moment_cells(model.mask.numpy()), item.ious[0], strict=True):
        cell, truth = set(range(10 * first, 10 * last + 10)), set(range(20, 50))
        assert float(iou) == pytest.approx(len(cell & truth) / len(cell | truth))


@pytest.mark.parametrize("make_sequences", [VideoSequence, PeopleSequences])
@pytest.mark.parametrize("num_frames", [80, 83, 9, 5, 1])
def test_maps_lie_in_the_video(make_sequences, num_frames):
    spans = ((0, num_frames), (num_frames // 2, num_frames // 2 + 1))
    localizer = MMNLocalizer(network(5), SENTENCES, make_sequences(N), 0.5)
    found = localizer.localize(QUERIES, video(num_frames, spans))
    assert len(found) == 2
    for one in found:
        assert len(one.spans) >= 1
        assert (one.spans[:, 0] >= 0).all()
        assert (one.spans[:, 0] < one.spans[:, 1]).all()
        assert (one.spans[:, 1] <= num_frames).all()
        assert ((one.scores >= 0) & (one.scores <= 1)).all()
        assert [0, num_frames] in one.spans.tolist(), "the whole video is a candidate"


def test_scores_are_the_best_stream_of_the_published_formula():
    model, prepared = network(5), video()
    found = MMNLocalizer(model, SENTENCES, PeopleSequences(N), 0.3).localize(QUERIES, prepared)
    with torch.no_grad():
        per_stream = [
            model(torch.from_numpy(stream)[None], SENTENCES.encode(["one", "two"]))
            for stream in PeopleSequences(N).of(prepared)
        ]
    for q in range(2):
        for k in range(int(model.mask.sum())):
            scores = []
            for one in per_stream:
                c = float(cosines(one.queries.contrastive, one.maps.contrastive)[q, 0, k])
                iou = 1 / (1 + np.exp(-10 * float(cosines(one.queries.iou, one.maps.iou)[q, 0, k])))
                scores.append((0.5 * c + 0.5) ** 0.3 * iou)
            assert float(found[q].scores[k]) == pytest.approx(max(scores), rel=1e-4)


def test_a_video_without_tubes_is_answered():
    localizer = MMNLocalizer(network(5), SENTENCES, PeopleSequences(N), 0.5)
    (found,) = localizer.localize(QUERIES[:1], video(spans=()))
    assert np.isfinite(found.scores).all()
    assert found.spans.max() == 80


@pytest.mark.parametrize("spans", [(), ((60, 80),), ((0, 10), (60, 80))])
def test_a_person_whom_nobody_found_gives_no_item(spans):
    assert make_moment_item([annotation(20, 50)], video(spans=spans), PeopleSequences(N), network(5).mask) is None
    assert make_moment_item([annotation(20, 50)], video(spans=spans), VideoSequence(N), network(5).mask) is not None


def test_loss_of_a_batch():
    model = network(5)
    items = [
        make_moment_item([annotation(20, 50)], one, PeopleSequences(N), model.mask)
        for one in (video(), video(spans=((10, 60),)))
    ]
    losses = MomentLoss(BatchEmbedder(model, SENTENCES, "float32"), LossConfig()).of(items)
    losses.total(1.0).backward()
    assert all(torch.isfinite(getattr(losses, name)) for name in ("vid", "sent", "iou"))
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_losses_of_several_sentences_and_sequences_are_those_of_loops():
    """Two videos with 2 and 1 sentences and 2 and 1 sequences: the losses of four "videos" of MMN, one a sequence."""
    model = network(5).requires_grad_(requires_grad=False)
    pair = [annotation(20, 50), annotation(60, 80)]
    given = (pair, video()), ([annotation(20, 50)], video(spans=((10, 60),)))
    items = [make_moment_item(truths, prepared, PeopleSequences(N), model.mask) for truths, prepared in given]
    assert items[0].described.tolist() == [0, 1], "the second moment is shown by the second tube alone"
    config = LossConfig(mode="corrected")
    found = MomentLoss(BatchEmbedder(model, SENTENCES, "float32"), config).of(items)
    embeddings = model(torch.cat([item.read_clips() for item in items]), SENTENCES.encode(["one"] * 3))
    contrastive = cosines(embeddings.queries.contrastive, embeddings.maps.contrastive)
    iou = cosines(embeddings.queries.iou, embeddings.maps.iou)
    ious = torch.cat([item.ious for item in items])
    described, moments = torch.tensor([0, 1, 2]), torch.cat([item.moments for item in items])
    expected = mmn_losses(contrastive, iou, ious, described, moments, config)
    assert float(found.vid) == pytest.approx(float(expected.vid), rel=1e-5)
    assert float(found.sent) == pytest.approx(float(expected.sent), rel=1e-5)
    terms = [
        loss_iou(iou[q, sequence], ious[q] * (sequence == described[q]), config)
        for q, sequences in enumerate(([0, 1], [0, 1], [2]))
        for sequence in sequences
    ]
    assert float(found.iou) == pytest.approx(float(torch.stack(terms).mean()), rel=1e-5)


def test_bfloat16_is_near_float32():
    model = network(5).train()
    items = [make_moment_item([annotation(20, 50)], video(), PeopleSequences(N), model.mask)]
    exact, half = (
        MomentLoss(BatchEmbedder(model, SENTENCES, precision), LossConfig()).of(items)
        for precision in ("float32", "bfloat16")
    )
    for name in ("vid", "sent", "iou"):
        assert getattr(half, name).dtype == torch.float32
        assert getattr(half, name).item() == pytest.approx(getattr(exact, name).item(), rel=0.05, abs=0.02)
    assert half.iou.item() != exact.iou.item(), "autocast was on"
    half.total(1.0).backward()
    assert model.clip_pool.conv.weight.grad.dtype == torch.float32


def test_features_of_another_width_are_refused():
    localizer = MMNLocalizer(network(7), SENTENCES, PeopleSequences(N), 0.5)
    with pytest.raises(RuntimeError):
        localizer.localize(QUERIES, video())


@pytest.mark.parametrize(
    ("spans", "moment", "described", "reason"),
    [
        (((0, 30), (20, 80)), (20, 50), 1, "covers all of the moment, the other a third"),
        (((10, 80), (40, 80)), (20, 50), 0, "likewise, in the other order"),
        (((0, 20), (50, 80)), (20, 50), None, "nobody is seen in the moment"),
    ],
)
def test_the_described_stream_is_the_tube_that_overlaps_the_truth_best(spans, moment, described, reason):
    model, prepared = network(5), video(spans=spans)
    item = make_moment_item([annotation(*moment)], prepared, PeopleSequences(N), model.mask)
    if described is None:
        assert item is None, reason
        return
    assert item.described.tolist() == [described], reason
    assert item.ious[0].max() > 0.5
