"""The command `stvg`: its words, their help, and options that are refused where they have no effect."""

import subprocess
import sys
import tomllib
from pathlib import Path
from pkgutil import resolve_name

import pytest

from stvg.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
RECIPE = ["--config", "none.yaml"]
SPLIT = [*RECIPE, "--annotations", "a.json", "--videos", "v", "--out", "o"]
VIDEO = [*RECIPE, "--video", "v.mp4", "--query", "A man.", "--out", "o"]
SUBMISSION = ["--predictions", "p.json", "--videos", "v", "--out", "o"]


def test_help_lists_every_command_in_order(command):
    done = command("--help")
    assert (done.code, done.stderr) == (0, "")
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]
    assert [line.split("  ")[0] for line in lines] == list(COMMANDS)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_without_a_command_it_lists_them_with_exit_code_2(command):
    assert (command().code, command().stdout) == (2, command("--help").stdout)


def test_the_list_is_quick_and_runs_as_a_module():
    """Nothing heavy is imported for it."""
    code = "import sys, runpy; sys.argv = ['stvg', '--help']\n"
    code += "try: runpy.run_module('stvg', run_name='__main__')\n"
    code += "finally: print(sorted({'torch', 'numpy'} & sys.modules.keys()), file=sys.stderr)"
    for arguments, error in (["-m", "stvg", "--help"], ""), (["-c", code], "[]\n"):
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)  # noqa: S603
        assert (done.returncode, done.stderr) == (0, error)
        assert done.stdout.startswith("usage: stvg COMMAND ...\n")


def test_it_is_installed_as_stvg():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert {name: resolve_name(target) for name, target in scripts.items()} == {"stvg": main}


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_a_help_that_names_it(command, words):
    done = command(*words.split(), "--help")
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: stvg {words} [-h]")


def test_no_help_waits_for_a_heavy_package():
    """Parsers are built from light imports; the work of a command is imported once its arguments are read."""
    code = "import contextlib, io, sys\n"
    code += "from stvg.cli import COMMANDS, dispatch\n"
    code += "for words in COMMANDS:\n"
    code += "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
    code += "        dispatch([*words.split(), '--help'])\n"
    code += "    print(words, sorted({'torch', 'transformers', 'cv2', 'av', 'h5py', 'scipy'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)  # noqa: S603
    assert done.stdout.splitlines() == [f"{words} []" for words in COMMANDS]


@pytest.mark.parametrize("group", ["train", "mmn", "convert"])
def test_the_first_of_two_words_lists_the_second(command, group):
    done = command(group, "--help")
    assert done.code == 0
    listed = [line.split("  ")[1] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert listed == [words for words in COMMANDS if words.startswith(f"{group} ")]
    assert (command(group).code, command(group).stdout) == (2, done.stdout)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["grond"], "stvg grond: expected a command that stvg --help lists; did you mean stvg ground?"),
        (["evalute", "-p"], "stvg evalute: expected a command that stvg --help lists; did you mean stvg evaluate?"),
        (["?"], "stvg ?: expected a command that stvg --help lists"),
        (
            ["train", "temporla"],
            "stvg train temporla: expected stvg train temporal or stvg train matcher; "
            "did you mean stvg train temporal?",
        ),
        (
            ["convert", "mmn_stvg"],
            "stvg convert mmn_stvg: expected stvg convert checkpoint or stvg convert mmn-stvg; "
            "did you mean stvg convert mmn-stvg?",
        ),
    ],
)
def test_unknown_words_are_answered_with_the_nearest(command, words, message):
    done = command(*words)
    assert (done.code, done.stdout, done.stderr) == (2, "", f"error: {message}\n")


@pytest.mark.parametrize(
    ("words", "arguments", "option"),
    [
        *(("ground", [*VIDEO, *option], option[0]) for option in (["--workers", "2"], ["--ray"], ["--ray", "auto"])),
        *(("ground", [*VIDEO, *option], option[0]) for option in (["--ray-gpus", "0"], ["--retry-failed"])),
        ("ground", [*VIDEO, "--fallback"], "--fallback"),
        ("ground", [*SPLIT, "--ray-gpus", "0.5"], "--ray-gpus"),
        ("ground", [*SPLIT, "--ray", "auto", "--workers", "2"], "--workers"),
        ("prepare", [*RECIPE, "--ray-gpus", "0"], "--ray-gpus"),
        ("prepare", [*RECIPE, "--ray", "auto", "--workers", "2"], "--workers"),
        ("data", ["hcstvg_v2", "--where", "--data", "d"], "--data"),
        ("data", ["hcstvg_v2", "--where", "--test-queries", "q.json"], "--test-queries"),
        ("data", ["hcstvg_v2", "--where", "--decode"], "--decode"),
        ("data", ["hcstvg_v2", "--data", "d", "--out", "o", "--seed", "0"], "--seed"),
        ("data", ["hcstvg_v2", "--data", "d", "--out", "o", "--sentences", "both"], "--sentences"),
        ("track", ["--detections", "d.txt", "--out", "o.txt", "--video", "v.mp4", "--fps", "25"], "--fps"),
        ("view", [*SUBMISSION, "--page-only", "--overwrite"], "--overwrite"),
        ("view", [*SUBMISSION, "--page-only", "--workers", "2"], "--workers"),
        ("reproduce", ["hcstvg_v2", "--data", "d", "--nodes", "2"], "--nodes"),
        ("reproduce", ["hcstvg_v2", "--data", "d", "--sample", "3"], "--sample"),
        ("reproduce", ["hcstvg_v2", "--data", "d", "--ray-gpus", "1"], "--ray-gpus"),
        ("reproduce", ["hcstvg_v2", "--data", "d", "--dry-run", "--ray"], "--ray"),
        ("reproduce", ["hcstvg_v2", "--data", "d", "--dry-run", "--retry-failed"], "--retry-failed"),
        ("reproduce", ["hcstvg_v2", "--data", "d", "--dry-run", "--submission", "s.json"], "--submission"),
    ],
)
def test_options_without_effect_are_refused(command, tmp_path, monkeypatch, words, arguments, option):
    """Before any file is looked for: none of those named is there."""
    monkeypatch.chdir(tmp_path)
    done = command(words, *arguments)
    assert (done.code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {option}: expected only ")
    assert line.endswith("; it has no effect here")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("ground", [*SPLIT, "--ray", "--workers", "2", "--ray-gpus", "0", "--retry-failed", "--fallback"]),
        ("prepare", [*RECIPE, "--annotations", "a.json", "--videos", "v", "--ray", "auto", "--ray-gpus", "0"]),
        ("reproduce", ["hcstvg_v2", "--data", "d", *RECIPE, "--dry-run", "--nodes", "2", "--workers", "2"]),
    ],
)
def test_where_they_have_an_effect_they_are_taken(command, tmp_path, monkeypatch, words, arguments):
    monkeypatch.chdir(tmp_path)
    done = command(words, *arguments)
    assert (done.code, done.stderr.startswith("error: none.yaml: expected a readable config file")) == (2, True)


@pytest.mark.parametrize("stage", ["temporal", "matcher"])
def test_a_recipe_of_a_benchmark_is_sent_to_its_command(command, stage):
    done = command("train", stage, "--config", ROOT / "configs" / "temporal" / "charades_vgg.yaml")
    assert done.code == 2
    assert done.stderr.endswith("expected a recipe of the pipeline, got a benchmark's; run stvg mmn train\n")


def test_a_missing_video_is_told_before_missing_weights_and_these_with_a_way_to_get_some(command, tmp_path):
    video = tmp_path / "v.mp4"
    recipe = ["--config", ROOT / "configs" / "demo.yaml", f"output.root={tmp_path / 'none'}"]
    asked = ["ground", *recipe, "--video", video, "--query", "A man.", "--out", tmp_path / "o"]
    assert command(*asked).stderr == f"error: {video}: expected a video file, found no such file\n"
    video.touch()
    done = command(*asked)
    assert done.code == 2
    assert "expected trained weights, found none; run stvg train temporal (stvg demo trains" in done.stderr
