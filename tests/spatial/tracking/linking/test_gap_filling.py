import numpy as np

from spatial.tracking.linking.gap_filling import refill
from spatial.tracking.linking.tracklets import Tracklet


def tracklet(frames: list[int], x: float, shot: int = 0, speed: float = 0.0) -> Tracklet:
    left = x + speed * np.array(frames)
    boxes = np.stack([left, np.zeros(len(frames)), left + 40, np.full(len(frames), 100.0)], axis=1)
    return Tracklet(np.array(frames), boxes, np.full(len(frames), 0.9), np.zeros(len(frames)), shot)


def frames_of(tracklets: list[Tracklet]) -> list[list[int]]:
    return sorted(tracklet.frames.tolist() for tracklet in tracklets)


def test_free_boxes_on_the_way_are_taken() -> None:
    walker = tracklet([0, 1, 2, 8, 9], 0.0, speed=10.0)
    assert frames_of(refill([walker, tracklet([4, 5], 2.0, speed=10.0)], 3, 0.4)) == [[0, 1, 2, 4, 5, 8, 9]]


def test_others_stay() -> None:
    person = tracklet([0, 1, 2, 8, 9], 0.0)
    for other in (tracklet([4], 200.0), tracklet([2], 0.0), tracklet([12], 0.0), tracklet([4], 0.0, shot=1)):
        assert len(refill([person, other], 3, 0.4)) == 2


def test_the_rest_of_a_short_tracklet_stays() -> None:
    stray = Tracklet(np.array([4, 5]), np.array([[0.0, 0, 40, 100], [300, 0, 340, 100]]), np.ones(2), np.zeros(2), 0)
    assert frames_of(refill([tracklet([0, 1, 2, 8], 0.0), stray], 3, 0.4)) == [[0, 1, 2, 4, 8], [5]]


def test_one_box_for_one_person_and_frame() -> None:
    people = [tracklet([0, 1, 2, 8], 0.0), tracklet([0, 1, 2, 8], 24.0)]
    filled = refill([*people, tracklet([5], 4.0), tracklet([5], 20.0)], 3, 0.3)
    assert frames_of(filled) == [[0, 1, 2, 5, 8]] * 2
    assert sorted(float(one.boxes_xyxy[3, 0]) for one in filled) == [4, 20]
    assert all(abs(float(one.boxes_xyxy[3, 0] - one.boxes_xyxy[0, 0])) <= 4 for one in filled)
