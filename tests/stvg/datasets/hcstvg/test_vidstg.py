"""VidSTG's sentences about people become items of HC-STVG's form."""

import json

import numpy as np
import pytest

from stvg.datasets.hcstvg.vidstg import convert_split
from stvg.errors import InputError
from stvg.io.hcstvg_annotations import read_annotations


def annotation(video="v1", **changes):
    return {
        "vid": video,
        "frame_count": 10,
        "fps": 5.0,
        "width": 64,
        "height": 48,
        "subject/objects": [
            {"tid": 0, "category": "adult"},
            {"tid": 1, "category": "dog"},
            {"tid": 2, "category": "baby"},
        ],
        "used_segment": {"begin_fid": 0, "end_fid": 10},
        "temporal_gt": {"begin_fid": 2, "end_fid": 6},
        "captions": [
            {"description": "an adult walks.", "type": "adult", "target_id": 0},
            {"description": "a dog runs.", "type": "dog", "target_id": 1},
        ],
        "questions": [{"description": "who crawls?", "type": "baby", "target_id": 2}],
    } | changes


@pytest.fixture
def data(tmp_path):
    """VidOR's boxes: object k has its left edge at 10 k + frame."""
    folder = tmp_path / "vidor" / "training" / "0001"
    folder.mkdir(parents=True)
    frames = [
        [
            {
                "tid": tid,
                "bbox": {"xmin": 10 * tid + frame, "ymin": 4, "xmax": 10 * tid + frame + 8, "ymax": 24},
                "generated": 0,
                "tracker": "none",
            }
            for tid in (0, 1, 2)
            if (tid, frame) != (0, 9)
        ]
        for frame in range(10)
    ]
    (folder / "v1.json").write_text(json.dumps({"trajectories": frames}))
    return tmp_path


def convert(data, annotations, **options):
    path = data / "train_annotations.json"
    path.write_text(json.dumps(annotations))
    return convert_split("train", path, data, **options)


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [("captions", ["an adult walks."]), ("questions", ["who crawls?"]), ("both", ["an adult walks.", "who crawls?"])],
)
def test_sentences_about_people(data, sentences, expected):
    made = convert(data, [annotation()], sentences=sentences)
    assert [one["caption"] for one in made.split.items.values()] == expected
    assert made.video_of == {f"{k + 1}_v1.mp4": "v1.mp4" for k in range(len(expected))}
    assert made.split.findings == ()


def test_frames_and_boxes_are_those_of_vidor(data, tmp_path):
    made = convert(data, [annotation()])
    path = tmp_path / "train.json"
    path.write_text(json.dumps(made.split.items))
    (found,) = read_annotations(path)
    assert (found.tube.span.start, found.tube.span.stop) == (2, 6)
    np.testing.assert_array_equal(found.tube.boxes_xyxy, [[frame, 4, frame + 8, 24] for frame in (2, 3, 4, 5)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temporal_gt": {"begin_fid": 7, "end_fid": 10}}, "v1: frame 9: expected a box of object 0, found none"),
        ({"temporal_gt": {"begin_fid": 7, "end_fid": 11}}, "expected a moment inside VidOR's 10 frames, got 7 to 11"),
        ({"vid": "v9"}, "v9: expected VidOR's annotation v9.json"),
        ({"fps": None}, "expected an annotation of VidSTG, got TypeError"),
        ({"temporal_gt": None}, "expected an annotation of VidSTG, got TypeError"),
    ],
)
def test_bad_annotations_are_findings(data, changes, message):
    made = convert(data, [annotation(**changes), annotation()])
    assert list(made.split.items) == ["1_v1.mp4"]
    (finding,) = made.split.findings
    assert message in finding.message
    assert finding.left_out
    assert made.split.total == 2


def test_nothing_about_people(data):
    with pytest.raises(InputError, match="expected sentences about people, got none"):
        convert(data, [annotation(captions=[])])
    with pytest.raises(InputError, match="expected a list of annotations"):
        convert(data, {})
