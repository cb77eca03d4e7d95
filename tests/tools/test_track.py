import subprocess
import sys
from pathlib import Path

import pytest

from stvg.io.mot_text import read_mot

ROOT = Path(__file__).resolve().parents[2]


def track(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "track.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)  # noqa: S603


def test_detections_become_gap_free_tubes(tmp_path: Path) -> None:
    lines = [f"{f + 1},-1,{100 + 2 * f},50,40,100,0.9,-1,-1,-1" for f in range(60) if f % 7 and not 20 <= f < 28]
    lines += [f"{f + 1},-1,{400 - f},60,40,100,0.8" for f in range(30)]
    (tmp_path / "det.txt").write_text("\n".join(reversed(lines)))
    result = track("--detections", tmp_path / "det.txt", "--out", tmp_path / "new" / "out.txt", "--fps", 10)
    assert (result.returncode, result.stdout.split()[0]) == (0, "2"), result.stderr
    rows = read_mot(tmp_path / "new" / "out.txt")
    frames = {track_id: rows.frames[rows.track_ids == track_id].tolist() for track_id in (1, 2)}
    assert frames == {1: list(range(1, 60)), 2: list(range(30))}
    assert rows.frames.tolist() == sorted(rows.frames.tolist())
    longest = rows.boxes_xyxy[rows.track_ids == 1]
    assert longest[20 - 1, 0] == pytest.approx(140, abs=0.1)


def test_the_detections_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "det.txt").write_text("1,-1,100,50,40,100,0.9\n")
    (tmp_path / "link.txt").symlink_to("det.txt")
    result = track("--detections", tmp_path / "det.txt", "--out", tmp_path / "link.txt")
    assert result.returncode == 2
    assert "link.txt: expected another file to write than the one to read" in result.stderr
    assert (tmp_path / "det.txt").read_text() == "1,-1,100,50,40,100,0.9\n"


def test_boxes_that_are_shares_of_the_picture_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "det.txt").write_text("1,-1,0.1,0.2,0.3,0.8,0.9\n2,-1,0.1,0.2,0.3,0.8,0.9\n")
    result = track("--detections", tmp_path / "det.txt", "--out", tmp_path / "out.txt")
    assert "det.txt: expected boxes in pixels, found all coordinates in 0..1" in result.stderr


def test_no_detections_give_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "det.txt").touch()
    result = track("--detections", tmp_path / "det.txt", "--out", tmp_path / "out.txt")
    assert (result.returncode, "0..1" in result.stderr) == (0, False)
    assert (tmp_path / "out.txt").read_text() == ""


@pytest.mark.parametrize(
    ("content", "extra", "message"),
    [
        (None, [], "det.txt"),
        ("1,2,3\n", [], "line 1"),
        ("1,-1,5,5,20,40,0.9\n", ["--fps", "0"], "fps > 0"),
        ("1,-1,5,5,20,40,0.9\n", ["--video", "none.mp4"], "none.mp4: expected a video file, found no such file"),
    ],
)
def test_unusable_input_is_one_line_and_exit_2(
    tmp_path: Path, content: str | None, extra: list[str], message: str
) -> None:
    if content is not None:
        (tmp_path / "det.txt").write_text(content)
    result = track("--detections", tmp_path / "det.txt", "--out", tmp_path / "out.txt", *extra)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out.txt").exists()
