"""Tube features made elsewhere: nothing is computed, a store is filled by an import."""

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from stvg.config import STRICT

IMPORT_COMMAND = "stvg convert mmn-stvg"


@dataclass(frozen=True, config=STRICT)
class ImportedConfig:
    """Features of tubes that stvg convert mmn-stvg brings in; the defaults are MMN-STVG's."""

    kind: Literal["imported"] = "imported"
    """Which extractor this is: none."""
    names: tuple[str, ...] = Field(default=("csn", "flow"), min_length=1)
    """What the parts of a row are, in the order of their columns."""
    width: int = Field(default=2048, ge=1)
    """Columns of a row, all parts together."""


def imported_source(video_id: str) -> str:
    """Return what stands for the fingerprint of an imported video's file, which need not be there: its name alone."""
    return f"imported:{video_id}"
