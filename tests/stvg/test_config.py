"""YAML and overrides to a dataclass and back; every mistake is one line that names the key."""

from dataclasses import field
from pathlib import Path
from typing import Literal

import pytest
import yaml
from pydantic.dataclasses import dataclass

from stvg.config import STRICT, dump_config, load_config, override, parse_config, read_values
from stvg.errors import InputError


@dataclass(frozen=True, config=STRICT)
class Part:
    rate: float = 0.5
    kind: Literal["a", "b"] = "a"
    sizes: tuple[int, ...] = (1, 2)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Whole:
    root: Path
    count: int = 3
    part: Part = field(default_factory=Part)


def load(tmp_path, text, *overrides):
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(Whole, path, overrides)


@pytest.mark.parametrize(
    ("text", "overrides", "expected", "reason"),
    [
        ("root: x", (), Whole(root=Path("x")), "defaults fill what is left out"),
        ("root: x\npart: {rate: 2.0e-3, kind: b}", (), Whole(root=Path("x"), part=Part(2e-3, "b")), "nested"),
        ("root: x", ("count=7",), Whole(root=Path("x"), count=7), "a top key"),
        ("root: x", ("part.rate=2",), Whole(root=Path("x"), part=Part(2.0)), "a nested key that the file leaves out"),
        ("root: x\npart: {kind: b}", ("part.rate=2",), Whole(root=Path("x"), part=Part(2.0, "b")), "others stay"),
        ("root: x", ("part.sizes=[4, 5]",), Whole(root=Path("x"), part=Part(sizes=(4, 5))), "values are YAML"),
        ("root: x", ("root=a=b",), Whole(root=Path("a=b")), "only the first '=' splits"),
        ("root: x", ("count=1", "count=2"), Whole(root=Path("x"), count=2), "the last one wins"),
        ("root: x", ("part.rate=1e-3",), Whole(root=Path("x"), part=Part(1e-3)), "YAML 1.1 reads 1e-3 as a string"),
        ("root: x", (override("root", Path("a #1: b")),), Whole(root=Path("a #1: b")), "signs of YAML in a path"),
        ("root: x", (override("root", Path("2024")),), Whole(root=Path("2024")), "a path of digits"),
    ],
)
def test_loads(tmp_path, text, overrides, expected, reason):
    assert load(tmp_path, text, *overrides) == expected, reason


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("root: x\ncuont: 4", (), "recipe.yaml: unknown key cuont"),
        ("root: x\nzebra: 4", ("count=5",), "recipe.yaml: unknown key zebra$"),
        ("root: x\npart: {rat: 4}", (), "unknown key part.rat"),
        ("root: x", ("part.rat=4",), "^argument 'part.rat=4': unknown key part.rat; did you mean rate\\?$"),
        ("root: x", ("prt.rate=4",), "^argument 'prt.rate=4': unknown key prt; did you mean part\\?$"),
        ("count: 4", (), "missing key root"),
        ("root: x\ncount: many", (), "count: Input should be a valid integer.*, got 'many'"),
        ("root: x\ncount: 1.5", (), "count: Input should be a valid integer"),
        ("root: x\npart: {kind: c}", (), "part.kind: Input should be 'a' or 'b', got 'c'"),
        ("root: x\npart: 3", (), "part: .*got 3"),
        ("- 1", (), "expected a mapping of keys to values, got list"),
        ("", (), "expected a mapping of keys to values, got NoneType"),
        ("root: [", (), "expected YAML, got: "),
        ("root: x", ("count",), "argument 'count': expected key=value"),
        ("root: x", ("=4",), "argument '=4': expected key=value"),
        ("root: x", ("root.a=4",), "argument 'root.a=4': root has no keys below it"),
        ("root: x", ("count=[",), "argument 'count=\\[': expected a YAML value after the first '='"),
        ("root: x", ("count=",), "^argument 'count=': count: .*got None"),
    ],
)
def test_mistakes_name_the_key(tmp_path, text, overrides, message):
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path, text, *overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff")])
def test_files_that_are_no_config(tmp_path, make):
    path = tmp_path / "recipe.yaml"
    make(path)
    with pytest.raises(InputError, match=f"^{path}: expected "):
        load_config(Whole, path)


def test_dump_is_what_yaml_and_parse_take_back():
    whole = Whole(root=Path("a/b"), count=9, part=Part(0.25, "b", (3,)))
    assert dump_config(whole) == {"root": "a/b", "count": 9, "part": {"rate": 0.25, "kind": "b", "sizes": [3]}}
    assert parse_config(Whole, yaml.safe_load(yaml.safe_dump(dump_config(whole))), "here") == whole


def test_an_override_leaves_what_an_alias_shares(tmp_path):
    @dataclass(frozen=True, config=STRICT)
    class Twins:
        one: Part
        other: Part

    path = tmp_path / "recipe.yaml"
    path.write_text("one: &shared {rate: 1.0}\nother: *shared\n", encoding="utf-8")
    assert load_config(Twins, path, ["one.rate=2.0"]) == Twins(Part(2.0), Part(1.0))


def test_a_base_is_read_first_and_changed_key_by_key(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "root.yaml").write_text("a: {b: 1, c: {d: 2, e: 3}}\nlist: [1, 2]\n")
    (tmp_path / "deep" / "middle.yaml").write_text("base: ../root.yaml\na: {c: {d: 5}}\nlist: [3]\n")
    (tmp_path / "leaf.yaml").write_text("base: deep/middle.yaml\na: {b: {x: 9}}\nnew: 7\n")
    assert read_values(tmp_path / "leaf.yaml", ["a.c.e=4"]) == {
        "a": {"b": {"x": 9}, "c": {"d": 5, "e": 4}},
        "list": [3],
        "new": 7,
    }


def test_another_kind_forgets_what_the_old_one_had(tmp_path):
    (tmp_path / "root.yaml").write_text("part: {kind: a, size: 1}\nother: {kind: a, size: 1}\n")
    (tmp_path / "leaf.yaml").write_text("base: root.yaml\npart: {kind: b, name: x}\nother: {kind: a, rate: 2}\n")
    assert read_values(tmp_path / "leaf.yaml") == {
        "part": {"kind": "b", "name": "x"},
        "other": {"kind": "a", "size": 1, "rate": 2},
    }
    assert read_values(tmp_path / "root.yaml", ["part.name=x", "part.kind=b", "other.kind=a"]) == {
        "part": {"kind": "b", "name": "x"},
        "other": {"kind": "a", "size": 1},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: a.yaml", "a.yaml: base: expected a file that does not build on this one again"),
        ("base: b.yaml", "b.yaml: expected a readable config file"),
        ("base: [b.yaml]", "a.yaml: base: expected the name of a config file"),
    ],
)
def test_bases_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_values(tmp_path / "a.yaml")


def test_what_looks_like_a_date_stays_text(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("root: 2024-02-30\nother: 2024-01-01\n")
    assert read_values(path) == {"root": "2024-02-30", "other": "2024-01-01"}


@pytest.mark.parametrize("text", ["a: " + "[" * 2000, "a: &a [*a]", "a: !!bool maybe", "a: " + "x" * 70_000])
def test_yaml_beyond_the_limits_is_one_line(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"^{path}: expected"):
        read_values(path)
