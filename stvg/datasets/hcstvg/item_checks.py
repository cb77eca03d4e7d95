"""Check each item of a split's file by itself."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from stvg.errors import InputError
from stvg.io.files import key_problem
from stvg.io.hcstvg_annotations import parse_item, parse_query
from stvg.types import ClipSize

Kind = Literal[
    "annotation",
    "box",
    "span past the end",
    "duplicate key",
    "both extensions",
    "in two splits",
    "missing video",
    "unreadable video",
    "two files",
    "other extension",
    "wrong length",
    "frame count",
    "image size",
    "not annotated",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one item or video: `left_out` where the item is not handed on, `minor` where it does no harm."""

    split: str
    key: str
    kind: Kind
    message: str
    left_out: bool = False
    minor: bool = False


@dataclass(frozen=True, slots=True)
class SplitItems:
    """A split's file: the usable `items` (plain JSON, in the file's order), and what is wrong with the others.

    `sizes` and `last_frames` (1-based) are what annotations say; test queries say nothing. `total` counts all items.
    """

    split: str
    path: Path
    total: int
    items: dict[str, Any]
    sizes: dict[str, ClipSize] = field(default_factory=dict)
    last_frames: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def read_split(split: str, path: Path) -> SplitItems:
    """Read a split's annotations or test queries; an item that other commands would refuse is a finding.

    Raises:
        InputError: the file cannot be read, or is no JSON object of at least one item.
    """
    return check_items(split, path, _pairs(path))


def check_items(split: str, path: Path, pairs: list[tuple[str, Any]]) -> SplitItems:
    """Return the usable ones of a file's items; see read_split."""
    once, findings = _without_duplicates(split, pairs)
    checked = SplitItems(split, path, len(once) + len({one.key for one in findings if one.left_out}), {})
    for key, item in once.items():
        try:
            _check(checked, key, item)
        except InputError as error:
            message = str(error).removeprefix(f"{key}: ")
            findings.append(Finding(split, key[:200], _kind(message), message, left_out=True))
    findings += _both_extensions(split, checked.items)
    return SplitItems(split, path, checked.total, checked.items, checked.sizes, checked.last_frames, tuple(findings))


def _check(checked: SplitItems, key: str, item: Any) -> None:
    """Take an item over.

    Raises:
        InputError: it cannot be used.
    """
    if (problem := key_problem(key)) is not None:
        raise InputError(problem)
    if isinstance(item, str):
        parse_query(key, key, item)
    else:
        clip = parse_item(key, key, item)
        checked.sizes[key] = clip.size
        checked.last_frames[key] = clip.annotation.tube.span.stop
    checked.items[key] = item


def _kind(message: str) -> Kind:
    if message.startswith("bbox"):
        return "box"
    return "span past the end" if message.startswith("expected a span inside") else "annotation"


def _pairs(path: Path) -> list[tuple[str, Any]]:
    """Return the pairs of a file's outermost object, keys that stand twice among them."""
    seen: list[list[tuple[str, Any]]] = [[]]

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen[0] = pairs  # objects end in order, so the outermost one is the last
        return dict(pairs)

    try:
        whole = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=keep)
    except OSError as error:
        raise InputError(f"{path}: expected a readable JSON file, got: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON, got: {' '.join(str(error).split())}") from error
    if not isinstance(whole, dict) or not whole:
        raise InputError(f"{path}: expected a JSON object with one item per video, got {type(whole).__name__}")
    return seen[0]


def _without_duplicates(split: str, pairs: list[tuple[str, Any]]) -> tuple[dict[str, Any], list[Finding]]:
    """Return each key once; keys with different items are left out."""
    counts = Counter(key for key, _ in pairs)
    once, findings = {}, []
    differing = {key for key, item in pairs if counts[key] > 1 and item != next(i for k, i in pairs if k == key)}
    for key, item in pairs:
        if key not in once and key not in differing:
            once[key] = item
    for key, count in counts.items():
        if count > 1:
            what = "with different items" if key in differing else "with the same item"
            findings.append(
                Finding(
                    split,
                    key,
                    "duplicate key",
                    f"expected the key once, got it {count} times, {what}",
                    left_out=key in differing,
                    minor=key not in differing,
                )
            )
    return once, findings


def _both_extensions(split: str, items: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield keys that differ in their extension alone: public detections and overlays are named without it."""
    stems: dict[str, str] = {}
    for key in items:
        if (other := stems.setdefault(Path(key).stem, key)) != key:
            message = f"expected names that differ without their extension, got {other} too"
            yield Finding(split, key, "both extensions", message, minor=True)
