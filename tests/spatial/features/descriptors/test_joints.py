from pathlib import Path

import numpy as np
import pytest

from spatial.features.descriptors.colour import BIN_NAMES
from spatial.features.descriptors.crops import TubeSamples
from spatial.features.descriptors.joints import JointFinder, part_colours
from spatial.features.descriptors.part_colours import LIGHTNESS, PART_NAMES, colours_of_points
from stvg.errors import InputError

SIDE = 32


def write_model(path: Path, joints, shape=(1, SIDE, SIDE, 3)) -> Path:
    """Write an ONNX model that answers `joints` (17, 3), y, x, confidence, plus 0 times the picture's mean."""
    onnx = pytest.importorskip("onnx")
    helper, types = onnx.helper, onnx.TensorProto
    answer = onnx.numpy_helper.from_array(np.asarray(joints, np.float32).reshape(1, 1, -1, 3), "answer")
    zero = onnx.numpy_helper.from_array(np.zeros(1, np.float32), "zero")
    nodes = [
        helper.make_node("Cast", ["input"], ["real"], to=types.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["joints"]),
    ]
    inputs = [helper.make_tensor_value_info("input", types.INT32, shape)]
    outputs = [helper.make_tensor_value_info("joints", types.FLOAT, (1, 1, len(joints), 3))]
    graph = helper.make_graph(nodes, "pose", inputs, outputs, [answer, zero])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def samples(*boxes):
    return TubeSamples(np.zeros(len(boxes), np.int64), np.asarray(boxes, np.float32))


def test_joints_come_back_in_pixels_of_the_picture(tmp_path):
    joints = np.tile([0.5, 0.5, 0.9], (17, 1))
    joints[9] = [0.0, 1.0, 0.4]
    finder = JointFinder(write_model(tmp_path / "pose.onnx", joints), threads=2)
    found = finder.find(np.zeros((1, 100, 200, 3), np.uint8), samples((60, 10, 100, 90), (0, 0, 20, 40)))
    assert found.shape == (2, 17, 3)
    assert found[0, 0] == pytest.approx([80, 50, 0.9], abs=1e-4)
    assert found[0, 9] == pytest.approx([80 + 50, 0, 0.4], abs=1e-4)  # the square has 1.25 times 80 pixels
    assert found[1, 0] == pytest.approx([10, 20, 0.9], abs=1e-4)


def test_joints_that_are_no_numbers_are_refused(tmp_path):
    finder = JointFinder(write_model(tmp_path / "pose.onnx", np.full((17, 3), np.nan)), threads=1)
    with pytest.raises(InputError, match="expected finite joints"):
        finder.find(np.zeros((1, 40, 40, 3), np.uint8), samples((0, 0, 20, 40)))


def test_another_model_and_no_file_are_named(tmp_path):
    wide = write_model(tmp_path / "wide.onnx", np.zeros((17, 3)), shape=(1, SIDE, 2 * SIDE, 3))
    fewer = write_model(tmp_path / "fewer.onnx", np.zeros((5, 3)))
    for path in (wide, fewer):
        with pytest.raises(InputError, match="expected a MoveNet"):
            JointFinder(path, threads=1)
    with pytest.raises(InputError, match="stvg models fetches it"):
        JointFinder(tmp_path / "none.onnx", threads=1)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(InputError, match="expected an ONNX model"):
        JointFinder(tmp_path / "text.onnx", threads=1)


def picture():
    """A figure on gray: black hair, a red top with sleeves, blue legs."""
    image = np.full((1, 300, 200, 3), 128, np.uint8)
    image[0, 20:42, 80:120] = (20, 20, 20)
    image[0, 42:60, 85:115] = (225, 180, 150)
    image[0, 60:160, 60:140] = (200, 30, 35)
    image[0, 160:290, 70:130] = (35, 70, 180)
    return image


def figure(confidence=0.9):
    places = [
        (100, 50),
        (104, 46),
        (96, 46),
        (110, 48),
        (90, 48),
        (125, 70),
        (75, 70),
        (130, 105),
        (70, 105),
        (132, 140),
    ]
    places += [(68, 140), (112, 160), (88, 160), (114, 220), (86, 220), (114, 280), (86, 280)]
    return np.array([[(*place, confidence) for place in places]], np.float32)


def named(colours, part):
    return BIN_NAMES[colours[0, PART_NAMES.index(part), : len(BIN_NAMES)].argmax()]


def test_parts_show_their_own_colours():
    colours = part_colours(picture(), samples((55, 18, 145, 292)), figure())
    seen = [named(colours, part) for part in ("hair", "torso", "arms", "thighs", "shins")]
    assert seen == ["black", "light red", "light red", "dark blue", "dark blue"]


def test_a_part_that_is_not_seen_has_no_colours():
    joints = figure()
    joints[:, 11:, 2] = 0.1
    colours = part_colours(picture(), samples((55, 18, 145, 160)), joints)
    assert not colours[0, 3:].any()
    assert named(colours, "torso") == "light red"


def test_colours_of_points_are_shares_lightness_and_tint():
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[1] = 255
    black, white = colours_of_points(pixels)
    assert black[:LIGHTNESS].sum() == pytest.approx(1, abs=1e-4)
    assert (black[LIGHTNESS], white[LIGHTNESS]) == (0, 1)
    assert black[LIGHTNESS + 1] == 0
