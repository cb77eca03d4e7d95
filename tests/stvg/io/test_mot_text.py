import numpy as np
import pytest

from stvg.errors import InputError
from stvg.io.mot_text import MotRows, read_mot, write_mot


def test_file_frames_become_0_based_and_boxes_xyxy(tmp_path):
    path = tmp_path / "det.txt"
    path.write_text("7,-1,10.5,20,30,40,0.9,-1,-1,-1\n\n1,3,-5,0,10,10,64.3\n 2 , 1.0, 0,0,1,1, -2,1,1 \r\n")
    rows = read_mot(path)
    assert rows.frames.tolist() == [6, 0, 1]
    assert rows.track_ids.tolist() == [-1, 3, 1]
    assert rows.boxes_xyxy.tolist() == [[10.5, 20, 40.5, 60], [-5, 0, 5, 10], [0, 0, 1, 1]]
    assert rows.scores.tolist() == pytest.approx([0.9, 64.3, -2], rel=1e-6)


def test_empty_file_has_no_rows(tmp_path):
    (tmp_path / "none.txt").write_text("\n")
    rows = read_mot(tmp_path / "none.txt")
    assert len(rows) == 0
    assert rows.boxes_xyxy.shape == (0, 4)


def test_round_trip(tmp_path):
    rng = np.random.default_rng(0)
    corners = rng.uniform(-20, 600, (50, 2))
    rows = MotRows(
        frames=rng.integers(0, 100, 50),
        track_ids=rng.integers(-1, 9, 50),
        boxes_xyxy=np.hstack([corners, corners + rng.uniform(1, 99, (50, 2))]).astype(np.float32),
        scores=rng.uniform(0, 1, 50).astype(np.float32),
    )
    path = tmp_path / "out" / "tracks.txt"
    write_mot(path, rows)
    again = read_mot(path)
    assert (again.frames == rows.frames).all()
    assert (again.track_ids == rows.track_ids).all()
    assert np.abs(again.boxes_xyxy - rows.boxes_xyxy).max() < 0.0012, "3 decimals"
    assert np.abs(again.scores - rows.scores).max() < 0.00006, "4 decimals"
    first = path.read_text().splitlines()[0].split(",")
    assert len(first) == 10
    assert first[0] == str(rows.frames[0] + 1)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("1,1,0,0,5", "expected frame,id,x,y,w,h,score"),
        ("1 1 0 0 5 5 1", "expected frame,id,x,y,w,h,score"),
        ("1,1,0,0,5,5,1,-1,-1,-1,-1", "7 to 10 columns"),
        ("1,1,0,zero,5,5,1", "expected numbers"),
        ("frame,id,x,y,w,h,score", "expected numbers"),
        ("1,1,0,,5,5,1", "expected numbers"),
        ("1,1,0,nan,5,5,1", "expected finite numbers"),
        ("1,1,0,0,inf,5,1", "expected finite numbers"),
        ("0,1,0,0,5,5,1", "whole frame number >= 1"),
        ("1.5,1,0,0,5,5,1", "whole frame number >= 1"),
        ("1e300,1,0,0,5,5,1", "whole frame number >= 1"),
        ("1,1.5,0,0,5,5,1", "a whole id"),
        ("1,1,0,0,0,5,1", "expected w, h > 0"),
        ("1,1,0,0,5,-5,1", "expected w, h > 0"),
    ],
)
def test_bad_rows_are_named_with_their_line(tmp_path, row, expected):
    path = tmp_path / "bad.txt"
    path.write_text(f"1,1,0,0,5,5,1\n{row}\n")
    with pytest.raises(InputError) as caught:
        read_mot(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: line 2: ")
    assert expected in message
    assert repr(row) in message


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: expected a readable MOT text file"):
        read_mot(tmp_path / "none.txt")
    (tmp_path / "x.bin").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(InputError, match="bytes that are no text"):
        read_mot(tmp_path / "x.bin")


@pytest.mark.parametrize(
    ("frame", "box", "score", "reason"),
    [
        (-1, [0, 0, 5, 5], 1, "before the first frame"),
        (0, [0, 0, 0.0004, 5], 1, "a width that rounds to 0"),
        (0, [5, 5, 0, 0], 1, "inverted"),
        (0, [0, 0, np.inf, 5], 1, "not finite"),
        (0, [0, 0, 5, 5], np.nan, "score not finite"),
    ],
)
def test_rows_that_would_not_read_back_are_not_written(tmp_path, frame, box, score, reason):
    rows = MotRows(np.array([frame]), np.array([1]), np.array([box], np.float32), np.array([score], np.float32))
    with pytest.raises(ValueError, match="in row 0"):
        write_mot(tmp_path / "x.txt", rows)
    assert list(tmp_path.iterdir()) == [], reason


def test_arrays_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"boxes_xyxy: expected shape \(2, 4\), got \(1, 4\)"):
        MotRows(np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros((1, 4), np.float32), np.zeros(2, np.float32))
