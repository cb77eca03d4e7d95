"""Every shipped YAML is a recipe, and a recipe survives being written down."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from stvg.config import dump_config, parse_config
from stvg.errors import InputError
from stvg.recipe.schema import BenchmarkRecipe, Recipe, load_temporal_recipe

ROOT = Path(__file__).parents[3]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
SMALLEST = {"data": {"root": "d"}, "output": {"root": "o"}, "detector": {"kind": "hog"}}


def test_configs_are_found():
    assert any(path.name == "demo.yaml" for path in CONFIGS)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_parses_and_survives_writing(path):
    recipe = load_temporal_recipe(path)
    assert parse_config(type(recipe), yaml.safe_load(yaml.safe_dump(dump_config(recipe))), "again") == recipe
    assert isinstance(recipe, BenchmarkRecipe) == (path.parent.name == "temporal")


@pytest.mark.parametrize("name", ["two_stage", "tube_mmn", "joint", "zero_shot"])
def test_pipelines_named_after_how_they_fuse(name):
    recipe = load_temporal_recipe(ROOT / "configs" / "pipeline" / f"{name}.yaml")
    assert recipe.zero_shot if name == "zero_shot" else recipe.fusion.mode == name


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_overrides_of_the_two_roots(path):
    recipe = load_temporal_recipe(path, ["data.root=w", "output.root=r"])
    assert (recipe.data.root, recipe.output.root) == (Path("w"), Path("r"))
    if isinstance(recipe, Recipe):
        assert recipe.data.videos == Path("w/videos")
        assert recipe.data.annotations("val") == Path("w/val.json")
    else:
        assert recipe.data.annotations("test").parent == Path("w")


KINDS = "file, onnx, hog, phrase, transformers, torchvision, mmdet, detectron2"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"detector": {"kind": "hogg"}}, f"detector.kind: expected one of {KINDS}, got 'hogg'; did you mean hog?"),
        ({"detector": {"kind": "a%b"}}, f"detector.kind: expected one of {KINDS}, got 'a%b'"),
        ({"detector": {"path": "a.onnx"}}, "missing key detector.kind"),
    ],
)
def test_another_kind_is_answered_with_those_there_are(values, message):
    with pytest.raises(InputError) as error:
        parse_config(Recipe, SMALLEST | values, "r.yaml")
    assert str(error.value) == f"r.yaml: {message}"


GOLDEN = Path(__file__).parents[4] / "shared" / "golden"


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="needs the golden files in ../shared/golden")
@pytest.mark.parametrize("config", ["spatial/mmn_stvg", "spatial/hcstvg_v1", "spatial/hcstvg_v2", "pipeline/joint"])
def test_the_winners_recipe_is_that_of_its_code(config):
    """Every hyper-parameter of the matcher that the golden file's config has; widths are small there."""
    recipe = load_temporal_recipe(ROOT / "configs" / f"{config}.yaml")
    with np.load(GOLDEN / "tube_mmn.npz") as arrays:
        theirs = json.loads(str(arrays["config"]))
    network, loss, training = recipe.matcher.network, recipe.matcher.loss, recipe.matcher.training
    assert (network.hidden_size, network.joint_size) == (512, 256)
    for name in ("num_pre_clips", "num_clips", "pool_kernel", "conv_kernel", "conv_layers"):
        assert getattr(network, name) == theirs[name], name
    assert list(network.pooling_counts) == theirs["pooling_counts"]
    assert (
        loss.mode,
        loss.min_iou,
        loss.max_iou,
        loss.margin,
        loss.tau_video,
        loss.tau_sentence,
        loss.negative_iou,
        loss.contrastive_weight,
    ) == (
        "match",
        *(
            theirs["loss"][name]
            for name in (
                "min_iou",
                "max_iou",
                "margin",
                "tau_video",
                "tau_sent",
                "negative_video_iou",
                "contrastive_weight",
            )
        ),
    )
    assert (training.lr, list(training.betas), training.weight_decay, training.clip_norm, training.text_lr_scale) == (
        theirs["lr"],
        theirs["betas"],
        theirs["weight_decay"],
        theirs["clip_norm"],
        theirs["bert_lr_scale"],
    )
    published = theirs["recipe"]
    assert (
        training.batch_size,
        training.epochs,
        list(training.milestones),
        training.frozen_text_epochs,
        training.full_contrastive_epochs,
    ) == tuple(
        published[name] for name in ("batch", "epochs", "milestones", "freeze_bert_epochs", "all_losses_until_epoch")
    )
    assert recipe.video.stride == 6


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="needs the golden files in ../shared/golden")
@pytest.mark.parametrize(
    ("config", "golden"),
    [("charades_vgg", "mmn_charades"), ("activitynet_c3d", "mmn_activitynet"), ("tacos_c3d", "mmn_tacos")],
)
def test_published_recipes_are_those_of_the_official_code(config, golden):
    """Every hyper-parameter that the golden file's config has; widths are small there."""
    recipe = load_temporal_recipe(ROOT / "configs" / "temporal" / f"{config}.yaml")
    with np.load(GOLDEN / f"{golden}.npz") as arrays:
        theirs = json.loads(str(arrays["config"]))
    stage, loss, training = recipe.temporal, theirs["loss"], theirs["recipe"]

    def agree(ours, given, names):
        found = {name: getattr(ours, name) for name in names}
        found = {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
        assert found == {name: given[theirs_name] for name, theirs_name in names.items()}

    same = ("num_pre_clips", "num_clips", "pool_kernel", "pooling_counts", "conv_kernel", "conv_layers")
    agree(stage.network, theirs, {name: name for name in same} | {"moment_map": "map"})
    assert (stage.network.hidden_size, stage.network.joint_size) == (512, 256)
    agree(
        stage.loss,
        loss,
        {
            "min_iou": "min_iou",
            "max_iou": "max_iou",
            "num_positives": "num_postive_video_proposal",
            "negative_iou": "negative_video_iou",
            "removal_iou": "sent_removal_iou",
            "tau_video": "tau_video",
            "tau_sentence": "tau_sent",
            "margin": "margin",
            "contrastive_weight": "contrastive_weight",
        },
    )
    assert stage.loss.mode == "match"
    agree(
        stage.training,
        training,
        {
            "epochs": "epochs",
            "batch_size": "batch",
            "milestones": "milestones",
            "frozen_text_epochs": "freeze_bert_epochs",
            "full_contrastive_epochs": "all_losses_until_epoch",
        },
    )
    agree(
        stage.training,
        theirs,
        {
            "lr": "lr",
            "text_lr_scale": "bert_lr_scale",
            "betas": "betas",
            "weight_decay": "weight_decay",
            "clip_norm": "clip_norm",
        },
    )
    assert (stage.power, recipe.recall.nms_threshold) == (theirs["contrastive_power"], theirs["nms_threshold"])
    assert stage.text == "distilbert-base-uncased"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detector": {"kind": "magic"}}, r"detector\.kind: expected one of .*, got 'magic'"),
        ({"detector": {"kind": "hog", "folder": "x"}}, "unknown key detector.folder"),
        ({"device": "gpu"}, "device: .*'cpu' or 'cuda'"),
        ({"video": {"stride": 0}}, "video.stride: .*greater than or equal to 1"),
        ({"video": {"rate": 0}}, "video.rate: .*greater than 0"),
        ({"video": {"stride": 2, "rate": 5}}, "here: video: .*expected stride or rate, the other one null"),
        ({"temporal": {"training": {"epochs": 0}}}, "temporal.training.epochs: .*greater than or equal to 1"),
        ({"temporal": {"training": {"batch_size": 0}}}, "temporal.training.batch_size: .*greater than"),
        ({"matcher": {"search": "people"}}, "unknown key matcher.search"),
        ({"fusion": {"weights": {"text": 1}}}, "unknown key fusion.weights.text"),
    ],
)
def test_mistakes(change, message):
    assert parse_config(Recipe, SMALLEST, "here").seed == 0
    with pytest.raises(InputError, match=message):
        parse_config(Recipe, SMALLEST | change, "here")
