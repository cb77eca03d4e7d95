import pytest
import torch

from golden.mmn import load_official
from stvg.errors import InputError
from temporal.mmn.network import MMNConfig, make_mmn
from temporal.official.weight_names import from_official, our_name

OURS_TO_OFFICIAL = {
    "clip_pool.": "featpool.",
    "moment_map.": "feat2d.",
    "map_conv.convs.": "proposal_conv.convs.",
    "map_conv.norms.": "proposal_conv.bn.",
    "contrastive_head.": "proposal_conv.conv1x1_contrastive.",
    "iou_head.": "proposal_conv.conv1x1_iou.",
    "query_heads.norm.": "text_encoder.layernorm.",
    "query_heads.iou.": "text_encoder.fc_out1.",
    "query_heads.contrastive.": "text_encoder.fc_out2.",
}


def small():
    return make_mmn(
        MMNConfig(
            num_pre_clips=8,
            num_clips=4,
            pool_kernel=2,
            hidden_size=4,
            joint_size=3,
            moment_map="conv",
            pooling_counts=(3,),
            conv_kernel=3,
            conv_layers=2,
        ),
        5,
        6,
    )


def official_state(model):
    state = {}
    for name, value in model.state_dict().items():
        ours = next(prefix for prefix in OURS_TO_OFFICIAL if name.startswith(prefix))
        state[OURS_TO_OFFICIAL[ours] + name.removeprefix(ours)] = value
    return state


@pytest.mark.parametrize("prefix", ["", "module."])
def test_all_weights_arrive(prefix):
    torch.manual_seed(0)
    source, target = small(), small()
    load_official(target, {prefix + name: value for name, value in official_state(source).items()})
    for name, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], value), name


def test_lists_every_missing_unexpected_and_misshapen_weight():
    state = official_state(small())
    del state["featpool.conv.bias"], state["text_encoder.layernorm.weight"]
    state["proposal_conv.convs.7.weight"] = torch.zeros(1)
    state["text_encoder.fc_out1.bias"] = torch.zeros(9)
    with pytest.raises(InputError) as error:
        load_official(small(), state)
    for part in (
        "missing clip_pool.conv.bias",
        "missing query_heads.norm.weight",
        "unexpected map_conv.convs.7.weight",
        "query_heads.iou.bias expected (3,), got (9,)",
    ):
        assert part in str(error.value)


def test_lists_every_name_that_is_not_official():
    state = official_state(small()) | {"optimizer": torch.zeros(1), "head.weight": torch.zeros(1)}
    with pytest.raises(InputError, match=r"unexpected names head\.weight, optimizer"):
        from_official(state)


@pytest.mark.parametrize(
    ("official", "ours"),
    [
        pytest.param("featpool.fc1.weight", None, id="MMN-STVG's unused branch"),
        pytest.param("text_encoder.bert.embeddings.position_ids", None, id="a constant of old transformers"),
        pytest.param(
            "text_encoder.bert.transformer.layer.0.ffn.lin1.bias",
            "text_backbone.encoder.transformer.layer.0.ffn.lin1.bias",
            id="the text backbone",
        ),
    ],
)
def test_names(official, ours):
    assert our_name(official) == ours
