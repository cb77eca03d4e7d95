"""Guard the app: the hosts it answers, the files requests name, headers, uploads.

ASGI middleware around the form. It does not rely on Gradio, which copies any file that a request names unless it
counts as launched, and downloads any address.
"""

import ipaddress
import json
import re
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi")
"""Suffixes of the videos that the app takes."""
UPLOADS_KEPT = 20
"""Number of uploaded files that stay on disk; the oldest is deleted first."""
UPLOAD_SECONDS = 3600
"""Age in seconds at which an uploaded file is deleted."""
BODY_BYTES = 4_000_000
"""Size of the largest request that is no upload."""
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"frame-ancestors 'self'"),  # the form shows answers in a frame
)
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?")
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 (recognised, not listened on)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where the app listens: the host as given, and the port."""

    host: str
    port: int

    def answers(self, header: str) -> bool:
        """Whether a request with this Host header is meant for the app.

        A page of another site whose name was made to lead here (DNS rebinding) sends that name. Where the app listens
        on all addresses of the machine, each of them counts, since a page cannot lie about a number.

        >>> [Address("127.0.0.1", 7860).answers(host) for host in ("localhost:7860", "[::1]:7860", "a.org:7860")]
        [True, True, False]
        """
        found = _HOST.fullmatch(header.strip().lower())
        if found is None or int(found[3] or 80) != self.port:
            return False
        name = found[1] or found[2]
        if name in ("localhost", "127.0.0.1", "::1", self.host.lower()):
            return True
        return self.host in _EVERYWHERE and (_is_number(name) or name == socket.gethostname().lower())

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class AppGuard:
    """An ASGI application that passes on to `app` what may be asked; `uploads` is the folder of uploaded files.

    A request for another host, for a file that was not uploaded, or over BODY_BYTES gets one line and the status 400
    or 413; nothing is opened for it.
    """

    def __init__(self, app: App, uploads: Path, address: Address) -> None:
        self._app, self._uploads, self._address = app, uploads, address

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self._address.answers(hosts[0]):
            await _refuse(send_with_headers, 400, f"Host: expected {self._address.url}, got {', '.join(hosts)!r}")
        elif scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send_with_headers)
        else:
            await self._pass_on_body(scope, receive, send_with_headers)

    async def _pass_on_body(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass on a request with a body, of which all but uploads is read and checked first."""
        remove_old_uploads(self._uploads, UPLOADS_KEPT - 1)
        if dict(scope["headers"]).get(b"content-type", b"").lower().startswith(b"multipart/"):
            await self._app(scope, receive, send)
            remove_old_uploads(self._uploads)  # one request can hold many files
            return
        body = await _read_body(receive)
        if body is None:
            await _refuse(send, 413, f"request: expected at most {BODY_BYTES} bytes, got more")
            return
        problem = body_problem(body, self._uploads)
        if problem is not None:
            await _refuse(send, 400, problem)
            return
        first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return first.pop() if first else await receive()

        await self._app(scope, receive_again, send)


def body_problem(body: bytes, uploads: Path) -> str | None:
    """Return why a request may not be passed on: it names a file that is no uploaded video, or its text is none.

    What is no JSON names none. Gradio cannot write half of a surrogate pair into its own refusals.
    """
    try:
        value = json.loads(body)
        paths = list(_named_paths(value))
        text = json.dumps(value, ensure_ascii=False)
    except ValueError:
        return None
    except RecursionError:
        return "request: expected JSON, got too many levels of it"
    for path in paths:
        if not _is_upload(path, uploads):
            return f"video: expected an uploaded file ({', '.join(SUFFIXES)}), got {str(path)[:200]!r}"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"request: expected text, got {text[error.start]!r} in it"
    return None


def _named_paths(value: Any) -> Iterator[Any]:
    """Yield what stands under "path" anywhere in a JSON value; Gradio takes it for a file."""
    if isinstance(value, dict):
        if "path" in value:
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _named_paths(item)


def _is_upload(path: object, uploads: Path) -> bool:
    if not isinstance(path, str) or "\0" in path or not path.lower().endswith(SUFFIXES):
        return False
    try:
        file = Path(path).resolve()
        return file.is_relative_to(uploads.resolve()) and file.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, not encodable, a loop of links
        return False


def remove_old_uploads(uploads: Path, kept: int = UPLOADS_KEPT) -> None:
    """Delete uploaded files older than UPLOAD_SECONDS, and all but the `kept` newest."""
    found = []
    for path in uploads.rglob("*"):
        try:
            status = path.stat()
        except FileNotFoundError:  # another request removed it
            continue
        if path.is_file():
            found.append((status.st_mtime, status.st_size > 0, path))
    found.sort(reverse=True)
    count = 0
    for modified, filled, path in found:
        count += filled  # Gradio leaves an empty file for each question
        if modified < time.time() - UPLOAD_SECONDS or (filled and count > kept):
            path.unlink(missing_ok=True)


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body of a request, None if it is over BODY_BYTES."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":  # the client went away
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_BYTES:
            return None
    return body


async def _refuse(send: Send, status: int, line: str) -> None:
    """Answer with one line of text."""
    body = line.encode("utf-8", "backslashreplace") + b"\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
