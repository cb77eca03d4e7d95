"""Find files inside installed packages, named package:NAME/PATH."""

import importlib.util
from pathlib import Path

from stvg.errors import InputError

PREFIX = "package:"
"""What such a name begins with."""


def package_path(name: str, what: str) -> Path:
    """Return where `name`, package:NAME/PATH, lies in the installed package NAME, which is not imported.

    `what` names the thing in errors. Whether anything is there is not checked.

    Raises:
        InputError: no such package, or a path that leaves it.
    """
    package, _, inside = name.removeprefix(PREFIX).partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"{what} {name}: expected an installed package, "
            f"found no {package!r} (pip install {package.replace('_', '-')})"
        )
    if ".." in Path(inside).parts or Path(inside).is_absolute():
        raise InputError(f"{what} {name}: expected a path inside the package, got {inside}")
    return Path(next(iter(spec.submodule_search_locations))) / inside
