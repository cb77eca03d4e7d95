"""The served app: what it refuses to read, to answer and to keep, by requests to a real server on this machine."""

import contextlib
import gc
import http.client
import json
import secrets
import shutil
import socket
import threading
import time
import urllib.request
import warnings
from pathlib import Path

import pytest

from stvg.errors import InputError
from stvg.viewer import app_guard
from stvg.viewer.app_guard import BODY_BYTES, Address, AppGuard, remove_old_uploads
from stvg.workflows.app_form import STEPS, build_app
from stvg.workflows.app_service import make_service

pytest.importorskip("gradio", reason="no Gradio: the app's form is not tested; make installs it")
pytestmark = pytest.mark.filterwarnings(  # Gradio uses what is deprecated, and leaves sockets open
    "ignore::DeprecationWarning",
    "ignore:'future.no_silent",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture(scope="module", autouse=True)
def _collected():
    """Collect what Gradio leaves open before other modules run, whose warnings are errors."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture(scope="module")
def asked(road):
    return next(iter(json.loads((road.world / "test_queries.json").read_text()).items()))


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
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app_of(port), log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()

    def send(method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
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


def event(chosen, file, text, mode="two_stage", detector="people as stored beside the video"):
    return {"data": [chosen, file, text, mode, detector], "fn_index": 0, "session_hash": secrets.token_hex(4)}


def ask(send, body, steps=None):
    """Join the queue as the form does; return the two HTML texts of the answer, or the event that says it failed.

    What the form shows meanwhile is added to `steps`.
    """
    status, _, joined = send("POST", "/gradio_api/queue/join?", json.dumps(body))
    assert status == 200, joined
    address = f"http://127.0.0.1:{send.port}/gradio_api/queue/data?session_hash={body['session_hash']}"
    with urllib.request.urlopen(address, timeout=20) as events:
        for line in events:
            found = json.loads(line[5:]) if line.startswith(b"data:") else {}
            if found.get("msg") == "progress" and steps is not None:
                steps += [(one["index"], one["length"], one["desc"]) for one in found["progress_data"]]
            if found.get("msg") == "process_completed":
                return found["output"].get("data", found["output"])
    raise AssertionError("no answer")


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
    monkeypatch.setattr("stvg.workflows.app_service.AppService.answer", lambda *a: opened.append(a))
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
        "/videos/",
        "/videos/secret.mp4",
        "/videos/..%2ftest.json",
        "/videos/../test.json",
        "/videos/..%2f..%2fuploads%2fsecret.mp4",
        "/videos/%2fetc%2fpasswd",
        "/videos/%00",
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


def test_the_videos_of_the_list_are_sent_whole_or_in_part(send, asked, road):
    whole = (road.world / "videos" / asked[0]).read_bytes()
    status, headers, answer = send("GET", f"/videos/{asked[0]}")
    assert (status, answer) == (200, whole)
    assert headers["content-type"] == "video/mp4"
    assert headers["x-content-type-options"] == "nosniff"
    status, headers, answer = send("GET", f"/videos/{asked[0]}", Range="bytes=10-19")
    assert (status, answer) == (206, whole[10:20]), "a browser seeks by parts"


def test_each_stage_is_shown_as_it_begins(send, asked, service, monkeypatch):
    def slowly(chosen, uploaded, text, mode, detector, follow):
        for stage in STEPS:
            follow(stage)
            time.sleep(0.4)  # Gradio looks for news twenty times a second
        raise InputError("enough")

    monkeypatch.setattr(service, "answer", slowly)
    steps = []
    line, _ = ask(send, event(asked[0], None, asked[1]), steps)
    assert "enough" in line
    assert list(dict.fromkeys(steps)) == [(place, len(STEPS), step) for place, step in enumerate(STEPS.values())]


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
        ("The man\nsits.", r"sentence: expected a line of text, got &#x27;The man\nsits.&#x27;"),
        ("x" * 1_000_000, "sentence: expected at most 300 letters, got 1000000"),
        ("", "sentence: expected words, got &#x27;&#x27;"),
    ],
)
def test_odd_sentences_get_one_line(send, asked, text, message, caplog):
    line, page = ask(send, event(asked[0], None, text))
    assert (line, page) == (f'<p class="refused" role="alert">{message}</p>', "")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("part", ["text", "mode", "detector", "chosen"])
def test_half_a_surrogate_pair_is_refused(send, asked, part):
    body = event(**{"chosen": asked[0], "file": None, "text": asked[1]} | {part: "x\ud800"})
    status, _, answer = send("POST", "/gradio_api/queue/join", json.dumps(body))
    assert (status, answer) == (400, b"request: expected text, got '\\ud800' in it\n")
    works(send, asked)


def test_odd_choices_end_nothing(send, asked):
    for changes in ({"mode": None}, {"mode": "best"}, {"detector": "x" * 10_000}, {"chosen": "/etc/passwd"}):
        ask(send, event(**{"chosen": asked[0], "file": None, "text": asked[1]} | changes))
    works(send, asked)


def test_uploads_are_limited(send, folders, tmp_path, monkeypatch):
    monkeypatch.setattr(app_guard, "UPLOADS_KEPT", 2)
    monkeypatch.setattr(remove_old_uploads, "__defaults__", (2,))
    for number in range(4):
        (tmp_path / f"{number}.mp4").write_text(f"no video {number}")
        upload(send, tmp_path / f"{number}.mp4")
    assert {path.name for path in contents(folders[1])} == {"2.mp4", "3.mp4"}
