from dataclasses import replace
from pathlib import Path

import pytest

from film import train as command
from stvg.config import load_config
from stvg.recipe.build import load_stages
from stvg.recipe.schema import Recipe
from stvg.types import Query

RECIPE = Path(__file__).parents[3] / "configs" / "film.yaml"


@pytest.fixture
def overrides(tmp_path):
    short = [
        f"{stage}.training.{setting}"
        for stage in ("temporal", "matcher")
        for setting in ("epochs=1", "frozen_text_epochs=1", "validate_from=1")
    ]
    return [f"output.root={tmp_path}/out", f"data.root={tmp_path}/world", *short]


def test_one_command_makes_the_world_trains_and_publishes(tmp_path, overrides, monkeypatch):
    monkeypatch.setattr(command, "VAL_CLIPS", 4)
    monkeypatch.setattr(command, "WEIGHTS", tmp_path / "weights")
    assert command.main(["--config", str(RECIPE), "--clips", "8", "--publish", *overrides]) == 0
    published = {stage: tmp_path / "weights" / f"{stage}.safetensors" for stage in ("temporal", "matcher")}
    assert all(path.is_file() for path in published.values())
    made = (tmp_path / "world" / "train.json").stat().st_mtime_ns
    assert command.main(["--config", str(RECIPE), "--clips", "8", "--stage", "matcher", *overrides]) == 0
    assert (tmp_path / "world" / "train.json").stat().st_mtime_ns == made  # what is there is not made again
    recipe = load_config(Recipe, RECIPE, overrides)
    stages = {stage: replace(getattr(recipe, stage), checkpoint=path) for stage, path in published.items()}
    localizer, matcher = load_stages(replace(recipe, **stages))
    val = command.make_split(recipe, "val", 10_000_000, 4)
    video = val.reader.read(val.annotations[0].query.video_id)
    query = Query("a", video.meta.video_id, "The man in black walks away.")
    assert localizer.localize([query], video)[0].scores.max() > 0
    assert len(matcher.match([query], video)[0]) == len(video.tubes)


def test_the_weights_of_the_package_fit_its_recipe():
    localizer, matcher = load_stages(load_config(Recipe, RECIPE, []))
    assert localizer.model.input_size == matcher.model.input_size == 290
