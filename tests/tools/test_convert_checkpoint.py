"""From an official checkpoint to answers: convert it, name it in a recipe, match."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml

from spatial.matching.matcher import MMNTubeMatcher
from stvg.config import parse_config
from stvg.errors import InputError
from stvg.recipe.build import load_matcher
from stvg.recipe.schema import Recipe
from stvg.types import PreparedVideo, Query, Tube, VideoMeta
from temporal.mmn.network import MMNConfig, make_mmn
from temporal.mmn.text_cache import CachedTokens
from temporal.mmn.text_encoder import load_text_backbone, load_text_tokenizer

SIZES = {
    "num_pre_clips": 8,
    "num_clips": 8,
    "pool_kernel": 1,
    "hidden_size": 8,
    "joint_size": 6,
    "moment_map": "pool",
    "pooling_counts": [3, 2],
    "conv_kernel": 3,
    "conv_layers": 2,
}
OFFICIAL = (
    ("clip_pool.conv.", "featpool.conv."),
    ("map_conv.convs.", "proposal_conv.convs."),
    ("map_conv.norms.", "proposal_conv.bn."),
    ("contrastive_head.", "proposal_conv.conv1x1_contrastive."),
    ("iou_head.", "proposal_conv.conv1x1_iou."),
    ("text_backbone.encoder.", "text_encoder.bert."),
    ("query_heads.norm.", "text_encoder.layernorm."),
    ("query_heads.iou.", "text_encoder.fc_out1."),
    ("query_heads.contrastive.", "text_encoder.fc_out2."),
)


def prepared():
    rng = np.random.default_rng(0)
    tubes = tuple(Tube(k, 3, np.tile([1.0, 2.0, 30.0, 40.0], (20, 1)), np.ones(20), np.ones(20, bool)) for k in (0, 1))
    features = tuple(rng.normal(size=(20, 5)).astype(np.float32) for _ in tubes)
    meta = VideoMeta("a.mp4", Path("a.mp4"), 40, 10.0, 64, 48)
    return PreparedVideo(meta, np.zeros((1, 5), np.float32), tubes, features)


def test_a_converted_matcher_answers_as_the_network_that_was_saved(tool, tmp_path, tiny_text):
    torch.manual_seed(1)
    network = make_mmn(MMNConfig(**SIZES), 5, 8, load_text_backbone(tiny_text))
    for norm in network.map_conv.norms:
        norm.running_mean.normal_()
    state = {}
    for name, value in network.state_dict().items():
        ours, theirs = next(pair for pair in OFFICIAL if name.startswith(pair[0]))
        state[f"module.{theirs}{name.removeprefix(ours)}"] = value
    torch.save({"model": state, "epoch": 9}, tmp_path / "pool_model_9e.pth")
    target = tmp_path / "new" / "winner.safetensors"
    done = tool("convert_checkpoint", tmp_path / "pool_model_9e.pth", target)
    assert (done.code, done.stderr) == (0, "")
    assert {"input_size: 5", "hidden_size: 8", "joint_size: 6", "text_layers: 1"} < set(done.stdout.splitlines())

    matcher = {"text": tiny_text, "network": SIZES, "checkpoint": str(target)}
    values = {"data": {"root": "."}, "output": {"root": "."}, "detector": {"kind": "file"}, "matcher": matcher}
    queries, video = [Query("a.mp4", "a.mp4", "the man sits down")], prepared()
    found = load_matcher(parse_config(Recipe, values, "recipe")).match(queries, video)
    expected = MMNTubeMatcher(network, CachedTokens(load_text_tokenizer(tiny_text))).match(queries, video)
    for one, other in zip(found[0], expected[0], strict=True):
        np.testing.assert_array_equal(one.iou, other.iou)
        np.testing.assert_array_equal(one.contrastive, other.contrastive)

    matcher["network"] = SIZES | {"conv_layers": 4}
    with pytest.raises(InputError, match=r"winner.safetensors: .*: conv_layers is 2 there, 4 here"):
        load_matcher(parse_config(Recipe, values, "recipe"))


GOLDEN = Path(__file__).resolve().parents[2].parent / "shared" / "golden"


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="needs the golden files in ../shared/golden")
@pytest.mark.parametrize("name", ["mmn_charades", "mmn_charades_conv", "mmn_activitynet", "mmn_tacos"])
def test_official_weights_and_features_give_the_official_recalls(tool, tmp_path, numbered_text, name):
    """The golden file as the files that its authors have: .pth, features, annotations; and then their own recalls."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        golden = {key: file[key] for key in file.files}
    config, annotations, used = json.loads(str(golden["config"])), {}, set()
    with h5py.File(tmp_path / "features.hdf5", "w") as features:
        for video, duration in enumerate(golden["duration"]):
            features[f"v{video}"] = golden[f"raw/{video}"]
            tokens = [
                row[1 : length - 1]
                for row, length in zip(golden[f"query/{video}"], golden[f"wordlen/{video}"], strict=True)
            ]
            used |= {int(token) for row in tokens for token in row}
            sentences = [" ".join(f"w{token}" for token in row) for row in tokens]
            annotations[f"v{video}"] = {
                "duration": float(duration),
                "sentences": sentences,
                "timestamps": golden[f"moment/{video}"].tolist(),
            }
    (tmp_path / "test.json").write_text(json.dumps(annotations))
    state = {f"module.{key[6:]}": torch.from_numpy(value) for key, value in golden.items() if key.startswith("state/")}
    torch.save({"model": state, "epoch": 1}, tmp_path / "pool_model_1e.pth")
    assert tool("convert_checkpoint", tmp_path / "pool_model_1e.pth", tmp_path / "official.safetensors").code == 0

    metrics = {key.removeprefix("eval/metric/"): float(value) for key, value in golden.items() if "metric/R@" in key}
    sizes = {
        key: config[key]
        for key in ("num_pre_clips", "num_clips", "pool_kernel", "pooling_counts", "conv_kernel", "conv_layers")
    }
    sizes |= {"hidden_size": config["hidden"], "joint_size": config["joint"], "moment_map": config.get("map", "pool")}
    text = numbered_text(tmp_path / "text", config["bert"], used)
    recipe = {
        "data": {"root": str(tmp_path), "train": "test.json", "test": "test.json", "features": "features.hdf5"},
        "output": {"root": str(tmp_path / "out")},
        "select_on": "last",
        "temporal": {"text": text, "power": config["contrastive_power"], "network": sizes},
        "recall": {
            "firsts": [1, 5],
            "thresholds": sorted({float(key.split("@")[-1]) for key in metrics}),
            "nms_threshold": config["nms_threshold"],
        },
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    done = tool(
        "evaluate_temporal",
        "--config",
        tmp_path / "recipe.yaml",
        "--checkpoint",
        tmp_path / "official.safetensors",
        "--json",
        tmp_path / "recalls.json",
    )
    assert done.code == 0, done.stderr
    found = json.loads((tmp_path / "recalls.json").read_text())
    assert {key: found[key.replace("IoU@", "IoU=")] for key in metrics} == pytest.approx(metrics)
