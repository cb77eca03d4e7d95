"""The app's guard without an app: its address and the uploads that stay."""

import os
import time

from stvg.viewer.app_guard import UPLOAD_SECONDS, Address, remove_old_uploads


def test_hosts_of_other_addresses():
    assert Address("192.0.2.7", 80).answers("192.0.2.7")
    assert not Address("192.0.2.7", 80).answers("192.0.2.8")
    everywhere = Address("0.0.0.0", 7860)  # noqa: S104
    assert everywhere.answers("192.0.2.7:7860")
    assert everywhere.answers("[2001:db8::7]:7860")
    assert not everywhere.answers("evil.org:7860"), "a name may lead anywhere"
    assert Address("::1", 7860).url == "http://[::1]:7860/"


def test_old_uploads_go(tmp_path):
    for name in ("a/old.mp4", "b/new.mp4", "empty"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("" if name == "empty" else name)
    before = time.time() - UPLOAD_SECONDS - 1
    os.utime(tmp_path / "a/old.mp4", (before, before))
    remove_old_uploads(tmp_path)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"new.mp4", "empty"}
    remove_old_uploads(tmp_path, 0)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"empty"}
