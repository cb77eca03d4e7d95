import pytest
import torch

from stvg.config import parse_config
from stvg.errors import InputError
from temporal.mmn.network import MMNConfig, cosines, iou_scores, lay_out, make_mmn
from temporal.mmn.text_encoder import TokenBatch

SIZES = {
    "num_pre_clips": 16,
    "num_clips": 8,
    "pool_kernel": 2,
    "hidden_size": 4,
    "joint_size": 3,
    "moment_map": "pool",
    "pooling_counts": (3, 2),
    "conv_kernel": 3,
    "conv_layers": 2,
}


def small(**changes):
    torch.manual_seed(0)
    return make_mmn(MMNConfig(**(SIZES | changes)), 5, 6)


@pytest.mark.parametrize("kind", ["pool", "conv"])
def test_gives_embeddings_of_moments_and_sentences(kind):
    model = small(moment_map=kind)
    for training in (True, False):
        embeddings = model.train(training)(torch.randn(2, 16, 5), torch.randn(7, 6))
        assert embeddings.maps.contrastive.shape == embeddings.maps.iou.shape == (2, 3, int(model.mask.sum()))
        assert embeddings.queries.contrastive.shape == embeddings.queries.iou.shape == (7, 3)


def test_a_moment_depends_on_its_own_video_only():
    model, clips = small().eval(), torch.randn(3, 16, 5)
    together = model.encode_maps(clips)
    alone = model.encode_maps(clips[1:2])
    torch.testing.assert_close(together.iou[1:2], alone.iou)
    torch.testing.assert_close(together.contrastive[1:2], alone.contrastive)


def test_tokens_need_a_backbone():
    tokens = TokenBatch(torch.zeros(1, 2, dtype=torch.int64), torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"queries: expected sentence vectors \(Q, H\)"):
        small().encode_queries(tokens)


def test_only_weights_are_saved_and_constants_move_with_the_network():
    model = small()
    saved = set(model.state_dict())
    learned = {name for name, _ in model.named_parameters()}
    assert all("map_conv.norms" in name for name in saved - learned)
    assert model.to("meta").mask.device.type == "meta"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"num_pre_clips": 20}, "num_pre_clips, num_clips, pool_kernel", id="N does not divide P"),
        pytest.param({"pool_kernel": 5}, "num_pre_clips, num_clips, pool_kernel", id="the kernel leaves fewer clips"),
        pytest.param({"pooling_counts": (9,)}, "pooling_counts", id="diagonals beyond the map"),
        pytest.param({"conv_kernel": 4, "conv_layers": 1}, "conv_kernel, conv_layers", id="no even padding"),
    ],
)
def test_refuses_sizes_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_feature_dropout_blanks_whole_columns_in_training_only():
    model, clips = small(feature_dropout=0.5), torch.ones(4, 16, 5)
    assert torch.equal(model.eval().clip_pool.dropout(clips.transpose(1, 2)), clips.transpose(1, 2))
    columns = model.train().clip_pool.dropout(clips.transpose(1, 2))
    assert torch.equal(columns, columns[..., :1].expand_as(columns))
    assert set(columns.unique().tolist()) == {0.0, 2.0}


def test_cosines_are_those_of_a_loop():
    torch.manual_seed(0)
    queries, moments = torch.randn(3, 4), torch.randn(2, 4, 5, 5)
    found = cosines(queries, moments)
    for q in range(3):
        for b in range(2):
            expected = torch.cosine_similarity(queries[q][:, None, None], moments[b], dim=0)
            torch.testing.assert_close(found[q, b], expected)


def test_scores_are_zero_outside_the_mask():
    mask = torch.tensor([[True, True], [False, True]])
    cosine = torch.tensor([0.0, 1.0, -1.0])
    expected = torch.tensor([[0.5, 0.9999546], [0.0, 4.54e-5]])
    torch.testing.assert_close(lay_out(iou_scores(cosine), mask), expected)
    assert lay_out(cosine, mask).tolist() == [[0, 1], [0, -1]]


def test_a_network_is_built_from_its_config_and_unknown_keys_are_refused():
    config = parse_config(MMNConfig, {"num_clips": 8, "pooling_counts": [3, 2], "num_pre_clips": 16}, "file.yaml")
    model = make_mmn(config, 5, 6)
    assert (model.input_size, model.num_pre_clips, len(model.mask)) == (5, 16, 8)
    with pytest.raises(InputError, match="unknown key num_clip"):
        parse_config(MMNConfig, {"num_clip": 8}, "file.yaml")
