"""One run at a time: the second one is told in one line, a killed one is no obstacle."""

import os
import re
import signal
import subprocess
import sys

import pytest

from stvg.errors import InputError
from stvg.io.locks import locked

HOLD = """
import sys
from pathlib import Path
from stvg.io.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until its standard input ends."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "out")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_run_is_told_who_the_first_is(tmp_path, holder):
    expected = f"expected no other run that writes here, found one: process {holder.pid} on "
    with pytest.raises(InputError, match=re.escape(expected)), locked(tmp_path / "out"):
        pytest.fail("two hold it")
    holder.communicate("")
    with locked(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_holds_nothing(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert [path.name for path in tmp_path.iterdir()] == [".out.lock"]
    with locked(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_lets_go(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "a" / "out"):
        raise KeyError
    assert list(tmp_path.iterdir()) == [], "nor is there an empty folder"
    with locked(tmp_path / "a" / "out"), pytest.raises(InputError), locked(tmp_path / "a" / "out"):
        pytest.fail("two hold it")


def test_other_outputs_are_free(tmp_path):
    with locked(tmp_path / "one"), locked(tmp_path / "two"):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".one.lock", ".two.lock"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="file/out: expected a folder that can be written to"),
        locked(tmp_path / "file" / "out"),
    ):
        pytest.fail("no folder")


COUNT = """
import sys
from pathlib import Path
from stvg.errors import InputError
from stvg.io.locks import locked
path = Path(sys.argv[1])
left = 60
while left:
    try:
        with locked(path.with_name("number")):
            path.write_text(str(int(path.read_text()) + 1))
            left -= 1
    except InputError:
        pass
"""


def test_no_two_are_ever_inside(tmp_path):
    """Removing the file on the way out must let nobody in beside somebody else."""
    path = tmp_path / "count"
    path.write_text("0")
    running = [subprocess.Popen([sys.executable, "-c", COUNT, str(path)]) for _ in range(3)]  # noqa: S603
    assert [process.wait() for process in running] == [0, 0, 0]
    assert path.read_text() == "180"
