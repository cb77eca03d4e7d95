"""The recipe for filmed people: what is asked where nobody names a recipe."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from spatial.features.descriptors.pose_columns import POSE_DIM
from stvg import api
from stvg.cli import COMMANDS
from stvg.config import load_config
from stvg.datasets.synthetic.make import write_video
from stvg.errors import InputError
from stvg.recipe.networks import build_network, describe_network
from stvg.recipe.schema import Recipe
from stvg.weights import FILM_RECIPE
from temporal.training.checkpoint import save_weights

ROOT = Path(__file__).parents[2]
VIDEO = ["--video", "a.mp4", "--query", "The man in the green shirt bends down.", "--out", "answer"]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """Overrides that put untrained networks in place of the package's."""
    folder = tmp_path_factory.mktemp("weights")
    recipe = load_config(Recipe, FILM_RECIPE)
    torch.manual_seed(0)
    for stage in (recipe.temporal, recipe.matcher):
        network, _ = build_network(stage, POSE_DIM, "cpu")
        save_weights(network, describe_network(recipe, stage, POSE_DIM), folder / f"{stage.folder}.safetensors")
    return [f"{stage}.checkpoint={folder / stage}.safetensors" for stage in ("temporal", "matcher")]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with a video and no models."""
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4", np.zeros((12, 48, 64, 3), np.uint8), 10, 64, 48)
    return tmp_path


def test_the_recipe_of_the_checkout_is_the_one_of_the_package():
    assert load_config(Recipe, ROOT / "configs" / "film.yaml") == load_config(Recipe, FILM_RECIPE)


@pytest.mark.parametrize("words", COMMANDS)
def test_only_asking_needs_no_recipe(command, words):
    text = command(*words.split(), "--help").stdout
    optional = "[--config C]" in text and "the package's own, for filmed people" in " ".join(text.split())
    assert optional == (words in ("ground", "app"))


@pytest.mark.parametrize("ask", [["ground", *VIDEO], ["app", "--port", "0"]])
def test_what_lacks_is_said_with_the_command_that_fetches_it(command, here, untrained, ask):
    expected = {
        "runs/models/nanodet_416_coco.onnx: expected an ONNX model": [],
        "runs/models/movenet_thunder.onnx: expected the pose network": ["detector={kind: hog}"],
    }
    for begin, overrides in expected.items():
        done = command(*ask, *untrained, *overrides)
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert (done.code, done.stdout) == (2, "")
        assert line.startswith(f"error: {begin}, found no such file; stvg models fetches ")
    assert [path.name for path in here.iterdir()] == ["a.mp4"]


def test_load_without_a_recipe_is_for_film(monkeypatch):
    def refuse(schema, path, overrides):
        raise InputError(json.dumps([schema.__name__, str(path), list(overrides)]))

    monkeypatch.setattr(api, "load_config", refuse)
    with pytest.raises(InputError) as asked:
        api.load()
    assert json.loads(str(asked.value)) == ["Recipe", str(FILM_RECIPE), []]
