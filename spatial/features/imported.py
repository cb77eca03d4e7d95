"""Configure tube features that were computed elsewhere and are imported."""

from typing import Literal, NoReturn

from pydantic import Field
from pydantic.dataclasses import dataclass

from stvg.config import STRICT, Count
from stvg.errors import InputError

IMPORT_COMMAND = "stvg convert mmn-stvg"
"""Command that fills a store with imported features."""


@dataclass(frozen=True, config=STRICT)
class ImportedConfig:
    """Features of tubes that stvg convert mmn-stvg brings in; the defaults are MMN-STVG's."""

    kind: Literal["imported"] = "imported"
    """Which extractor this is: none."""
    names: tuple[str, ...] = Field(default=("csn", "flow"), min_length=1)
    """What the parts of a row are, in the order of their columns."""
    width: Count = 2048
    """Columns of a row, all parts together."""

    def build(self, device: str) -> NoReturn:
        """Refuse to build an extractor: there is none.

        Raises:
            InputError: always; it names the command that fills the store.
        """
        raise InputError(
            "features.kind: expected an extractor for videos that are not prepared yet, got imported; "
            f"run {IMPORT_COMMAND}"
        )


def imported_source(video_id: str) -> str:
    """Return what stands for the fingerprint of an imported video's file, which need not be there: its name alone."""
    return f"imported:{video_id}"
