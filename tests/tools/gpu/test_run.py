"""tools/gpu/run.py in small on the CPU: what it writes, and that no section costs the others theirs."""

import json
import re
import subprocess
import sys
from pathlib import Path

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


def test_a_section_is_ended_when_its_time_is_up_and_later_ones_without_time_are_skipped(tmp_path):
    """The demo calls seven commands, which no machine does in seven seconds."""
    done = run("--json", tmp_path / "figures.json", "--only", "demo", "facts", "--stretch", 0.08)
    assert done.returncode == 1
    first, second = done.stdout.splitlines()[:2]
    assert first.startswith("demo: ended, its time is up, 0 figures in ")
    assert second == "facts: skipped: time is up"
    assert json.loads((tmp_path / "figures.json").read_text())["facts"] == {"skipped": "time is up"}


def test_a_failing_section_says_why_in_one_line(tmp_path):
    done = run("--json", tmp_path / "figures.json", "--only", "tacos_c3d", "--profile", "another")
    assert done.returncode == 1
    assert re.match(
        r"tacos_c3d: failed: .*--profile: expected names of 'official', .* got 'another', 0 fig", done.stdout
    )
