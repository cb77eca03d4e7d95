"""Read YAML files and key=value overrides into frozen config dataclasses.

Each configurable part keeps its own dataclass beside its code, made with

    @dataclass(frozen=True, config=STRICT)      # pydantic.dataclasses.dataclass

so that unknown keys and wrong types fail with the key's name. `stvg.recipe.build` joins them to whole recipes.
"""

import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from stvg.errors import InputError

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
_LARGEST, _DEEPEST, _ALIASES = 1 << 16, 50, 16
"""Bytes and values of a config, mappings and lists inside each other, and uses of values named by `&`: real ones have
few of each, while a file of ten lines can hold what fills any memory."""
T = TypeVar("T")


def load_config(schema: type[T], path: Path, overrides: Sequence[str] = ()) -> T:
    """Read the YAML file `path` as a `schema`, after setting each `a.b.c=value` of `overrides` (values are YAML too).

    Raises:
        InputError: no such file, not YAML, an unknown or missing key, a value of the wrong type.
    """
    return parse_config(schema, read_values(path, overrides), str(path), overrides)


def read_values(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read the YAML file `path` as plain data, after setting each of `overrides`; no schema is looked at.

    A file whose `base` names another one, relative to its own folder, holds what differs from that: mappings are
    joined key by key, anything else is replaced. A part that gets another `kind`, from the file or an override, loses
    what its old kind had.

    Raises:
        InputError: no such file, not a YAML mapping, files that are each other's base, or an override that is not
            key=value.
    """
    values = _read_with_base(path, ())
    for override in sorted(overrides, key=lambda one: not one.partition("=")[0].endswith(".kind")):
        _set(values, override)
    return values


def _read_with_base(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """Return what `path` says on top of its base; `above` are the files whose base it is."""
    if path.resolve() in above:
        raise InputError(f"{path}: base: expected a file that does not build on this one again")
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path}: expected a config file of at most {_LARGEST} bytes, got {path.stat().st_size}")
        values = _parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: expected a readable config file, got: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: expected YAML, got: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected a mapping of keys to values, got {type(values).__name__}")
    base = values.pop("base", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise InputError(f"{path}: base: expected the name of a config file, got {base!r}")
    return _joined(_read_with_base(path.parent / base, (*above, path.resolve())), values)


class _PlainLoader(yaml.SafeLoader):
    """Reads text, numbers, truth values, lists and mappings; what looks like a date stays text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose as YAML says, within the limits above.

        Raises:
            YAMLError: a value beyond them.
        """
        self._aliases += self.check_event(yaml.AliasEvent)
        if self._aliases > _ALIASES or self._depth > _DEEPEST:
            raise yaml.YAMLError(f"more than {_DEEPEST} levels or {_ALIASES} uses of named values")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


_DATE = "tag:yaml.org,2002:timestamp"
_PlainLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != _DATE]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.add_constructor(_DATE, _PlainLoader.yaml_constructors["tag:yaml.org,2002:str"])


def _parse(text: str) -> Any:
    """Return the YAML value that a text is.

    Raises:
        YAMLError, ValueError: it is none.
    """
    try:
        value = yaml.load(text, _PlainLoader)  # noqa: S506 (a loader of plain values)
    except (LookupError, TypeError, AttributeError, RecursionError) as error:  # `!!bool maybe`, a list as a key
        raise ValueError(f"a value that cannot be read as its tag says ({error})") from error
    if _count(value, ()) > _LARGEST:
        raise ValueError("values that name each other again and again")
    return value


def _count(value: Any, above: tuple[int, ...]) -> int:
    """Return how many values a value holds, counting shared ones each time, without going beyond _LARGEST.

    Raises:
        ValueError: a value holds itself.
    """
    if id(value) in above:
        raise ValueError("a value that holds itself")
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, set, tuple)) else ()
    total = 1
    for part in parts:
        total += _count(part, (*above, id(value)))
        if total > _LARGEST:
            break
    return total


def _joined(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` laid over it; neither is changed itself."""
    if changes.get("kind", base.get("kind")) != base.get("kind"):
        return changes
    joined = dict(base)
    for key, value in changes.items():
        old = joined.get(key)
        joined[key] = _joined(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return joined


def parse_config(schema: type[T], values: Any, source: str, overrides: Sequence[str] = ()) -> T:
    """Return `values` (plain YAML or JSON data read from `source`, with `overrides` set) as a `schema`.

    Raises:
        InputError: as load_config.
    """
    try:
        return TypeAdapter(schema).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = _typed_key(first["loc"], values) or "the whole file"
        said = (one for one in overrides if f"{one.partition('=')[0]}.".startswith(f"{key}."))
        source = next((f"argument {one!r}" for one in said), source)
        if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            raise InputError(f"{source}: unknown key {key}{_near(key, schema)}") from error
        if first["type"] in ("missing", "missing_argument"):
            raise InputError(f"{source}: missing key {key}") from error
        if first["type"] == "union_tag_not_found":
            raise InputError(f"{source}: missing key {key}.kind") from error
        if first["type"] == "union_tag_invalid":
            kinds, kind = first["ctx"]["expected_tags"].replace("'", ""), first["ctx"]["tag"]
            near = "".join(f"; did you mean {one}?" for one in get_close_matches(kind, kinds.split(", "), 1))
            raise InputError(f"{source}: {key}.kind: expected one of {kinds}, got {kind!r}{near}") from error
        raise InputError(f"{source}: {key}: {first['msg']}, got {first['input']!r}") from error


def override(key: str, path: Path) -> str:
    """Return the override that sets `key` to a path, whatever its characters would mean in YAML.

    >>> override("data.root", Path("my data #1"))
    'data.root="my data #1"'
    """
    return f"{key}={json.dumps(str(path))}"


def _typed_key(location: Sequence[int | str], values: Any) -> str:
    """Return the key as the user types it: pydantic's location without the tags of unions, which no file has."""
    typed = []
    for part in location[:-1]:
        if isinstance(values, dict) and part in values:
            typed.append(part)
            values = values[part]
    return ".".join(str(part) for part in [*typed, *location[-1:]])


def _near(key: str, schema: type[Any]) -> str:
    """Return a word about the key of `schema`, at whatever place, that is most like the last part of `key`, or ""."""
    described = TypeAdapter(schema).json_schema()
    parts = [described, *described.get("$defs", {}).values()]
    names = {name for part in parts for name in part.get("properties", {})}
    leaf = key.rpartition(".")[2]
    near = get_close_matches(leaf, sorted(names - {leaf}), 1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""


def dump_config(config: Any) -> dict[str, Any]:
    """Return a config dataclass as plain data that YAML, JSON and parse_config take back."""
    plain: dict[str, Any] = TypeAdapter(type(config)).dump_python(config, mode="json")
    return plain


def _set(values: dict[str, Any], override: str) -> None:
    """Set `a.b.c=value` in nested mappings."""
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise InputError(f"argument {override!r}: expected key=value, for example data.root=DIR")
    *parents, leaf = key.split(".")
    for parent in parents:
        below = values.get(parent, {})
        if not isinstance(below, dict):
            raise InputError(f"argument {override!r}: {parent} has no keys below it")
        values[parent] = dict(below)  # a copy: what a YAML alias shares is set for this one key alone
        values = values[parent]
    try:
        value = _parse(text)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"argument {override!r}: expected a YAML value after the first '='") from error
    if leaf == "kind" and value != values.get(leaf):
        values.clear()
    values[leaf] = value
