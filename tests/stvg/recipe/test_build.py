"""What a checkpoint says of itself, and what of a recipe the prepared videos depend on."""

import pytest
import torch

from stvg.config import parse_config
from stvg.errors import InputError
from stvg.fusion.score_fusion import JointWeights
from stvg.io.frame_sampling import VideoConfig
from stvg.recipe.build import build_fusion, build_preparer, clip_sequences
from stvg.recipe.networks import describe_network, text_learns
from stvg.recipe.schema import Recipe
from stvg.recipe.workspace import fusion_file, prepared_store
from stvg.training.joint_weights import write_fitted_weights
from temporal.sequences import PeopleSequences, VideoSequence


def recipe(**changes):
    plain = {"data": {"root": "d"}, "output": {"root": "o"}, "detector": {"kind": "hog"}}
    return parse_config(Recipe, plain | changes, "here")


@pytest.mark.parametrize(
    ("changes", "same", "reason"),
    [
        ({}, True, "itself"),
        ({"seed": 4}, True, "nothing is drawn"),
        ({"temporal": {"power": 0.3}}, True, "used after it"),
        ({"data": {"root": "e"}}, True, "files are told apart by their content"),
        ({"video": {"stride": 2}}, False, "other frames"),
        ({"video": {"rate": 2}}, False, "other frames"),
        ({"detector": {"kind": "hog", "min_side": 99.0}}, False, "other boxes"),
        ({"detector": {"kind": "file"}}, False, "another detector"),
        ({"features": {"kind": "classic", "flow_width": 64}}, False, "other features"),
    ],
)
def test_what_prepared_videos_depend_on(changes, same, reason):
    assert (prepared_store(recipe(), "val").recipe == prepared_store(recipe(**changes), "val").recipe) is same, reason


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"temporal": {"network": {"hidden_size": 16}}}, "hidden_size"),
        ({"temporal": {"text": "other"}}, "text"),
        ({"temporal": {"search": "people"}}, "search"),
        ({"temporal": {"training": {"frozen_text_epochs": 99}}}, "text_learns"),
        ({"features": {"kind": "classic", "bilinear": False}}, "features.bilinear"),
    ],
)
def test_a_checkpoint_tells_other_networks_apart(changes, key):
    one, other = recipe(), recipe(**changes)
    first, second = (describe_network(item, item.temporal, 5) for item in (one, other))
    assert {name for name in first if first[name] != second[name]} == {key}
    assert "search" not in describe_network(one, one.matcher, 5)


@pytest.mark.parametrize(("frozen", "expected"), [(0, True), (17, True), (18, False), (99, False)])
def test_text_learns(frozen, expected):
    assert text_learns(recipe(matcher={"training": {"frozen_text_epochs": frozen}}).matcher) is expected


def test_weights_of_the_recipe_win_over_fitted_ones_and_those_over_the_default(tmp_path, caplog):
    """In joint one line of the log says which."""
    caplog.set_level("INFO")
    one = recipe(output={"root": str(tmp_path)}, fusion={"mode": "joint"})
    assert build_fusion(one).weights == JointWeights(1.0, 1.0, 1.0)
    assert build_fusion(one).config.mode == "joint"
    assert f"(none are fitted: no {fusion_file(one)})" in caplog.messages[-1]
    assert build_fusion(one, "tube_mmn").config.mode == "tube_mmn"
    write_fitted_weights(fusion_file(one), JointWeights(0.5, 1.0, 0.25), 0.1, 3)
    assert build_fusion(one).weights == JointWeights(0.5, 1.0, 0.25)
    assert f"(fitted on val, {fusion_file(one)})" in caplog.messages[-1]
    named = recipe(output={"root": str(tmp_path)}, fusion={"mode": "joint", "weights": {"moment": 3.0}})
    assert build_fusion(named).weights == JointWeights(3.0, 1.0, 1.0)
    assert caplog.messages[-1].endswith("(of the recipe)")
    count = len(caplog.messages)
    build_fusion(named, "two_stage")
    assert len(caplog.messages) == count, "only joint uses them"


@pytest.mark.parametrize("detector", [{"kind": "file"}, {"kind": "hog"}])
def test_preparers_of_detectors_without_files(detector):
    video = {"stride": 3, "max_side": 100}
    preparer = build_preparer(recipe(detector=detector, video=video))
    assert type(preparer.detector).__name__.lower() == f"{detector['kind']}detector"
    assert preparer.sampling == VideoConfig(**video)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_is_looked_for_only_by_parts_that_run_in_torch():
    build_preparer(recipe(device="cuda"))
    for part in ({"detector": {"kind": "transformers", "name": "n"}}, {"detector": {"kind": "torchvision"}}):
        with pytest.raises(InputError, match="device cuda: expected a GPU"):
            build_preparer(recipe(device="cuda", **part))


def test_imported_features_have_no_extractor():
    with pytest.raises(InputError, match="got imported; run stvg convert mmn-stvg"):
        build_preparer(recipe(features={"kind": "imported"}))


def test_a_model_file_that_is_missing():
    with pytest.raises(InputError, match="nowhere"):
        build_preparer(recipe(detector={"kind": "onnx", "path": "nowhere.onnx"}))


@pytest.mark.parametrize(("search", "kind"), [("video", VideoSequence), ("people", PeopleSequences)])
def test_clip_sequences(search, kind):
    found = clip_sequences(recipe(temporal={"search": search, "network": {"num_pre_clips": 8}}))
    assert type(found) is kind
    assert found.num_clips == 8
