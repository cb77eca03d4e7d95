import pytest
import torch

from speed.reference_mmn import OfficialEmbeddings, VideoTruth, dense_scores, encode_dense, losses_by_video
from temporal.mmn.losses import LossConfig, mmn_losses
from temporal.mmn.network import MMNConfig, cosines, iou_scores, lay_out, make_mmn
from temporal.mmn.text_encoder import QueryEmbeddings

N, J = 8, 3
COUNTS = [2, 1, 4]


def batch(seed):
    """Return a network, clips, sentences per video and the truth of each video, float64."""
    torch.manual_seed(seed)
    model = make_mmn(
        MMNConfig(
            num_pre_clips=16,
            num_clips=N,
            pool_kernel=2,
            hidden_size=4,
            joint_size=J,
            moment_map="pool",
            pooling_counts=(3, 2),
            conv_kernel=3,
            conv_layers=2,
            map_kernel="dense",
        ),
        5,
        6,
    ).double()
    clips = torch.randn(3, 16, 5, dtype=torch.float64)
    queries = [model.query_heads(torch.randn(count, 6, dtype=torch.float64)) for count in COUNTS]
    truths = [
        VideoTruth(
            torch.rand(count, N, N, dtype=torch.float64), torch.rand(count, 2, dtype=torch.float64).sort(dim=1).values
        )
        for count in COUNTS
    ]
    return model, clips, queries, truths


@pytest.mark.parametrize(
    "config", [LossConfig(), LossConfig(num_positives=3, margin=0.1, removal_iou=0.1, min_iou=0.3)]
)
def test_losses_are_those_of_the_vectorised_ones(config):
    model, clips, queries, truths = batch(0)
    found = losses_by_video(model.mask, OfficialEmbeddings(*encode_dense(model, clips), queries), truths, config)
    maps, joined = (
        model.encode_maps(clips),
        QueryEmbeddings(*(torch.cat([getattr(one, name) for one in queries]) for name in ("contrastive", "iou"))),
    )
    expected = mmn_losses(
        cosines(joined.contrastive, maps.contrastive),
        cosines(joined.iou, maps.iou),
        torch.cat([truth.ious for truth in truths])[:, model.mask],
        torch.arange(3).repeat_interleave(torch.tensor(COUNTS)),
        torch.cat([truth.moments for truth in truths]),
        config,
    )
    for name in ("vid", "sent", "iou"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-10, atol=0)


def test_scores_are_those_of_the_vectorised_path():
    model, clips, queries, _ = batch(1)
    model.eval()
    found = dense_scores(model, OfficialEmbeddings(*encode_dense(model, clips), queries))
    maps = model.encode_maps(clips)
    for video, (contrastive, iou) in enumerate(found):
        own = cosines(queries[video].contrastive, maps.contrastive)[:, video]
        torch.testing.assert_close(contrastive, lay_out(own, model.mask))
        own = cosines(queries[video].iou, maps.iou)[:, video]
        torch.testing.assert_close(iou, lay_out(iou_scores(own), model.mask))
