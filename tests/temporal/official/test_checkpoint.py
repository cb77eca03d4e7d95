"""Official checkpoints, converted: the golden scores come out, every fault is named, and nothing is executed."""

import json
import pickle
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from golden.file import GoldenFile
from golden.mmn import averaged_features, golden_model, golden_tokens
from stvg.errors import InputError
from temporal.mmn.network import MMNConfig, cosines, iou_scores, lay_out, make_mmn
from temporal.mmn.text_encoder import TextBackbone
from temporal.official.checkpoint import convert_checkpoint
from temporal.official.weight_names import our_name
from temporal.training.checkpoint import read_checkpoint, save_weights

GOLDEN = Path(__file__).resolve().parents[3].parent / "shared" / "golden"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="no ../shared/golden beside the repository")
COMMAND = "tools/convert_checkpoint.py"
SIZES = {"input_size": 5, "hidden_size": 6, "joint_size": 4, "conv_kernel": 3, "conv_layers": 2}
CLIPS = {"num_pre_clips": 16, "num_clips": 8, "pool_kernel": 2}


def network(moment_map="conv", pooling_counts=(3, 2), **changes):
    from transformers import DistilBertConfig, DistilBertModel

    bert = {"vocab_size": 11, "max_position_embeddings": 12, "n_layers": 2, "n_heads": 2, "dim": 8, "hidden_dim": 10}
    bert |= {key: changes.pop(key) for key in list(changes) if key in bert}
    encoder = DistilBertModel(DistilBertConfig(**bert))
    sizes = {**SIZES, **CLIPS, "moment_map": moment_map, "pooling_counts": pooling_counts, **changes}
    input_size = sizes.pop("input_size")
    return make_mmn(MMNConfig(**sizes), input_size, bert["dim"], TextBackbone(encoder, bert["dim"]))


def load_weights(model, describe, path):
    """Load a checkpoint as a recipe's network is loaded."""
    read = read_checkpoint(path, COMMAND)
    read.check(describe)
    read.load_into(model)


def official(model):
    """Return a network's weights under their official names, found by asking for each what it would become."""
    guesses = {
        "clip_pool.": "featpool.",
        "moment_map.": "feat2d.",
        "map_conv.convs.": "proposal_conv.convs.",
        "map_conv.norms.": "proposal_conv.bn.",
        "contrastive_head.": "proposal_conv.conv1x1_contrastive.",
        "iou_head.": "proposal_conv.conv1x1_iou.",
        "query_heads.norm.": "text_encoder.layernorm.",
        "query_heads.iou.": "text_encoder.fc_out1.",
        "query_heads.contrastive.": "text_encoder.fc_out2.",
        "text_backbone.encoder.": "text_encoder.bert.",
    }
    state = {}
    for name, value in model.state_dict().items():
        ours = next(prefix for prefix in guesses if name.startswith(prefix))
        state[guesses[ours] + name.removeprefix(ours)] = value
        assert our_name(guesses[ours] + name.removeprefix(ours)) == name
    return state


def described(**changes):
    """Return what a recipe says of network(), with things that no tensor knows."""
    free = {"text": "any", "features.kind": "any", "search": "video"}
    return {**SIZES, **CLIPS, **free, "moment_map": "conv", "pooling_counts": (3, 2), "text_learns": True, **changes}


def checkpoint(model, prefix="module."):
    """Return what the official Checkpointer saves: the optimiser and scheduler have taken a step."""
    optimizer = torch.optim.AdamW(model.parameters())
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [8, 13])
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    scheduler.step()
    state = {prefix + name: value for name, value in official(model).items()}
    return {"model": state, "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(), "epoch": 3}


def saved(tmp_path, value, **options):
    torch.save(value, tmp_path / "in.pth", **options)
    return tmp_path / "in.pth", tmp_path / "out.safetensors"


def assert_loads(model, path, **changes):
    """Load a converted file into a fresh network of the same sizes, and compare every weight."""
    describe = described(**changes)
    other = network(describe["moment_map"], describe["pooling_counts"])
    load_weights(other, describe, path)
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


@needs_golden
@pytest.mark.parametrize("name", ["mmn_charades", "mmn_charades_conv", "mmn_activitynet", "mmn_tacos", "tube_mmn"])
def test_golden_weights_give_golden_scores(tool, tmp_path, name):
    golden = GoldenFile(GOLDEN / f"{name}.npz", torch.float64)
    weights = {f"module.{key}": golden.tensor(f"state/{key}") for key in golden.names("state/")}
    source, target = saved(tmp_path, {"model": weights, "epoch": 7})
    done = tool("convert_checkpoint", source, target)
    assert (done.code, done.stderr) == (0, "")
    model, config = golden_model(golden), golden.config
    for value in model.state_dict().values():
        value.zero_()
    sizes = {
        "input_size": "input",
        "hidden_size": "hidden",
        "joint_size": "joint",
        "conv_kernel": "conv_kernel",
        "conv_layers": "conv_layers",
        "num_clips": "num_clips",
        "pool_kernel": "pool_kernel",
    }
    describe = {ours: config[theirs] for ours, theirs in sizes.items()} | {"moment_map": config.get("map", "pool")}
    describe |= {"pooling_counts": tuple(config["pooling_counts"]), "text": "distilbert-base-uncased"}
    load_weights(model, describe, target)
    clips, _ = averaged_features(golden, clamp=name != "tube_mmn")
    first = 0
    with torch.no_grad():
        maps = model.encode_maps(clips)
        for video in range(golden.count("query/")):
            queries = model.encode_queries(golden_tokens(golden, video))
            count = len(golden[f"eval/iou/{video}"]) if name == "tube_mmn" else 1
            own = slice(first, first + count)
            first += count
            contrastive = lay_out(cosines(queries.contrastive, maps.contrastive[own]), model.mask)
            iou = lay_out(iou_scores(cosines(queries.iou, maps.iou[own])), model.mask)
            for quantity, found in (("contrastive", contrastive), ("iou", iou)):
                key = f"eval/{quantity}/{video}"
                assert golden.compare(quantity, key, found[0] if name == "tube_mmn" else found[:, 0]).error <= 1e-7


@pytest.mark.parametrize(("kind", "counts"), [("pool", (3, 2)), ("conv", (3, 2)), ("conv", (7,)), ("conv", (1, 1, 1))])
def test_what_follows_from_the_tensors(tmp_path, kind, counts):
    model = network(kind, counts)
    config = convert_checkpoint(*saved(tmp_path, checkpoint(model)))
    text = {"text_size": 8, "text_layers": 2, "text_feedforward": 10, "text_words": 11, "text_positions": 12}
    known = {**SIZES, **text, "text_learns": True, "moment_map": kind}
    known |= {"pooling_counts": list(counts)} if kind == "conv" else {}
    assert {key: value for key, value in config.items() if key != "origin"} == known
    assert read_checkpoint(tmp_path / "out.safetensors", COMMAND).config == config
    assert_loads(model, tmp_path / "out.safetensors", moment_map=kind, pooling_counts=counts)


def test_the_origin_is_marked(tmp_path):
    state = official(network())
    config = convert_checkpoint(*saved(tmp_path, state))
    assert config["origin"]["project"] == "MCG-NJU/MMN"
    assert config["origin"]["file"] == "in.pth"
    assert len(config["origin"]["sha256"]) == 64
    branch = {f"featpool.{name}.{part}": torch.zeros(2) for name in ("fc1", "fc2") for part in ("weight", "bias")}
    config = convert_checkpoint(*saved(tmp_path, state | branch))
    assert config["origin"]["project"] == "atao99/MMN-STVG"
    with safe_open(tmp_path / "out.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["config"]) == config


@pytest.mark.parametrize(
    ("value", "options"),
    [
        pytest.param(lambda model: checkpoint(model), {}, id="as the Checkpointer saves it, several GPUs"),
        pytest.param(lambda model: checkpoint(model, ""), {}, id="one GPU"),
        pytest.param(lambda model: checkpoint(model), {"_use_new_zipfile_serialization": False}, id="torch 1.5"),
        pytest.param(official, {}, id="a bare state dict"),
        pytest.param(
            lambda model: official(model) | {"text_encoder.bert.embeddings.position_ids": torch.arange(12)[None]},
            {},
            id="transformers 4",
        ),
        pytest.param(
            lambda model: {k: v.half() if v.is_floating_point() else v for k, v in official(model).items()},
            {},
            id="half precision",
        ),
    ],
)
def test_forms_that_are_read(tmp_path, value, options):
    model = network().half().float()
    made = value(model)
    source, target = saved(tmp_path, made, **options)
    convert_checkpoint(source, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.pth", "out.safetensors"]
    assert_loads(model, target)


def without(name):
    return lambda state: state.pop(name)


def setting(name, value):
    return lambda state: state.update({name: value})


def test_all_faults_are_listed_at_once_and_nothing_is_written(tmp_path):
    state = official(network())
    for change in (
        without("featpool.conv.bias"),
        without("text_encoder.bert.transformer.layer.0.ffn.lin2.weight"),
        setting("proposal_conv.convs.1.weight", torch.zeros(6, 6, 3, 2)),
        setting("feat2d.convs.3.weight", torch.zeros(6, 6, 5)),
        setting("text_encoder.fc_out1.bias", torch.full((4,), torch.nan)),
        setting("text_encoder.fc_out2.bias", torch.zeros(4, dtype=torch.int64)),
        setting("proposal_conv.bn.0.num_batches_tracked", torch.tensor(0.5)),
        setting("head.weight", torch.zeros(1)),
        setting("text_encoder.bert.pooler.dense.weight", torch.zeros(8, 8)),
    ):
        change(state)
    source, target = saved(tmp_path, state)
    with pytest.raises(InputError) as error:
        convert_checkpoint(source, target)
    where, problems = str(error.value).split(" found: ")
    assert where == f"{source}: expected exactly the weights of an MMN,"
    assert set(problems.split("; ")) == {
        "missing featpool.conv.bias",
        "missing text_encoder.bert.transformer.layer.0.ffn.lin2.weight",
        "unexpected head.weight",
        "unexpected text_encoder.bert.pooler.dense.weight",
        "proposal_conv.convs.1.weight expected (6, 6, 3, 3), got (6, 6, 3, 2)",
        "feat2d.convs.3.weight expected (6, 6, 2), got (6, 6, 5)",
        "text_encoder.fc_out1.bias expected finite numbers",
        "text_encoder.fc_out2.bias expected floating numbers, got torch.int64",
        "proposal_conv.bn.0.num_batches_tracked expected whole numbers, got torch.float32",
    }
    assert not target.exists()


def test_a_missing_size_is_one_fault_not_many(tmp_path):
    state = official(network())
    del state["featpool.conv.weight"], state["proposal_conv.conv1x1_iou.weight"]
    with pytest.raises(InputError) as error:
        convert_checkpoint(*saved(tmp_path, state))
    found = str(error.value).split(" found: ")[1]
    assert found == "missing featpool.conv.weight; missing proposal_conv.conv1x1_iou.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"hidden_size": 7}, "hidden_size is 6 there, 7 here", id="a size"),
        pytest.param({"conv_layers": 1}, "conv_layers is 2 there, 1 here", id="another size"),
        pytest.param({"moment_map": "pool"}, "moment_map is 'conv' there, 'pool' here", id="map"),
        pytest.param({"pooling_counts": (5,)}, r"pooling_counts is \[3, 2\] there, \[5\] here", id="counts"),
        pytest.param({"text_learns": False}, "text_learns is True there, False here", id="a frozen text encoder"),
    ],
)
def test_what_the_file_knows_must_agree_with_the_recipe(tmp_path, change, message):
    source, target = saved(tmp_path, official(network()))
    convert_checkpoint(source, target)
    with pytest.raises(InputError, match=f"another config: {message}"):
        load_weights(network(), described(**change), target)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"n_layers": 3}, "text_layers is 2 there, 3 here", id="depth"),
        pytest.param({"dim": 12, "n_heads": 2}, "text_size is 8 there, 12 here", id="width"),
        pytest.param({"vocab_size": 13}, "text_words is 11 there, 13 here", id="vocabulary"),
    ],
)
def test_another_text_encoder_is_named(tmp_path, changes, message):
    source, target = saved(tmp_path, official(network()))
    convert_checkpoint(source, target)
    with pytest.raises(InputError, match=f"another config: {message}"):
        load_weights(network(**changes), described(), target)


def test_what_no_tensor_tells_is_the_recipe_s(tmp_path):
    source, target = saved(tmp_path, official(network()))
    convert_checkpoint(source, target)
    free = {"num_clips": 16, "pool_kernel": 1, "text": "other", "features.kind": "imported", "search": "people"}
    load_weights(network(num_clips=16, pool_kernel=1), described(**free), target)


def test_a_checkpoint_of_our_own_must_agree_in_everything(tmp_path):
    model = network()
    save_weights(model, described(), tmp_path / "best.safetensors")
    with pytest.raises(InputError, match="text is 'any' there, 'other' here"):
        load_weights(model, described(text="other"), tmp_path / "best.safetensors")


def plain_pickle(value, path):
    path.write_bytes(pickle.dumps(value, protocol=2))


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(torch.save, id="zip"),
        pytest.param(partial(torch.save, _use_new_zipfile_serialization=False), id="before torch 1.6"),
        pytest.param(plain_pickle, id="no torch file at all"),
    ],
)
@pytest.mark.parametrize("where", ["weights", "beside the weights"])
def test_a_file_that_wants_to_execute_is_refused_and_leaves_no_trace(tool, tmp_path, evil, write, where):
    made = {"model": official(network()), "epoch": 1}
    (made["model"] if where == "weights" else made)["evil"] = evil
    pickle.loads(pickle.dumps(evil))  # noqa: S301 (what a reader without a guard would do)
    evil.trace.unlink()
    write(made, tmp_path / "in.pth")
    done = tool("convert_checkpoint", tmp_path / "in.pth", tmp_path / "out.safetensors")
    assert done.code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path / 'in.pth'}: expected ")
    if write is not plain_pickle:
        assert line.endswith("refused to execute posix.system")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.pth"]


def truncated(path):
    torch.save(official(network()), path)
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda path: None, "expected a file of torch.save, got: No such file", id="missing"),
        pytest.param(lambda path: path.mkdir(), "expected a file of torch.save, got: Is a directory", id="folder"),
        pytest.param(truncated, "expected a whole file of torch.save, found one that cannot be read", id="truncated"),
        pytest.param(lambda path: path.write_text("weights"), "expected a whole file of torch.save", id="text"),
        pytest.param(lambda path: path.write_bytes(b""), "expected a whole file of torch.save", id="empty"),
        pytest.param(lambda path: torch.save({}, path), "expected weights by name, .* found none", id="no weights"),
        pytest.param(lambda path: torch.save([1], path), "expected weights by name, .* found a list", id="list"),
        pytest.param(lambda path: torch.save({"model": torch.ones(2)}, path), "found a Tensor", id="tensor"),
        pytest.param(
            lambda path: torch.save({"a": torch.ones(1), "b": 3, 4: torch.ones(1)}, path),
            "expected dense tensors by name, found something else at b, 4",
            id="other values",
        ),
        pytest.param(
            lambda path: torch.save({"a": torch.ones(2).to_sparse()}, path), "something else at a", id="sparse"
        ),
        pytest.param(
            lambda path: torch.save({"a": torch.ones(1).expand(10**12)}, path),
            "something else at a",
            id="a number used a million million times",
        ),
        pytest.param(
            lambda path: torch.save({"model": {}, "best": np.float32(1)}, path),
            "refused to execute numpy._core.multiarray.scalar",
            id="more than tensors and plain data",
        ),
        pytest.param(
            lambda path: torch.save({"a.999999999.weight": torch.ones(1)}, path),
            "unexpected a.999999999.weight",
            id="names of another network",
        ),
    ],
)
def test_files_that_are_no_checkpoint(tool, tmp_path, make, message):
    make(tmp_path / "in.pth")
    done = tool("convert_checkpoint", tmp_path / "in.pth", tmp_path / "out.safetensors")
    assert done.code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path / 'in.pth'}: ")
    assert re.search(message, line), line
    assert not (tmp_path / "out.safetensors").exists()


def test_the_source_is_not_written_over(tool, tmp_path):
    source, _ = saved(tmp_path, official(network()))
    before = source.read_bytes()
    done = tool("convert_checkpoint", source, tmp_path / "." / "in.pth")
    assert (done.code, source.read_bytes()) == (2, before)
    assert "expected another file to write than the one to read" in done.stderr
