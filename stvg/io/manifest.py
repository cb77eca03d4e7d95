"""Manifest of a submission: what it was made with, in `results.manifest.json`."""

import hashlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "stvg",
    "av",
    "h5py",
    "numpy",
    "opencv-python",
    "safetensors",
    "scipy",
    "tokenizers",
    "torch",
    "trackers",
    "transformers",
    "onnxruntime",
    "ray",
)
"""Packages whose version can change a result; those that are not installed are left out."""
_CHUNK = 1 << 20


def manifest_path(submission: Path) -> Path:
    """Return where the manifest of a submission stands."""
    return submission.with_name(f"{submission.stem}.manifest.json")


def make_manifest(
    config: Mapping[str, Any], files: Mapping[str, Path], sources: Mapping[str, str], outcome: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a manifest.

    Args:
        config: the resolved recipe, plain data.
        files: what was read by name, such as checkpoints and queries; those that do not exist are None.
        sources: fingerprint of each video that was read.
        outcome: what came of it, added as it is.
    """
    lines = "".join(f"{key} {source}\n" for key, source in sorted(sources.items()))
    return {
        "command": sys.argv,
        "commit": commit(),
        "versions": {"python": platform.python_version(), **_versions()},
        "config": dict(config),
        "files": {name: _describe(path) for name, path in files.items()},
        "videos": {"read": len(sources), "sha256": hashlib.sha256(lines.encode()).hexdigest()},
        **outcome,
    }


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def commit() -> str | None:
    """Return the commit of the checkout that this package lies in, with "+changes" where files differ from it.

    None where it is no checkout, or without git.
    """
    root, git = Path(__file__).parents[2], shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    found = _output([git, "-C", str(root), "rev-parse", "HEAD"])
    changes = _output([git, "-C", str(root), "status", "--porcelain", "--untracked-files=no"])
    return None if found is None else found + ("+changes" if changes else "")


def _output(command: list[str]) -> str | None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (git, with fixed words)
    return done.stdout.strip() if done.returncode == 0 else None


def _describe(path: Path) -> dict[str, str] | None:
    return {"path": str(path), "sha256": file_hash(path)} if path.is_file() else None


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
