import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT.parent / "shared" / "golden" / "tube_mmn.npz"
needs_golden = pytest.mark.skipif(not GOLDEN.is_file(), reason="no ../shared/golden beside the repository")


def check(folder, *options):
    command = [sys.executable, str(ROOT / "tools" / "check_golden.py"), str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603


@needs_golden
def test_prints_a_table_and_the_worst_figure(tmp_path):
    shutil.copy(GOLDEN, tmp_path)
    done = check(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tube_mmn.npz (tube_mmn, float64)\n")
    assert "decoding        3 figures  largest error 0.0e+00" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("agreed; the worst is tube_mmn.npz: ")


@needs_golden
def test_a_wrong_figure_fails_and_is_named(tmp_path):
    with np.load(GOLDEN) as arrays:
        contents = {name: arrays[name] for name in arrays.files}
    contents["train/grad_norm"] = contents["train/grad_norm"] * 1.01
    np.savez(tmp_path / "wrong.npz", **contents)
    failed = check(tmp_path, "--dtype", "float32")
    assert failed.returncode == 1
    assert failed.stdout.splitlines()[-1].startswith("FAILED; the worst is wrong.npz: grad_norm: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "expected a folder with golden .npz files, found none", id="nothing there"),
        pytest.param(b"no archive", "broken.npz: expected an .npz of plain arrays", id="a broken file"),
    ],
)
def test_unusable_input_is_one_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / "broken.npz").write_bytes(content)
    failed = check(tmp_path)
    assert failed.returncode == 2
    assert message in failed.stderr
    assert failed.stderr.count("\n") == 1
