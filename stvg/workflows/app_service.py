"""Serve a form in the browser that answers sentences about videos.

`AppService` answers or refuses and is independent of Gradio; `build_app` adds the form. The page of an answer is
that of a report with one query (stvg.viewer.page), served from a folder of its own that nobody can guess.
"""

import html
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stvg.api import GroundedVideo, VideoGrounder, check_sentence, load
from stvg.config import load_config
from stvg.errors import InputError
from stvg.fusion.score_fusion import MODES
from stvg.io.video import read_meta
from stvg.recipe.schema import Recipe
from stvg.viewer.app_guard import SUFFIXES, UPLOAD_SECONDS, Address, AppGuard
from stvg.viewer.app_theme import COLOURS, LOOK, STYLE

logger = logging.getLogger(__name__)
ANSWERS_KEPT = 50
"""Number of answers whose pages stay on disk; the oldest is deleted first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest uploads, videos and sentences that the app takes."""

    megabytes: int = 200
    frames: int = 1000
    """Sampled frames, every video.stride-th of the video; all are in memory together."""
    side: int = 4096
    """Pixels of the longer side."""
    letters: int = 300


class AppService:
    """Answers sentences about videos with any of several detectors; unfit input is refused with one line.

    `grounders` by the detector's name; `videos` is the folder whose videos can be chosen; pages go under `work`.
    """

    def __init__(self, grounders: Mapping[str, VideoGrounder], videos: Path, work: Path, limits: Limits, stride: int):
        self.grounders, self.videos, self.limits = grounders, videos, limits
        self.work, self._stride = work, stride
        self._answers: list[Path] = []
        self._pages: dict[tuple[Path, int, int], Path] = {}  # by file, time and size, its latest page

    def choices(self) -> list[str]:
        """Return the names of the videos that can be chosen."""
        return sorted(path.name for path in self.videos.glob("*") if path.suffix.lower() in SUFFIXES)

    def answer(self, chosen: str | None, uploaded: str | None, text: str, mode: str, detector: str) -> tuple[str, str]:
        """Return the name of the folder under `work` that holds the answer's page, and a line on the answer.

        Raises:
            InputError: the input is unfit, or cannot be answered.
        """
        video = self._video(chosen, uploaded)
        if detector not in self.grounders:
            raise InputError(f"detector: expected one of {', '.join(self.grounders)}, got {detector!r}")
        started = time.monotonic()
        try:
            self._check(video)
            check_sentence(text, self.limits.letters)
            found = self.grounders[detector].with_mode(mode)(video, text)
        except InputError as error:
            raise InputError(_without_folders(str(error), video)) from error
        name = secrets.token_hex(16)
        self._save_page(found, self.work / name)
        start, end = found.seconds
        line = f"{start:.1f} to {end:.1f} s, tube {found.tube.tube_id} of {len(found.candidates)}"
        logger.info("%s: %s, in %.2f s", video.name, line, time.monotonic() - started)
        return name, f"{line}, answered in {time.monotonic() - started:.1f} s"

    def _save_page(self, found: GroundedVideo, folder: Path) -> None:
        """Write the page of an answer; a video that an earlier page encoded is linked to, not encoded again."""
        file = found.video.path.stat()
        version = found.video.path, file.st_mtime_ns, file.st_size
        earlier = self._pages.pop(version, None)
        if earlier is not None:
            shutil.copytree(earlier / "videos", folder / "videos", copy_function=os.link)
        self._answers.append(folder)  # also goes in its turn if writing it fails
        found.save_page(folder)
        self._pages[version] = folder
        while len(self._answers) > ANSWERS_KEPT:
            oldest = self._answers.pop(0)
            self._pages = {version: page for version, page in self._pages.items() if page != oldest}
            shutil.rmtree(oldest, ignore_errors=True)

    def _video(self, chosen: str | None, uploaded: str | None) -> Path:
        """Return the uploaded video, else the chosen one."""
        if uploaded:
            if not Path(uploaded).is_file():  # uploads do not stay for ever
                raise InputError(f"{Path(uploaded).name}: expected an uploaded file, found it deleted; upload it again")
            return Path(uploaded)
        if not chosen:
            raise InputError("video: expected one chosen or uploaded, got none")
        if chosen not in self.choices():
            raise InputError(f"video: expected one of the list, got {chosen!r}")
        return self.videos / chosen

    def _check(self, path: Path) -> None:
        limits = self.limits
        if path.stat().st_size > limits.megabytes * 1_000_000:
            raise InputError(
                f"{path.name}: expected at most {limits.megabytes} MB, got {path.stat().st_size / 1e6:.0f}"
            )
        meta = read_meta(path, path.name)
        num_sampled = -(-meta.num_frames // self._stride)
        if num_sampled > limits.frames:
            longest_s = limits.frames * self._stride / meta.fps
            raise InputError(
                f"{path.name}: expected at most {limits.frames} frames to look at, {longest_s:.0f} s of this video "
                f"with video.stride {self._stride}, got {num_sampled}"
            )
        if max(meta.width, meta.height) > limits.side:
            raise InputError(
                f"{path.name}: expected sides of at most {limits.side} pixels, got {meta.width} x {meta.height}"
            )


def _without_folders(message: str, video: Path) -> str:
    """Return a message without the folders of this machine; a video's files lie in its folder or beside that."""
    return message.replace(f"{video.parent}/", "").replace(f"{video.parent.parent}/", "")


def make_service(
    config: Path, overrides: Sequence[str], detectors: Sequence[str], work: Path, limits: Limits | None = None
) -> AppService:
    """Return the service of a recipe. `detectors` are further ones to choose from, each as YAML: `{kind: hog}`.

    Raises:
        InputError: the recipe or a detector cannot be read, or a checkpoint is missing.
    """
    recipe = load_config(Recipe, config, overrides)
    first = load(recipe)
    grounders = {f"1: {recipe.detector.kind}, as in the recipe": first}
    for text in detectors:
        other = load_config(Recipe, config, [*overrides, f"detector={text}"])
        grounders[f"{len(grounders) + 1}: {other.detector.kind}"] = first.with_detector(other.detector)
    return AppService(grounders, recipe.data.videos, work, limits or Limits(), recipe.video.stride)


def build_app(service: AppService, uploads: Path) -> Any:
    """Return the app as an ASGI application: the form at /, the answers' pages under /look.

    Gradio keeps what is uploaded in the folder `uploads`.

    Raises:
        InputError: Gradio is not installed.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)  # Gradio takes it from there alone
    try:
        import gradio
        from fastapi import FastAPI
        from starlette.staticfiles import StaticFiles
    except ImportError as error:
        raise InputError(
            f"stvg app: expected the package gradio, found none; pip install -c constraints.txt -e '.[app]' ({error})"
        ) from error

    def ask(chosen: str | None, uploaded: str | None, text: str, mode: str, detector: str) -> tuple[str, str]:
        try:
            name, line = service.answer(chosen, uploaded, text, mode, detector)
        except InputError as error:
            return f'<p class="refused" role="alert">{html.escape(str(error))}</p>', ""
        return (
            f'<p class="answered">{html.escape(line)}</p>',
            f'<iframe class="answer" src="/look/{name}/index.html" title="The answer"></iframe>',
        )

    with gradio.Blocks(title="stvg", analytics_enabled=False, delete_cache=(600, UPLOAD_SECONDS)) as form:
        gradio.Markdown("# Who, when and where\nA video and a sentence about one person in it.")
        with gradio.Row():
            with gradio.Column(scale=1, min_width=280):
                choices = service.choices()
                chosen = gradio.Dropdown(choices, value=choices[0] if choices else None, label="Video", elem_id="video")
                uploaded = gradio.File(
                    label=f"or upload one, up to {service.limits.megabytes} MB",
                    elem_id="upload",
                    file_types=list(SUFFIXES),
                    type="filepath",
                    height=150,
                )
            with gradio.Column(scale=2, min_width=320):
                text = gradio.Textbox(
                    label="Sentence",
                    placeholder="The man in black clothes sits down.",
                    lines=2,
                    max_length=service.limits.letters,
                    elem_id="sentence",
                )
                with gradio.Row():
                    mode = gradio.Radio(list(MODES), value=MODES[0], label="Mode", elem_id="mode", min_width=300)
                    detectors = list(service.grounders)
                    detector = gradio.Dropdown(
                        detectors, value=detectors[0], label="Detector", elem_id="detector", min_width=240
                    )
                button = gradio.Button("Find", variant="primary", elem_id="find")
                line = gradio.HTML(elem_id="line")
        page = gradio.HTML(elem_id="page")
        inputs = [chosen, uploaded, text, mode, detector]
        for event in (button.click, text.submit):
            event(ask, inputs, [line, page], concurrency_limit=1, concurrency_id="stages", api_name=False)
    form.has_launched = True  # else Gradio does not check that a file named in a request was uploaded
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/look", StaticFiles(directory=service.work))
    return gradio.mount_gradio_app(
        app,
        form,
        path="/",
        max_file_size=service.limits.megabytes * 1_000_000,
        ssr_mode=False,
        footer_links=["gradio"],
        theme=gradio.themes.Default(**LOOK).set(**COLOURS),
        head=f"<style>{STYLE}</style>",  # what is given as css reaches no further than the form
    )


def serve(app: Any, uploads: Path, host: str, port: int) -> None:
    """Serve the app, guarded, until it is interrupted or told to end; a port of 0 takes any that is free.

    The address goes to stdout. Both ways of ending leave by an exception, so that the caller can tidy up.

    Raises:
        InputError: the address cannot be listened on.
    """
    import uvicorn

    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(
            f"--host {host} --port {port}: expected a free address of this machine, got: {error.strerror or error}"
        ) from error
    with listening:
        address = Address(host, listening.getsockname()[1])
        sys.stdout.write(f"open {address.url} (Ctrl-C ends it)\n")
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, _leave)  # uvicorn ends its work first and then hands the signal on
        # Open pages keep a connection for news, which would hold up the end.
        guarded = AppGuard(app, uploads, address)
        config = uvicorn.Config(guarded, log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listening])


def _leave(*_: object) -> None:
    raise SystemExit(0)
