"""tools/benchmark.py at sizes of no interest: what it writes, and what it refuses."""

import json
from pathlib import Path

CONFIG = Path(__file__).parents[3] / "configs" / "temporal" / "planted_charades.yaml"
SMALL = ["temporal.network.hidden_size=8", "temporal.network.joint_size=8", "temporal.network.conv_layers=2"]


def test_writes_all_figures(tool, tiny_text, tmp_path):
    out = tmp_path / "speed.json"
    done = tool(
        "benchmark",
        "--config",
        CONFIG,
        "--json",
        out,
        "--videos",
        2,
        "--sentences",
        2,
        "--width",
        5,
        "--tokens",
        6,
        "--repeats",
        1,
        *SMALL,
        f"temporal.text={tiny_text}",
    )
    assert done.code == 0, done.stderr
    figures = json.loads(out.read_text())
    assert figures["settings"]["videos"] == 2
    assert figures["text"] == tiny_text
    assert figures["peak_gflops"] > 0
    assert max(figures["agreement"].values()) < 1e-4
    for mode in ("training", "inference"):
        assert figures[mode]["operations"] > 0
        for name in ("ours", "official"):
            run = figures[mode][name]
            assert run["videos_per_s"] > 0
            assert 0 < run["share_of_peak"] < 1
            assert 0 < sum(run["parts"].values()) <= run["seconds"]
            assert run["peak_memory_bytes"] is None or run["peak_memory_bytes"] > 0
    assert "x the official way" in done.stdout


def test_refuses_what_cannot_be_measured(tool, tiny_text):
    done = tool("benchmark", "--config", CONFIG, "--tokens", 9, f"temporal.text={tiny_text}")
    assert done.code == 2
    assert "--tokens: expected at most 8" in done.stderr
    done = tool("benchmark", "--config", CONFIG, "--videos", 0)
    assert done.code == 2
    assert "--videos: expected a number of at least 1, got 0" in done.stderr
