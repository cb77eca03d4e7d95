from pathlib import Path

import numpy as np
import pytest

from spatial.detectors.detections_file import FileConfig, FileDetector
from stvg.errors import InputError
from stvg.types import VideoFrames, VideoMeta


def footage(video_id: str = "5_x.mp4", stride: int = 2) -> VideoFrames:
    meta = VideoMeta(video_id, Path("videos") / video_id, 7, 10.0, 100, 80)
    frames = np.arange(0, 7, stride)
    return VideoFrames(meta, frames, None, 1 / 80, ())


def test_rows_of_the_footages_frames_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "5_x.txt").write_text(
        "5,-1,10,10,20,20,0.5,-1,-1,-1\n"
        "1,-1,0,0,20,30,0.4,-1,-1,-1\n"
        "2,-1,50,0,20,30,0.9,-1,-1,-1\n"  # frame 1 is not looked at
        "5,-1,40,10,20,20,1.5,-1,-1,-1\n"  # a score over 1
        "5,-1,90,10,40,20,0.6,-1,-1,-1\n"  # over the border
        "5,-1,10,10,20,20,0.1,-1,-1,-1\n"  # too weak
        "5,-1,10,10,3,20,0.9,-1,-1,-1\n"  # too narrow
    )
    found = FileDetector(FileConfig(folder=tmp_path, threshold=0.3)).detect(footage())
    assert [item.frame for item in found] == [0, 2, 4, 6]
    assert [len(item) for item in found] == [1, 0, 3, 0]
    assert found[0].boxes_xyxy.tolist() == [[0, 0, 20, 30]]
    assert found[2].boxes_xyxy.tolist() == [[40, 10, 60, 30], [90, 10, 100, 30], [10, 10, 30, 30]]
    np.testing.assert_allclose(found[2].scores, [1, 0.6, 0.5])


def test_empty_file_is_a_video_without_people(tmp_path: Path) -> None:
    (tmp_path / "5_x.txt").touch()
    assert [len(item) for item in FileDetector(FileConfig(folder=tmp_path)).detect(footage())] == [0, 0, 0, 0]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"5_x\.txt"):
        FileDetector(FileConfig(folder=tmp_path)).detect(footage())


def test_file_of_a_longer_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "5_x.txt").write_text("8,-1,0,0,20,30,0.4\n")
    with pytest.raises(InputError, match=r"5_x\.txt: expected detections of 5_x\.mp4, frames 1 to 7, got frame 8"):
        FileDetector(FileConfig(folder=tmp_path)).detect(footage())


def test_video_id_cannot_leave_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("1,-1,0,0,20,30,0.4\n")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"folder/secret\.txt"):
        FileDetector(FileConfig(folder=tmp_path / "folder")).detect(footage("../secret.mp4"))
