"""What tests share: one tiny demo, made once by the real command lines, and an object that no reader may unpickle."""

import contextlib
import importlib.util
import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SHORT = [
    f"{stage}.training.{setting}"
    for stage in ("temporal", "matcher")
    for setting in ("epochs=2", "frozen_text_epochs=2", "rewordings=0")
]


@dataclass(frozen=True)
class Done:
    """How a command ended: exit code and what it wrote; the log goes to pytest."""

    code: int
    stdout: str
    stderr: str


Tool = Callable[..., Done]


def call_tool(name: str, *arguments: object) -> Done:
    """Run tools/`name`.py in this process, as from a command line."""
    from stvg.cli import run

    spec = importlib.util.spec_from_file_location(f"tool_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return _ended(lambda: run(module.main), f"{name}.py", *arguments)


def call_stvg(*arguments: object) -> Done:
    """Run the command `stvg` with these arguments in this process, as from a command line."""
    from stvg.cli import main

    return _ended(main, "stvg", *arguments)


def _ended(call: Callable[[], object], *command: object) -> Done:
    """Call what reads the command line and exits; return how it ended."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = list(map(str, command))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            call()
    finally:
        sys.argv = before
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def tool() -> Tool:
    return call_tool


@pytest.fixture(scope="session")
def command() -> Tool:
    return call_stvg


class Evil:
    """An object whose pickle leaves the file `trace` behind, where it is read without a guard."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.trace}",)


@pytest.fixture
def evil(tmp_path: Path) -> Evil:
    return Evil(tmp_path / "trace")


@dataclass(frozen=True)
class Road:
    """Where the tiny demo lies, and the --config and overrides that lead there."""

    root: Path
    config: Path
    steps: dict[str, Done]

    @property
    def world(self) -> Path:
        return self.root / "out" / "world"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def submission(self) -> Path:
        return self.root / "results.json"

    @property
    def options(self) -> list[str]:
        return ["--config", str(self.config), f"data.root={self.world}", f"output.root={self.out}"]


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """World of 4, 2 and 2 clips, prepared, both stages trained for two epochs, then the whole demo on top of it."""
    from stvg.config import dump_config, load_config
    from stvg.recipe.schema import Recipe

    root = tmp_path_factory.mktemp("road")
    config = root / "config.yaml"
    recipe = load_config(Recipe, ROOT / "configs" / "demo.yaml", SHORT)
    config.write_text(yaml.safe_dump(dump_config(recipe)))
    made = Road(root, config, {})
    without = ["--detector", root / "none.onnx"]
    clips = ["--train", 1, "--val", 1, "--test", 2, "--seed", 3]
    for name, arguments in {
        "make_demo_world": ["--out", made.world, *clips],
        "preprocess": [*made.options, "--workers", 1],
        "train_temporal": made.options,
        "train_matcher": made.options,
        "run_demo": ["--config", config, "--out", made.out, "--submission", made.submission, *clips, *without],
    }.items():
        made.steps[name] = call_tool(name, *arguments)
        assert made.steps[name].code == 0, f"{name}: {made.steps[name].stderr}"
    return made
