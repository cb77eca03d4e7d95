"""A headless Chromium for the tests of pages, driven over its debugging pipe: no driver and no package is needed.

Chromium is looked for under $CHROMIUM, then as chromium, chromium-browser or google-chrome on the PATH. Screenshots of
the tests are kept in the folder that $SCREENSHOTS names, if it names one.
"""

import base64
import contextlib
import fcntl
import json
import os
import queue
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--force-color-profile=srgb",
)
TIMEOUT_S = 180
SPECIAL = {
    "Enter": 13,
    "Escape": 27,
    " ": 32,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Tab": 9,
}


class Browser:
    """A running Chromium; messages of the DevTools protocol go over two pipes, ended by a zero byte each."""

    def __init__(self, program: str) -> None:
        self.profile = tempfile.mkdtemp(prefix="stvg-chromium-")
        (reads, self._out), (self._in, writes) = os.pipe(), os.pipe()
        high = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (reads, writes)]
        actions = [
            (os.POSIX_SPAWN_DUP2, high[0], 3),
            (os.POSIX_SPAWN_DUP2, high[1], 4),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        command = [program, *FLAGS, f"--user-data-dir={self.profile}", "about:blank"]
        self.pid = os.posix_spawn(program, command, os.environ, file_actions=actions, setpgroup=0)
        for end in (reads, writes, *high):
            os.close(end)
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.events: list[dict[str, Any]] = []
        self._number = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(self._in, 1 << 20):
                *messages, rest = (rest + chunk).split(b"\0")
                for message in map(json.loads, messages):
                    if "id" in message:
                        self._answers.put(message)
                    else:
                        self.events.append(message)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        os.write(self._out, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        while True:
            answer = self._answers.get(timeout=TIMEOUT_S)
            if answer["id"] == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.call("Browser.close")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._out)
        os.close(self._in)
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    """One tab. What the page logs as an error, and every address that it asks for, is kept."""

    def __init__(self, browser: Browser, width: int, height: int, dark: bool = False, phone: bool = False) -> None:
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target, self._from = target, len(browser.events)
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)  # whatever window the desktop has in front
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Return the value of an expression, or of the promise that it gives."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Return once the expression is true; a page that is left meanwhile is asked again."""
        look = f"""new Promise((done, fail) => {{ const until = Date.now() + {1000 * TIMEOUT_S // 2};
            const ask = () => {{ if ({condition}) done(true); else if (Date.now() > until) fail(new Error("waited"));
            else setTimeout(ask, 20); }}; ask(); }})"""
        for _ in range(5):
            try:
                self.run(look)
            except AssertionError as error:
                if "context" not in str(error) and "navigat" not in str(error):
                    raise AssertionError(f"waited in vain for {condition}; errors: {self.errors()}") from error
            else:
                return
        raise AssertionError(f"the page never stayed long enough to see {condition}")

    def key(self, key: str, shift: bool = False) -> None:
        event = {
            "key": key,
            "code": "Space" if key == " " else key,
            "modifiers": 8 if shift else 0,
            "windowsVirtualKeyCode": SPECIAL.get(key, ord(key[0].upper())),
        }
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        self.call("Input.dispatchKeyEvent", type="keyDown", **event, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def click(self, selector: str, x: float = 0.5, y: float = 0.5) -> None:
        """Press the mouse on an element, at shares of its width and height."""
        quoted = json.dumps(selector)
        self.run(f"document.querySelector({quoted}).scrollIntoView({{block: 'center'}})")
        box = self.run(
            f"(() => {{ const r = document.querySelector({quoted}).getBoundingClientRect();"
            "return [r.left, r.top, r.width, r.height]; })()"
        )
        place = {"x": box[0] + x * box[2], "y": box[1] + y * box[3], "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **{**place, "button": "none"})
        self.call("Input.dispatchMouseEvent", type="mousePressed", **place)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **place)

    def choose_files(self, selector: str, *paths: Path) -> None:
        """Give files to an input, as its dialog would."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def screenshot(self, name: str, whole: bool = False) -> bytes:
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        picture = base64.b64decode(answer["data"])
        if folder := os.environ.get("SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{name}.png").write_bytes(picture)
        return picture

    def _events(self, method: str) -> list[dict[str, Any]]:
        return [
            event["params"]
            for event in self.browser.events[self._from :]
            if event["method"] == method and event.get("sessionId") == self.session
        ]

    def errors(self) -> list[str]:
        """What went wrong in the page: exceptions, console errors, and what the browser itself logs as one."""
        thrown = [
            str(event["exceptionDetails"].get("exception", {}).get("description", event))
            for event in self._events("Runtime.exceptionThrown")
        ]
        said = [
            str(event["args"])
            for event in self._events("Runtime.consoleAPICalled")
            if event["type"] in ("error", "warning", "assert")
        ]
        logged = [
            event["entry"]["text"]
            for event in self._events("Log.entryAdded")
            if event["entry"]["level"] in ("error", "warning")
        ]
        return thrown + said + logged

    def requests(self) -> list[str]:
        return [event["request"]["url"] for event in self._events("Network.requestWillBeSent")]

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium: pages are not tested; install the package chromium, or name one in $CHROMIUM")
    running = Browser(program)
    yield running
    running.close()


@pytest.fixture
def pages(browser: Browser) -> Iterator[Any]:
    """Opens pages: pages(width, height, dark=..., phone=...)."""
    opened: list[Page] = []

    def new(width: int = 1280, height: int = 900, **options: bool) -> Page:
        opened.append(Page(browser, width, height, **options))
        return opened[-1]

    yield new
    for page in opened:
        page.close()
