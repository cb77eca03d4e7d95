"""Training items and answers of the tube matcher against loops."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spatial.matching.matcher import MMNTubeMatcher, tube_clips
from spatial.matching.tube_items import TubeLoss, make_tube_item
from stvg.geometry.boxes import elementwise_iou
from stvg.types import Annotation, PreparedVideo, Query, Tube, VideoMeta
from temporal.mmn.losses import LossConfig
from temporal.mmn.moment_map import moment_cells
from temporal.mmn.network import MMNConfig, cosines, make_mmn
from temporal.training.embedder import BatchEmbedder

N = 8
QUERIES = [Query("q0", "a.mp4", "one"), Query("q1", "a.mp4", "two")]


def network(seed=0):
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


def video(*spans, seed=0):
    rng = np.random.default_rng(seed)
    tubes = []
    for k, (a, b) in enumerate(spans):
        corners = rng.random((b - a, 2)) * 4
        tubes.append(Tube(k, a, np.hstack([corners, corners + 10]), np.ones(b - a), np.ones(b - a, bool)))
    features = tuple(rng.normal(size=(b - a, 5)).astype(np.float32) for a, b in spans)
    meta = VideoMeta("a.mp4", Path("a.mp4"), 100, 10.0, 64, 48)
    return PreparedVideo(meta, np.zeros((1, 1)), tuple(tubes), features)


def truth(start, stop):
    boxes = np.tile([2.0, 2.0, 12.0, 12.0], (stop - start, 1))
    return Annotation(QUERIES[0], Tube(0, start, boxes, np.ones(stop - start), np.ones(stop - start, bool)))


def test_item_holds_the_viou_of_every_cell():
    prepared, wanted, mask = video((0, 64), (20, 52)), truth(16, 40), network().mask
    item = make_tube_item([wanted, truth(0, 9)], prepared, N, mask)
    assert item.texts == ("one", "one")
    assert item.ious.shape[:2] == (2, 2)
    assert item.read_clips().shape == (2, N, 5)
    for one, row in zip(prepared.tubes, item.ious[0], strict=True):
        step = one.span.length // N
        for (first, last), value in zip(moment_cells(mask.numpy()), row, strict=True):
            cell = set(range(one.span.start + step * first, one.span.start + step * (last + 1)))
            common = sorted(cell & set(range(16, 40)))
            ious = [elementwise_iou(one.boxes_xyxy[f - one.span.start], wanted.tube.boxes_xyxy[f - 16]) for f in common]
            hull = max(max(cell), 39) - min(min(cell), 16) + 1
            assert float(value) == pytest.approx(float(np.sum(ious)) / hull, abs=1e-6)


def test_a_video_without_tubes_gives_no_item_and_empty_maps():
    model = network()
    assert make_tube_item([truth(0, 9)], video(), N, model.mask) is None
    assert MMNTubeMatcher(model, SENTENCES).match(QUERIES, video()) == [(), ()]


@pytest.mark.parametrize("spans", [((0, 64),), ((3, 80), (90, 91)), ((99, 100),), ((0, 5), (7, 16), (50, 61))])
def test_maps_lie_in_their_tubes(spans):
    prepared = video(*spans)
    found = MMNTubeMatcher(network(), SENTENCES).match(QUERIES, prepared)
    assert len(found) == 2
    for maps in found:
        assert [one.tube_id for one in maps] == list(range(len(spans)))
        for one, (start, stop) in zip(maps, spans, strict=True):
            assert (one.spans[:, 0] >= start).all()
            assert (one.spans[:, 0] < one.spans[:, 1]).all()
            assert (one.spans[:, 1] <= stop).all()
            assert [start, stop] in one.spans.tolist(), "the whole tube is a candidate"
            assert ((one.iou > 0) & (one.iou < 1)).all()
            assert (np.abs(one.contrastive) <= 1).all()


def test_scores_are_those_of_each_tube_alone():
    model, prepared = network(), video((0, 64), (20, 52))
    found = MMNTubeMatcher(model, SENTENCES).match(QUERIES, prepared)
    cells = moment_cells(model.mask.numpy())
    for k, clips in enumerate(tube_clips(prepared, N)):
        with torch.no_grad():
            alone = model(clips[None], SENTENCES.encode(["one", "two"]))
        for q in range(2):
            contrastive = cosines(alone.queries.contrastive, alone.maps.contrastive)[q, 0]
            iou = torch.sigmoid(10 * cosines(alone.queries.iou, alone.maps.iou)[q, 0])
            for cell in range(len(cells)):
                assert float(found[q][k].contrastive[cell]) == pytest.approx(float(contrastive[cell]), abs=1e-5)
                assert float(found[q][k].iou[cell]) == pytest.approx(float(iou[cell]), abs=1e-5)


def test_clips_are_means_of_unit_rows():
    prepared = video((0, 16))
    rows = prepared.tube_features[0] / np.linalg.norm(prepared.tube_features[0], axis=1, keepdims=True)
    np.testing.assert_allclose(tube_clips(prepared, N)[0], rows.reshape(N, 2, 5).mean(axis=1), rtol=1e-5)
    as_they_came = prepared.tube_features[0].reshape(N, 2, 5).mean(axis=1)
    np.testing.assert_allclose(tube_clips(replace(prepared, normalised=True), N)[0], as_they_came, rtol=1e-5)


def test_loss_learns_from_videos_with_different_numbers_of_tubes():
    model = network()
    items = [make_tube_item([truth(16, 40)], one, N, model.mask) for one in (video((0, 64), (20, 52)), video((10, 50)))]
    losses = TubeLoss(BatchEmbedder(model, SENTENCES, "float32"), LossConfig()).of(items)
    losses.total(1.0).backward()
    assert all(torch.isfinite(getattr(losses, name)) for name in ("vid", "sent", "iou"))
    assert model.clip_pool.conv.weight.grad.abs().sum() > 0
