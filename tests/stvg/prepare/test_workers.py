"""Jobs in several processes: any order, nothing lost, a process that dies costs its own job alone."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stvg.errors import InputError
from stvg.prepare.workers import LocalWorkers, WorkerCrash, call_pickled, local_workers

WORK = '''
"""Work for the processes: they import it, as they cannot import a test."""
import os, signal
from dataclasses import dataclass
from pathlib import Path

@dataclass(frozen=True)
class Square:
    folder: Path
    deadly: tuple = ()
    once: bool = False

    def __call__(self, job):
        if job in self.deadly:
            mark = self.folder / f"died {job}"
            if not (self.once and mark.exists()):
                mark.write_text("")
                os.kill(os.getpid(), signal.SIGKILL)
        (self.folder / f"did {job}").write_text(str(os.getpid()))
        return job * job

def refuse(job):
    from stvg.errors import InputError
    raise InputError(f"job {job}")
'''


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    (folder / "squares_for_engines.py").write_text(WORK)
    before, found = os.environ.get("PYTHONPATH"), None
    os.environ["PYTHONPATH"] = str(folder)
    sys.path.insert(0, str(folder))
    try:
        import squares_for_engines as found

        yield found
    finally:
        sys.path.remove(str(folder))
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@pytest.mark.parametrize("count", [1, 2])
def test_every_job_is_done_once(work, tmp_path, count):
    found = dict(LocalWorkers(count).run(work.Square(tmp_path), range(6)))
    assert found == {job: job * job for job in range(6)}
    workers = {path.read_text() for path in tmp_path.glob("did *")}
    assert (workers == {str(os.getpid())}) == (count == 1)


def test_a_job_that_kills_its_process_is_lost_alone(work, tmp_path):
    found = dict(LocalWorkers(2).run(work.Square(tmp_path, deadly=(4,)), range(6)))
    assert found[4] == WorkerCrash("expected a result, but its process died twice")
    assert {job: value for job, value in found.items() if job != 4} == {j: j * j for j in range(6) if j != 4}


def test_a_process_killed_from_outside_costs_nothing(work, tmp_path):
    found = dict(LocalWorkers(2).run(work.Square(tmp_path, deadly=(0, 5), once=True), range(6)))
    assert found == {job: job * job for job in range(6)}


@pytest.mark.parametrize("count", [1, 2])
def test_what_work_raises_ends_the_run(work, count):
    with pytest.raises(InputError, match="job 0"):
        dict(LocalWorkers(count).run(work.refuse, [0]))


def test_no_jobs():
    assert list(LocalWorkers(2).run(print, [])) == []
    with pytest.raises(InputError, match="--workers: expected a whole number of at least 1, got 0"):
        local_workers(0)
    assert local_workers(None).count >= 1


def test_work_is_unpickled_once():
    assert call_pickled(pickle.dumps(len), "abc") == 3


PARENT = """
import sys
from pathlib import Path
from squares_for_engines import Square
from stvg.prepare.workers import LocalWorkers
if __name__ == "__main__":
    for job, value in LocalWorkers(2).run(Square(Path(sys.argv[1])), range(100000)):
        print(value, flush=True)
"""


def test_workers_do_not_outlive_a_killed_parent(work, tmp_path):
    script = Path(work.__file__).with_name("parent.py")
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603
        assert int(parent.stdout.readline()) >= 0  # any job may end first
        os.kill(parent.pid, signal.SIGKILL)
        parent.communicate(timeout=120)  # ends when the last process that holds its output does: the workers too
    pids = {path.read_text() for path in tmp_path.glob("did *")}
    assert pids - {str(parent.pid)}
