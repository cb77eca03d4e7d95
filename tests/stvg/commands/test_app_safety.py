"""The served app: what it refuses to read, to answer and to keep, by requests to a real server on this machine."""

import contextlib
import http.client
import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from stvg.commands.app import build_app, make_service
from stvg.viewer import app_guard
from stvg.viewer.app_guard import BODY_BYTES, UPLOAD_SECONDS, Address, AppGuard, remove_old_uploads

pytest.importorskip("gradio", reason="no Gradio: the app's form is not tested; make installs it")


@pytest.fixture(scope="module")
def asked(road):
    key, text = next(iter(json.loads((road.world / "test_queries.json").read_text()).items()))
    return key, text


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of the answers and of the uploads."""
    root = tmp_path_factory.mktemp("app")
    for name in ("answers", "uploads"):
        (root / name).mkdir()
    return root / "answers", root / "uploads"


@pytest.fixture(scope="module")
def service(road, folders):
    """The service; the detections of uploads are those of the videos in the world."""
    options = [*road.options[2:], f"detector.folder={road.world / 'detections'}"]
    environment = pytest.MonkeyPatch()
    environment.setenv("GRADIO_TEMP_DIR", str(folders[1]))  # set back at the end; build_app sets it too
    yield make_service(road.config, options, [], folders[0])
    environment.undo()


@contextlib.contextmanager
def served(app_of):
    """Serve what `app_of(port)` returns on a free port; yield a function that sends a request to it."""
    import socket

    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app_of(port), log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()

    def send(method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            names = {"Content-Type": "application/json"} | {key.replace("_", "-"): v for key, v in headers.items()}
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    send.port = port
    try:
        yield send
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def send(service, folders):
    form = build_app(service, folders[1])
    with served(lambda port: AppGuard(form, folders[1], Address("127.0.0.1", port))) as sending:
        yield sending


def event(chosen, file, text, mode="two_stage", detector="1: file, as in the recipe"):
    return {"data": [chosen, file, text, mode, detector], "fn_index": 0, "session_hash": "s"}


def ask(send, body):
    """Join the queue as the form does; return the two HTML texts of the answer, or the event that says it failed."""
    status, _, joined = send("POST", "/gradio_api/queue/join?", json.dumps(body))
    assert status == 200, joined
    _, _, events = send("GET", f"/gradio_api/queue/data?session_hash={body['session_hash']}")
    last = [json.loads(line[5:]) for line in events.decode().splitlines() if line.startswith("data:")]
    done = next(one for one in last if one["msg"] == "process_completed")
    return done["output"].get("data", done["output"])


def works(send, asked):
    line, page = ask(send, event(asked[0], None, asked[1]))
    assert "answered in" in line
    return page


def upload(send, path):
    body = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="' + path.name.encode() + b'"\r\n'
        b"Content-Type: video/mp4\r\n\r\n" + path.read_bytes() + b"\r\n--x--\r\n"
    )
    status, _, answer = send("POST", "/gradio_api/upload", body, Content_Type="multipart/form-data; boundary=x")
    assert status == 200
    return json.loads(answer)[0]


def contents(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


@pytest.fixture
def foreign(road, asked, tmp_path):
    """A video outside the folder of uploads, with detections, so that nothing else keeps it from being answered."""
    return shutil.copy(road.world / "videos" / asked[0], tmp_path)


def named_files(foreign):
    return [
        str(foreign),
        "/etc/passwd",
        "/dev/zero",
        f"file://{foreign}",
        "https://example.org/x.mp4",
        "\ud800.mp4",
        "\0.mp4",
        "x" * 5000 + ".mp4",
        None,
        7,
        {"path": str(foreign)},
    ]


@pytest.mark.parametrize("route", ["queue/join", "run/predict", "api/predict", "call/ask", "component_server"])
def test_a_foreign_file_is_refused(send, asked, folders, foreign, route, monkeypatch):
    opened = []
    monkeypatch.setattr("stvg.commands.app.AppService.answer", lambda *a: opened.append(a))
    before = contents(folders[1])
    for path in [*named_files(foreign), f"{folders[1]}/../x/../../../../../..{foreign}", str(folders[1])]:
        for file in ({"path": path, "meta": {"_type": "gradio.FileData"}}, {"path": path}, [{"path": path}]):
            status, headers, answer = send("POST", f"/gradio_api/{route}", json.dumps(event(None, file, asked[1])))
            assert status == 400, (path, answer)
            assert answer.startswith(b"video: expected an uploaded file (.mp4, .mkv, .webm, .mov, .avi), got ")
            assert answer.count(b"\n") == 1
            assert headers["x-content-type-options"] == "nosniff"
    assert contents(folders[1]) == before
    assert opened == []
    monkeypatch.undo()
    works(send, asked)


def test_gradio_itself_refuses_a_foreign_file(service, asked, folders, foreign):
    """Without the guard: Gradio's own check is on."""
    form = build_app(service, folders[1])
    with served(lambda port: form) as send:
        for path in (str(foreign), "/etc/passwd", "/dev/zero"):
            file = {"path": path, "meta": {"_type": "gradio.FileData"}}
            found = ask(send, event(None, file, asked[1]))
            assert "not uploaded by a user" in json.dumps(found)
        assert contents(folders[1]) == []
        works(send, asked)


def test_an_uploaded_video_is_answered(send, asked, road):
    path = upload(send, road.world / "videos" / asked[0])
    file = {"path": path, "orig_name": asked[0], "meta": {"_type": "gradio.FileData"}}
    line, _ = ask(send, event(None, file, asked[1]))
    assert "answered in" in line
    Path(path).unlink()
    status, _, _ = send("POST", "/gradio_api/queue/join", json.dumps(event(None, file, asked[1])))
    assert status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/look/../uploads/secret.mp4",
        "/look/..%2fuploads%2fsecret.mp4",
        "/look/%2e%2e/uploads/secret.mp4",
        "/look//etc/passwd",
        "/look/%2fetc%2fpasswd",
        "/look/",
        "/look/./",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../../../etc/passwd",
        "/gradio_api/file//etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1/",
        "/static/../../../../../../../../etc/passwd",
        "/assets/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/look/%00",
        "/look/%ff",
    ],
)
def test_no_path_leads_out_of_the_answers(send, folders, path):
    (folders[1] / "secret.mp4").write_bytes(b"secret")
    try:
        status, headers, answer = send("GET", path)
    finally:
        (folders[1] / "secret.mp4").unlink()
    assert status in (400, 403, 404), path
    assert b"root:" not in answer
    assert b"secret" not in answer
    assert headers["x-content-type-options"] == "nosniff"


def test_a_link_among_the_answers_is_not_followed(send, folders):
    (folders[0] / "link").symlink_to("/etc")
    assert send("GET", "/look/link/passwd")[0] == 404
    (folders[0] / "link").unlink()


def test_only_its_own_hosts_are_answered(send):
    port = send.port
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", f"LOCALHOST:{port}"):
        assert send("GET", "/look/x", Host=host)[0] == 404
    for host in (
        "localhost",
        "localhost:1",
        f"evil.org:{port}",
        f"127.0.0.1.evil.org:{port}",
        f"192.0.2.1:{port}",
        "",
        f"x@localhost:{port}",
        f"localhost:{port}:{port}",
        f"[::1:{port}",
        f"localhost:{port}x",
        "\xe9",
    ):
        status, headers, answer = send("GET", "/", Host=host)
        assert status == 400, host
        assert answer.startswith(f"Host: expected http://127.0.0.1:{port}/, got ".encode())
        assert answer.count(b"\n") == 1
        assert headers["x-content-type-options"] == "nosniff"


def test_hosts_of_other_addresses():
    assert Address("192.0.2.7", 80).answers("192.0.2.7")
    assert not Address("192.0.2.7", 80).answers("192.0.2.8")
    everywhere = Address("0.0.0.0", 7860)  # noqa: S104
    assert everywhere.answers("192.0.2.7:7860")
    assert everywhere.answers("[2001:db8::7]:7860")
    assert not everywhere.answers("evil.org:7860"), "a name may lead anywhere"
    assert Address("::1", 7860).url == "http://[::1]:7860/"


def test_every_answer_has_the_headers(send, asked):
    page = works(send, asked).split('src="')[1].split('"')[0]
    for path in ("/", page, page.replace("index.html", "data/0.js"), "/nothing", "/gradio_api/info"):
        status, headers, _ = send("GET", path)
        assert status in (200, 404)
        assert headers["x-content-type-options"] == "nosniff", path
        assert "frame-ancestors 'self'" in headers["content-security-policy"], path


def test_odd_bodies(send, asked):
    assert send("POST", "/gradio_api/queue/join", b"[" * 100_000)[0] == 400
    assert send("POST", "/gradio_api/queue/join", b'"' + b"x" * BODY_BYTES + b'"')[0] == 413
    assert send("POST", "/gradio_api/queue/join", b"{")[0] == 422
    works(send, asked)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "sentence: expected text, got None"),
        ("\ud800", r"sentence: expected a line of text, got &#x27;\ud800&#x27;"),
        ("The man\nsits.", r"sentence: expected a line of text, got &#x27;The man\nsits.&#x27;"),
        ("x" * 1_000_000, "sentence: expected at most 300 letters, got 1000000"),
        ("", "sentence: expected words, got &#x27;&#x27;"),
    ],
)
def test_odd_sentences_get_one_line(send, asked, text, message, caplog):
    line, page = ask(send, event(asked[0], None, text))
    assert (line, page) == (f'<p class="refused" role="alert">{message}</p>', "")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("changes", [{"mode": "\ud800"}, {"detector": "\ud800"}, {"chosen": "\ud800"}, {"mode": None}])
def test_odd_choices_end_nothing(send, asked, changes):
    ask(send, event(**{"chosen": asked[0], "file": None, "text": asked[1]} | changes))
    works(send, asked)


def test_uploads_are_limited(send, folders, tmp_path, monkeypatch):
    monkeypatch.setattr(app_guard, "UPLOADS_KEPT", 2)
    monkeypatch.setattr(remove_old_uploads, "__defaults__", (2,))
    for number in range(4):
        (tmp_path / f"{number}.mp4").write_text(f"no video {number}")
        upload(send, tmp_path / f"{number}.mp4")
    assert {path.name for path in contents(folders[1])} == {"2.mp4", "3.mp4"}


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
