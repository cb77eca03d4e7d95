import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stvg.config import load_config
from stvg.evaluation.metrics import score
from stvg.io.hcstvg_annotations import read_annotations
from stvg.io.submission import read_submission
from stvg.recipe.schema import Recipe
from stvg.types import QueryScore, Scores
from stvg.workflows.demo_run import STORE, DetectorRow, compare_detectors, detectors_to_text, run_demo

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
SIDE = 64


@pytest.fixture
def one_person(tmp_path: Path) -> Path:
    """A NanoDet that finds the same person in every picture, left of the middle."""
    from onnx import TensorProto, helper, numpy_helper

    cells = [(SIDE // stride) ** 2 for stride in (8, 16, 32)]
    outputs = [np.zeros((1, count, 1), np.float32) for count in cells]
    outputs += [np.zeros((1, count, 44), np.float32) for count in cells]
    outputs[0][0, 26] = 0.9
    outputs[3][0, 26, [1, 12, 23, 35]] = 50
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
    ]
    nodes += [helper.make_node("Add", ["zero", f"w{i}"], [f"y{i}"]) for i in range(6)]
    weights = [numpy_helper.from_array(np.zeros((), np.float32), "nothing")]
    weights += [numpy_helper.from_array(output, f"w{i}") for i, output in enumerate(outputs)]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, list(output.shape))
            for i, output in enumerate(outputs)
        ],
        weights,
    )
    path = tmp_path / "one.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def test_two_detectors_on_the_same_queries(road: Any, one_person: Path, tmp_path: Path) -> None:
    recipe = load_config(Recipe, road.config, [f"data.root={road.world}", f"output.root={road.out}"])
    store = road.out / "prepared" / f"{STORE}.h5"
    before = (road.out / "prepared" / "test.h5").read_bytes()
    try:
        rows = compare_detectors(recipe, one_person, road.submission, tmp_path)
    finally:
        store.unlink(missing_ok=True)  # the demo is shared with other tests
    assert [row.detections for row in rows] == ["public detections, from files", "one.onnx, run on the pixels"]
    assert rows[0].scores.m_viou == pytest.approx(json.loads((road.out / "scores.json").read_text())["m_viou"])
    truth = read_annotations(road.world / "test.json")
    answers = read_submission(tmp_path / "detector_results.json")
    assert len(answers) == len(truth) == 2
    assert rows[1].scores == score(truth, answers)
    centres = [(box[0] + box[2]) / 2 for answer in answers for box in answer.tube.boxes_xyxy.tolist()]
    assert np.std(centres) < 1, "the one person, who never moves"
    written = json.loads((tmp_path / "detectors.json").read_text())
    assert [(row["detections"], row["num_queries"]) for row in written] == [(row.detections, 2) for row in rows]
    assert (road.out / "prepared" / "test.h5").read_bytes() == before


def test_the_first_clips_alone(road: Any, one_person: Path, tmp_path: Path) -> None:
    recipe = load_config(Recipe, road.config, [f"data.root={road.world}", f"output.root={road.out}"])
    try:
        rows = compare_detectors(recipe, one_person, road.submission, tmp_path, clips=1)
    finally:
        (road.out / "prepared" / f"{STORE}.h5").unlink(missing_ok=True)
    first = next(iter(json.loads((road.world / "test.json").read_text())))
    assert [[item.query_id for item in row.scores.per_query] for row in rows] == [[first], [first]]


def test_the_table_is_aligned() -> None:
    one = (QueryScore("a.mp4", 0.5, 0.25),)
    rows = [
        DetectorRow(name, Scores("official", 0.5, 0.25, {0.3: 0.0, 0.5: 1.0}, one), (0.25, 0.25))
        for name in ("files", "a longer name")
    ]
    assert detectors_to_text(rows).splitlines() == [
        "detections     clips  m_tIoU  m_vIoU  95 % interval  vIoU@0.3  vIoU@0.5",
        "files              1    50.0    25.0   25.0 to 25.0       0.0     100.0",
        "a longer name      1    50.0    25.0   25.0 to 25.0       0.0     100.0",
    ]


def test_without_the_file_the_demo_says_so_in_one_line(road: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The tiny demo again, in which all is finished."""
    caplog.set_level("INFO")
    clips = {"train": 1, "val": 1, "test": 2}
    run_demo(road.config, road.out, road.submission, clips, 3, road.root / "none.onnx")
    (line,) = (record.getMessage() for record in caplog.records if "no detector at" in record.getMessage())
    assert "(stvg models gets one)" in line
    assert not (road.out / "detectors.json").exists()
