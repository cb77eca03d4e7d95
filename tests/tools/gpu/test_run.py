"""tools/gpu/run.py in small on the CPU: what it writes, and that no section costs the others theirs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[3] / "tools" / "gpu" / "run.py"
SMALL = ["--small", "--device", "cpu"]


def run(*arguments):
    command = [sys.executable, RUN, *SMALL, *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)  # noqa: S603


def test_two_sections_give_figures_and_a_table(tmp_path):
    path = tmp_path / "new" / "figures.json"
    chosen = ["--only", "facts", "charades_vgg", "--variants", "official", "blocks", "--profile", "blocks"]
    done = run("--json", path, *chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(path.read_text())
    assert list(figures) == ["facts", "charades_vgg"]
    assert [row["products"] for row in figures["facts"]["figures"][1:4]] == ["float32", "TF32", "bfloat16"]
    official, blocks, profile = figures["charades_vgg"]["figures"]
    assert (official["name"], blocks["name"]) == ("official", "blocks")
    for row in (official, blocks):
        assert min(row[f"{mode} videos/s"] for mode in ("training", "inference")) > 0
        assert row["details"]["training"]["runs"] >= 1
    assert "Self CPU" in profile["table"]
    tables = done.stdout.split("\n\n")
    assert tables[0].splitlines()[0].startswith("facts: done, 5 figures in ")
    assert [line.split("  ")[0] for line in tables[2].splitlines()] == ["charades_vgg", "name", "official", "blocks"]


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        (["--seconds", 1], "skipped: time is up"),
        (["--stretch", 0.4], "ended, its time is up"),  # of 20 seconds: less than its imports and products need
    ],
)
def test_a_section_without_time_is_said_to_have_none(tmp_path, options, outcome):
    done = run("--json", tmp_path / "figures.json", "--only", "facts", *options)
    if outcome.startswith("ended") and "facts: done" in done.stdout:
        pytest.skip("this machine is fast")
    assert done.returncode == 1
    assert outcome in done.stdout


def test_a_failing_section_is_told_and_does_not_end_the_others(tmp_path):
    done = run("--json", tmp_path / "figures.json", "--only", "charades_vgg", "facts", "--profile", "no such variant")
    assert done.returncode == 1
    first, second = done.stdout.splitlines()[:2]
    assert first.startswith("charades_vgg: failed: ")
    assert second.startswith("facts: done")
