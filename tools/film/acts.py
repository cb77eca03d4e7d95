"""What people do in the film world: keyframes of joint angles and the words for each act, read from acts.yaml."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

Pose = dict[str, float]
Where = Literal["here", "left", "right", "near", "far", "other", "thing", "in", "out"]


def legs(thigh: float, knee: float, spread: float = 5.0) -> Pose:
    """Return the pose of both legs."""
    return {f"{s}_{k}": v for s in "lr" for k, v in (("thigh", thigh), ("knee", knee), ("spread", spread))}


REST: Pose = {f"{s}_{k}": v for s in "lr" for k, v in (("upper", 9), ("out", 60), ("fore", 16), ("in", 15))}
"""Arms that hang."""
POSTURES: dict[str, Pose] = {
    "stand": {"lean": 2, "nod": 2, "pitch": 0, "shift": 0} | legs(2, 3),
    "sit": {"lean": 5, "nod": 2, "pitch": 0, "shift": 0} | legs(84, 84, 9),
    "floor": {"lean": 18, "nod": 5, "pitch": 0, "shift": 0} | legs(95, 70, 18),
    "squat": {"lean": 28, "nod": -10, "pitch": 0, "shift": -0.1} | legs(108, 134, 12),
    "kneel": {"lean": 8, "nod": 6, "pitch": 0, "shift": 0} | legs(10, 95, 6),
    "lie": {"lean": 0, "nod": 2, "pitch": 88, "shift": 0} | legs(6, 8, 4),
}
"""Legs and trunk of each posture; `pitch` lays the whole body on its back."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Act:
    """An act: keyframes (share of its time, pose; `A` is replaced by the acting arm), words, and what it needs.

    `verbs` in the third person with {his}, {him}, {thing}, {other}, {side}; `seconds` its shortest and longest;
    `before` the postures in which it can be done, `after` the posture that it leads to, None for the same; `keep` says
    that the last pose of the arms stays until the next act; `where` a walk leads; `swing` oscillates joints (name,
    degrees, Hz).
    """

    verbs: tuple[str, ...]
    keys: tuple[tuple[float, Pose], ...] = ()
    seconds: tuple[float, float] = (0.8, 2.2)
    weight: float = 1.0
    before: tuple[str, ...] = ("stand",)
    after: str | None = None
    keep: bool = False
    where: Where = "here"
    turn: tuple[float, float] | None = None
    swing: tuple[tuple[str, float, float], ...] = ()
    needs_other: bool = False
    distance: float = 0.6
    reply: str | None = None
    speed: tuple[float, float] = (0.55, 1.0)
    extra: tuple[str, ...] = ()


def _read_acts(values: dict[str, dict[str, Any]]) -> dict[str, Act]:
    """Return the acts of the file, where the angles of a keyframe stand beside its share of the time, `at`."""
    given = {}
    for name, value in values.items():
        keys = [
            (key["at"], {joint: angle for joint, angle in key.items() if joint != "at"})
            for key in value.get("keys", ())
        ]
        given[name] = value | {"keys": keys}
    return TypeAdapter(dict[str, Act]).validate_python(given)


_FILE = yaml.safe_load((Path(__file__).parent / "acts.yaml").read_text(encoding="utf-8"))
ACTS = _read_acts(_FILE["acts"])
"""Everything that people of the film world do; those of weight 0 only answer to another's act."""
SEATS, THINGS, PLACES, BOXES = (tuple(_FILE[name]) for name in ("seats", "things", "places", "boxes"))
"""Words for what people sit on, hold, walk to and open."""
