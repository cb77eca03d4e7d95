"""Every number of every recipe has a domain: what makes no sense is refused in one line that names the key."""

import math
from copy import deepcopy

import pytest

from stvg.config import dump_config, parse_config
from stvg.errors import InputError
from stvg.recipe.schema import BenchmarkRecipe, Recipe

DETECTORS = {
    "file": {},
    "onnx": {"path": "x.onnx", "size": [64, 64]},
    "hog": {},
    "phrase": {"name": "n"},
    "transformers": {"name": "n"},
    "torchvision": {"min_size": 64, "max_size": 64},
    "mmdet": {"config": "c", "weights": "w", "size": [64, 64]},
    "detectron2": {"config": "c", "weights": "w", "min_size": 64, "max_size": 64},
}
FEATURES = ("classic", "image_encoder", "video_network", "image_text", "imported")
BENCHMARK = {"data": {"root": "d", "train": "a", "test": "b", "features": "f"}, "output": {"root": "o"}}
ZERO = {  # keys that may be 0, by their last part
    *("seed", "memory_gib", "power", "contrastive_power", "max_extrapolation", "smoothing"),
    *("moment", "iou", "contrastive"),  # weights
    *("threshold", "min_side", "nms_iou", "person_class", "threads", "margin", "thresholds", "nms_threshold"),
    *("memory_s", "high_score", "min_iou", "crowd_iou", "gap_s", "long_gap_s", "end_gap_s", "fill_iou", "same_iou"),
    *(
        "same_share",
        "second_share",
        "weak_score",
        "min_relative_score",
        "min_detections",
        "min_length_s",
        "min_density",
        "min_score",
    ),
    *("feature_dropout", "negative_iou", "removal_iou", "contrastive_weight"),
    *("lr", "text_lr_scale", "frozen_text_epochs", "betas", "weight_decay", "warmup_steps", "crops", "crop_share"),
    *("concatenations", "rewordings", "reworded_share", "full_contrastive_epochs"),
}


def pipeline(detector="hog", features="classic"):
    return {
        "data": {"root": "d"},
        "output": {"root": "o"},
        "detector": {"kind": detector, **DETECTORS[detector]},
        "features": {"kind": features},
        "fusion": {"weights": {}},
    }


def leaves(values, above=()):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key), value


def with_value(values, keys, value):
    changed = inner = deepcopy(values)
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return changed


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def taken(schema, values, keys, like, number):
    """Whether a recipe takes `number` in place of a number, or of one in a list."""
    one = [number, *like[1:]] if isinstance(like, list) else number
    try:
        parse_config(schema, with_value(values, keys, one), "r.yaml")
    except InputError as error:
        said = str(error)
    else:
        return True
    assert ".".join(keys) in said
    return False


CASES = {
    **{f"detector {kind}": (Recipe, pipeline(detector=kind), "detector") for kind in DETECTORS},
    **{f"features {kind}": (Recipe, pipeline(features=kind), "features") for kind in FEATURES},
    "pipeline": (Recipe, pipeline(), None),
    "benchmark": (BenchmarkRecipe, BENCHMARK, None),
}


@pytest.mark.parametrize("case", CASES)
def test_numbers_without_sense_are_refused(case):
    schema, values, part = CASES[case]
    whole = dump_config(parse_config(schema, values, "r.yaml"))
    numbers = {
        keys: value
        for keys, value in leaves(whole)
        if (part is None or keys[0] == part) and (is_number(value) or (isinstance(value, list) and is_number(value[0])))
    }
    assert numbers or case == "detector file"
    for keys, value in numbers.items():
        for number in (-1, -0.5, math.nan, math.inf, -math.inf, 1e30, 10**30, 10**400):
            if keys[0] != "video" or not number > 1e29:  # a stride beyond the end keeps one frame
                assert not taken(schema, whole, keys, value, number), (keys, number)
        assert taken(schema, whole, keys, value, 0) == (keys[-1] in ZERO), keys
        assert taken(schema, whole, keys, value, value[0] if isinstance(value, list) else value), keys


def test_a_loss_scales_ious_between_two_of_them():
    with pytest.raises(InputError, match=r"temporal\.loss: min_iou: expected less than max_iou 0.5, got 0.5"):
        parse_config(Recipe, pipeline() | {"temporal": {"loss": {"max_iou": 0.5}}}, "r.yaml")
