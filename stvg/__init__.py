"""Find, in a video, the person that a sentence describes: when and where.

`from stvg import load` gives the trained pipeline to Python; see stvg.api. Importing stvg loads nothing else.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stvg.api import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Import the door when it is first asked for."""
    if name == "load":
        from stvg.api import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
