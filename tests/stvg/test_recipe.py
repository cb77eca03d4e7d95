"""Every shipped YAML is a recipe, and a recipe survives being written down."""

from pathlib import Path

import pytest
import yaml

from stvg.config import dump_config, load_config, parse_config
from stvg.errors import InputError
from stvg.recipe import Recipe

CONFIGS = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))
SMALLEST = {"data": {"root": "d"}, "output": {"root": "o"}, "detector": {"kind": "hog"}}


def test_configs_are_found():
    assert any(path.name == "demo.yaml" for path in CONFIGS)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_parses_and_survives_writing(path):
    recipe = load_config(Recipe, path)
    assert parse_config(Recipe, yaml.safe_load(yaml.safe_dump(dump_config(recipe))), "again") == recipe


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_overrides_of_the_two_roots(path):
    recipe = load_config(Recipe, path, ["data.root=w", "output.root=r"])
    assert (recipe.data.root, recipe.output.root) == (Path("w"), Path("r"))
    assert recipe.data.videos == Path("w/videos")
    assert recipe.data.annotations("val") == Path("w/val.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detector": {"kind": "magic"}}, "detector: .*magic"),
        ({"detector": {"kind": "hog", "folder": "x"}}, "unknown key detector.folder"),
        ({"device": "gpu"}, "device: .*'cpu' or 'cuda'"),
        ({"video": {"stride": 0}}, "video.stride: .*greater than or equal to 1"),
        ({"temporal": {"training": {"epochs": 0}}}, "temporal.training.epochs: .*greater than or equal to 1"),
        ({"temporal": {"training": {"batch_size": 0}}}, "temporal.training.batch_size: .*greater than"),
        ({"matcher": {"streams": "people"}}, "unknown key matcher.streams"),
        ({"fusion": {"weights": {"text": 1}}}, "unknown key fusion.weights.text"),
    ],
)
def test_mistakes(change, message):
    assert parse_config(Recipe, SMALLEST, "here").seed == 0
    with pytest.raises(InputError, match=message):
        parse_config(Recipe, SMALLEST | change, "here")
