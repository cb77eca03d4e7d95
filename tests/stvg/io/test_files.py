import os
import re

import pytest

from stvg.errors import InputError
from stvg.io.files import (
    is_finite_number,
    key_problem,
    read_json,
    refuse_overwriting,
    write_json_atomically,
    write_text_atomically,
    writing,
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected JSON"),
        (b'{"a": 1', "expected JSON"),
        (b"\xff\xfe\x00", "expected JSON"),
        (b"[" * 100_000, "expected JSON"),
        (b'{"a": 1, "a": 2}', "expected each key once, got 'a' twice"),
        (b'{"x": {"12": [], "12": []}}', "expected each key once, got '12' twice"),
    ],
)
def test_unusable_json_is_one_line_with_the_file(tmp_path, content, message):
    path = tmp_path / "some.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_json(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: expected a readable JSON file, got: No such file"):
        read_json(tmp_path / "none.json")
    with pytest.raises(InputError, match="expected a readable JSON file"):
        read_json(tmp_path)


@pytest.mark.parametrize(
    "name", ["in.json", "./in.json", "folder/../in.json", "folder/link.json", "hard.json", "near/in.json"]
)
def test_an_output_that_is_an_input_is_refused(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "in.json").write_text("{}")
    (tmp_path / "folder" / "link.json").symlink_to(tmp_path / "in.json")
    (tmp_path / "near").symlink_to(tmp_path)
    (tmp_path / "hard.json").hardlink_to(tmp_path / "in.json")
    inputs = [tmp_path / "none.json", tmp_path / "in.json"]
    expected = f"{tmp_path / name}: expected another file to write than the one to read, {tmp_path / 'in.json'}"
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        refuse_overwriting(tmp_path / name, inputs)
    with pytest.raises(InputError, match="expected another folder to write than the one to read"):
        refuse_overwriting(tmp_path / "near", [tmp_path])
    refuse_overwriting(tmp_path / "new.json", inputs)
    refuse_overwriting(tmp_path / "none.json", inputs)


def test_byte_order_mark_is_no_error(tmp_path):
    (tmp_path / "bom.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "bom.json") == {"a": 1}


def test_written_json_reads_back_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "new" / "folder" / "values.json"
    write_json_atomically(path, {"é": [1, 2.5, None]})
    assert read_json(path) == {"é": [1, 2.5, None]}
    assert list(path.parent.iterdir()) == [path]


def fail_while_writing(path):
    with writing(path) as beside:
        assert beside.suffix == ".mp4"
        assert beside.parent == path.parent
        beside.write_text("half")
        raise RuntimeError


def test_a_failing_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        fail_while_writing(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_not_finite_numbers_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json_atomically(tmp_path / "nan.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_paths_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="expected a file to write, got a folder"):
        write_text_atomically(tmp_path, "text")
    with pytest.raises(InputError, match="expected a folder that can be made"):
        write_text_atomically(tmp_path / "file" / "x.txt", "text")


@pytest.mark.parametrize(
    ("key", "usable", "reason"),
    [
        ("55_vfjywN5CN0Y.mp4", True, "a real key"),
        ("10__Gvp-cj3bmIY.mp4", True, "a real key with two underscores"),
        ("人.mkv", True, "not ASCII, yet a file name"),
        ("../../x.mp4", False, "leads out of the folder"),
        ("..", False, "the folder above"),
        (".", False, "the folder itself"),
        ("a/b.mp4", False, "a path"),
        ("/etc/x.mp4", False, "an absolute path"),
        ("a\\b.mp4", False, "a path elsewhere"),
        ("a\0.mp4", False, "a NUL"),
        ("a\nb.mp4", False, "a line break would forge lines of the log"),
        ("\ud800.mp4", False, "half a surrogate pair cannot be encoded"),
        (" a.mp4", False, "a blank that nobody sees"),
        ("", False, "empty"),
        ("x" * 300, False, "longer than file systems allow"),
        (12, False, "a number"),
    ],
)
def test_key_problem(key, usable, reason):
    assert (key_problem(key) is None) == usable, reason


def test_numbers_that_do_not_fit_a_float_are_not_finite():
    assert not is_finite_number(10**400)
    assert not is_finite_number(float("inf"))
    assert is_finite_number(-3)


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_outputs_have_the_permissions_of_new_files(tmp_path, mask):
    """Also where a library writes its file for the owner alone, as safetensors does."""
    before = os.umask(mask)
    try:
        with writing(tmp_path / "out.bin") as beside:
            os.close(os.open(beside, os.O_CREAT | os.O_WRONLY, 0o600))
            beside.chmod(0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "out.bin").stat().st_mode & 0o777 == 0o666 & ~mask
