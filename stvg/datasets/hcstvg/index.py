"""Read and write index.json: every video with its file and size.

It holds no times and no places but links, so two copies of the same data have the same index; its SHA-256 names the
data that a result was made from (stvg.io.manifest).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from stvg.errors import InputError
from stvg.io.files import read_json, write_json_atomically
from stvg.types import ClipSize

Count = Annotated[int, Field(ge=0, lt=1 << 62)]


@dataclass(frozen=True, slots=True)
class IndexedVideo:
    """One key: its splits, its file, and what the file is; where it cannot be read, `problem` says why.

    `num_frames`, `width`, `height` are the file's, else those of the annotation, else 0; `bytes` 0: no file.
    """

    splits: tuple[str, ...]
    bytes: Count
    num_frames: Count
    fps: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    width: Count
    height: Count
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DataIndex:
    """A data set: its name and its videos by key."""

    dataset: str
    videos: Mapping[str, IndexedVideo]

    def sizes(self) -> dict[str, ClipSize]:
        """Return the size of each video of which anything is known."""
        return {
            key: ClipSize(one.width, one.height, one.num_frames) for key, one in self.videos.items() if one.num_frames
        }

    def of_split(self, split: str) -> dict[str, IndexedVideo]:
        """Return the videos of one split."""
        return {key: one for key, one in self.videos.items() if split in one.splits}


def index_path(root: Path) -> Path:
    """Return where the index of the data set in the folder `root` is."""
    return root / "index.json"


def write_index(path: Path, index: DataIndex) -> None:
    """Write an index, whole or not at all.

    Raises:
        InputError: as stvg.io.files.writing.
    """
    videos = {key: asdict(one) for key, one in sorted(index.videos.items())}
    write_json_atomically(path, {"dataset": index.dataset, "videos": videos}, indent=1)


def read_index(path: Path) -> DataIndex:
    """Read what write_index wrote.

    Raises:
        InputError: the file cannot be read or is no index.
    """
    try:
        return TypeAdapter(DataIndex).validate_python(read_json(path))
    except ValidationError as error:
        raise InputError(
            f"{path}: expected the index of a data set, as stvg data writes it, got: {error.errors()[0]['msg']}"
        ) from error
