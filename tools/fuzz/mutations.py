"""Damage bytes and trees of plain data at random."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

Rng = np.random.Generator
NUMBERS: tuple[Any, ...] = (
    0,
    -1,
    1,
    0.5,
    -0.0,
    1e-320,
    1e30,
    -1e30,
    3.5e38,
    1e308,
    10**19,
    2**31,
    2**63,
    -(2**63),
    10**400,
    math.nan,
    math.inf,
    -math.inf,
)
"""Numbers that are none, too large, or on an edge."""
OTHERS: tuple[Any, ...] = (
    None,
    True,
    False,
    "",
    "x",
    "1",
    "../x",
    "\ud800",
    "a\nb",
    "\x00",
    "💃",
    "x" * 3000,
    [],
    {},
    [1],
)
"""Values of other kinds: what JSON, YAML or a pickle may have in place of the right one."""
_TOKENS = (
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"NaN",
    b"-1",
    b"1e999",
    b"9" * 30,
    b"\n",
    b",",
    b"{",
    b"[" * 200,
    b"}",
)
_DEEP = 3000


def damaged_bytes(data: bytes, rng: Rng) -> bytes:
    """Return `data` with one to four flips, cuts, copies or odd pieces."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        place = int(rng.integers(0, len(out) + 1))
        length = int(rng.integers(1, max(2, min(64, len(out)))))
        match int(rng.integers(0, 8)):
            case 0 | 1 if out:
                out[min(place, len(out) - 1)] ^= 1 << int(rng.integers(0, 8))
            case 2 if out:
                out[min(place, len(out) - 1)] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))
            case 3:
                del out[place : place + length]
            case 4:
                out[place:place] = out[place : place + length]
            case 5:
                source = int(rng.integers(0, len(out) + 1))
                out[place : place + length] = out[source : source + length]
            case 6:
                out[place:place] = _TOKENS[int(rng.integers(0, len(_TOKENS)))]
            case _ if rng.random() < 0.3:
                del out[place:]
    return bytes(out)


def damaged_tree(tree: Any, rng: Rng) -> Any:
    """Return a copy of plain data (dicts, lists, arrays, tensors) with one to three values changed."""
    tree = copy.deepcopy(tree)
    for _ in range(int(rng.integers(1, 4))):
        places = list(_places(tree))
        if not places:
            return _odd(tree, rng)
        holder, key = places[int(rng.integers(0, len(places)))]
        _CHANGES[int(rng.integers(0, len(_CHANGES)))](holder, key, rng)
    return tree


def _places(tree: Any) -> Any:
    """Yield each container with each of its keys or indices, the whole tree through."""
    if isinstance(tree, (dict, list)):
        for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
            yield tree, key
            yield from _places(tree[key])


def _odd(value: Any, rng: Rng) -> Any:
    """Return something in place of a value: mostly of its own kind, sometimes of another."""
    if rng.random() < 0.5:
        if isinstance(value, (np.ndarray, torch.Tensor)) and value.ndim:
            return _odd_array(value, rng)
        if isinstance(value, str) and value:
            return rng.choice(np.array([value + "\n", value[:-1], value * 2, value + "\ud800", value.upper()], object))
        if isinstance(value, (int, float)):
            return NUMBERS[int(rng.integers(0, len(NUMBERS)))]
    chosen = (NUMBERS + OTHERS)[int(rng.integers(0, len(NUMBERS) + len(OTHERS)))]
    if rng.random() < 0.05:
        for _ in range(_DEEP):
            chosen = [chosen]
    return copy.deepcopy(chosen) if not isinstance(chosen, list) else chosen


def _odd_array(value: Any, rng: Rng) -> Any:
    """Return an array or tensor with another shape, type or number."""
    out = value.clone() if isinstance(value, torch.Tensor) else value.copy()
    match int(rng.integers(0, 5)):
        case 0:
            return out[:0]
        case 1:
            return out.reshape(-1)
        case 2:
            return out[..., :-1] if out.shape[-1] else out[None]
        case 3:
            kinds: Any = (
                (torch.float64, torch.int64, torch.bool) if isinstance(out, torch.Tensor) else ["f8", "i8", "b1"]
            )
            kind = kinds[int(rng.integers(0, 3))]
            return out.to(kind) if isinstance(out, torch.Tensor) else out.astype(kind)
        case _:
            number = NUMBERS[int(rng.integers(0, len(NUMBERS)))]
            if out.ndim and len(out):
                with np.errstate(all="ignore"):
                    try:
                        out[int(rng.integers(0, len(out)))] = number
                    except (OverflowError, RuntimeError, ValueError):
                        return out[:0]
            return out


def _replace(holder: Any, key: Any, rng: Rng) -> None:
    holder[key] = _odd(holder[key], rng)


def _drop(holder: Any, key: Any, rng: Rng) -> None:
    if isinstance(holder, dict) or key < len(holder):
        del holder[key]


def _swap(holder: Any, key: Any, rng: Rng) -> None:
    """Exchange two values of a container, whatever their kinds."""
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    other = keys[int(rng.integers(0, len(keys)))]
    holder[key], holder[other] = holder[other], holder[key]


def _double(holder: Any, key: Any, rng: Rng) -> None:
    """Put a value in once more: under another key, or after itself."""
    if isinstance(holder, dict):
        holder[str(rng.choice(["x", "", "0", f"{key} ", "../x", "a\nb"]))] = copy.deepcopy(holder[key])
    else:
        holder.insert(key, copy.deepcopy(holder[key]))


_CHANGES: tuple[Callable[[Any, Any, Rng], None], ...] = (_replace, _replace, _replace, _drop, _swap, _double)
