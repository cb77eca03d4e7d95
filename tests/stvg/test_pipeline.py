"""The two ends of the pipeline hand on what their parts give, in order."""

from pathlib import Path

import numpy as np

from stvg.datasets.synthetic.make import write_video
from stvg.io.frame_sampling import VideoConfig
from stvg.pipeline import Grounder, Preparer
from stvg.types import Detections, Prediction, PreparedVideo, Query, Tube, VideoMeta


class Part:
    """Every part of the preparer; remembers what it is given."""

    def __init__(self):
        self.calls = []
        self.tube = Tube(0, 0, np.ones((1, 4)), np.ones(1), np.ones(1, bool))

    def detect(self, footage):
        self.calls.append(("detect", footage.frames.tolist(), footage.images.shape))
        return [Detections(int(frame), np.zeros((0, 4)), np.zeros(0)) for frame in footage.frames]

    def track(self, footage, detections):
        self.calls.append(("track", len(detections)))
        return [self.tube]

    def link(self, footage, tracklets):
        self.calls.append(("link", tracklets))
        return (self.tube, self.tube)

    def extract(self, footage, tubes):
        self.calls.append(("extract", len(tubes)))
        return np.zeros((2, 3), np.float32), (np.ones((1, 2), np.float32),) * 2


def test_preparer(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, np.zeros((9, 48, 64, 3), np.uint8), 10, 64, 48)
    part = Part()
    made = Preparer(part, part, part, part, sampling=VideoConfig(stride=4, max_side=32)).prepare(path, "key.mp4")
    found = made.video
    assert part.calls == [("detect", [0, 4, 8], (3, 24, 32, 3)), ("track", 3), ("link", [part.tube]), ("extract", 2)]
    assert found.meta == VideoMeta("key.mp4", path, 9, 10.0, 64, 48)
    assert found.tubes == (part.tube, part.tube)
    assert found.clip_features.shape == (2, 3)
    assert len(found.tube_features) == 2
    assert (made.times.frames, made.times.looked_at) == (9, 3)
    assert list(made.times.seconds) == ["decode", "detect", "track", "link", "describe"]


class Answers:
    def localize(self, queries, video):
        return [f"moments of {query.text}" for query in queries]

    def match(self, queries, video):
        return [f"maps of {query.text}" for query in queries]

    def rank(self, query, video, moments, maps):
        assert (moments, maps) == (f"moments of {query.text}", f"maps of {query.text}")
        return f"ranking of {query.query_id}"

    def predict(self, ranking, video):
        return Prediction(ranking.removeprefix("ranking of "), video.meta.video_id, Part().tube, 1.0)


def test_grounder_keeps_the_order_of_the_queries():
    video = PreparedVideo(VideoMeta("a.mp4", Path("a.mp4"), 9, 10.0, 64, 48), np.zeros((1, 1)), (), ())
    queries = [Query(f"q{k}", "a.mp4", text) for k, text in enumerate("abc")]
    found = Grounder(Answers(), Answers(), Answers()).ground(queries, video)
    assert [one.prediction.query_id for one in found] == ["q0", "q1", "q2"]
    assert [one.ranking for one in found] == ["ranking of q0", "ranking of q1", "ranking of q2"]
    assert Grounder(Answers(), Answers(), Answers()).ground([], video) == []
