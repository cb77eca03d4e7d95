from pathlib import Path

import numpy as np
import pytest

from spatial.features.descriptors.pose_columns import POSE_DIM
from spatial.features.pose import PoseConfig
from stvg.types import Tube, VideoFrames, VideoMeta


@pytest.fixture
def model(tmp_path):
    onnx = pytest.importorskip("onnx")
    helper, types = onnx.helper, onnx.TensorProto
    places = np.random.default_rng(0).uniform(0.2, 0.8, (1, 1, 17, 3)).astype(np.float32)
    nodes = [helper.make_node("Identity", ["places"], ["joints"])]
    inputs = [helper.make_tensor_value_info("input", types.INT32, (1, 32, 32, 3))]
    outputs = [helper.make_tensor_value_info("joints", types.FLOAT, places.shape)]
    graph = helper.make_graph(nodes, "pose", inputs, outputs, [onnx.numpy_helper.from_array(places, "places")])
    path = tmp_path / "pose.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def test_a_video_and_its_tubes_are_described(model):
    rng = np.random.default_rng(1)
    meta = VideoMeta("a.mp4", Path("a.mp4"), 12, 10.0, 160, 90)
    images = rng.integers(0, 255, (6, 90, 160, 3)).astype(np.uint8)
    video = VideoFrames(meta, np.arange(6) * 2, images, 1.0, ())
    boxes = np.tile([20.0, 10, 60, 80], (12, 1))
    tubes = [
        Tube(0, 0, boxes, np.full(12, 0.6), np.ones(12, bool)),
        Tube(1, 5, boxes[:3], np.ones(3), np.ones(3, bool)),
    ]
    features = PoseConfig(path=model).build("cpu")
    clip, rows = features.extract(video, tubes)
    assert clip.shape == (6, features.clip_dim)
    assert [one.shape for one in rows] == [(6, POSE_DIM), (1, POSE_DIM)]
    assert all(np.isfinite(one).all() for one in (clip, *rows))
    assert features.tube_dim == POSE_DIM
    half = PoseConfig(path=model, rate=2.5).build("cpu").extract(video, tubes)[1]
    assert [len(one) for one in half] == [3, 1]


def test_a_video_without_people_is_described(model):
    meta = VideoMeta("a.mp4", Path("a.mp4"), 2, 10.0, 64, 48)
    video = VideoFrames(meta, np.arange(2), np.zeros((2, 48, 64, 3), np.uint8), 1.0, ())
    clip, rows = PoseConfig(path=model).build("cpu").extract(video, [])
    assert clip.shape == (2, 37)
    assert rows == ()
