"""Build the app's form: a video, a sentence about it, the answer below."""

import base64
import html
import os
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2

from stvg.errors import InputError
from stvg.fusion.score_fusion import MODES, Mode
from stvg.io.video import stream_images
from stvg.pipeline import DECODE, MATCH
from stvg.types import VideoMeta
from stvg.viewer.app_guard import SUFFIXES, UPLOAD_SECONDS
from stvg.viewer.app_theme import COLOURS, LOOK, STYLE
from stvg.workflows.app_service import AppService

EXAMPLES = (
    "The man in the black jacket walks to the door.",
    "The woman in the white shirt sits down.",
    "The woman with long blond hair walks to the right.",
    "The man in the gray shirt stretches out his hand.",
    "The boy in the blue jeans picks something up.",
)
MODE_LABELS: dict[Mode, str] = {
    "two_stage": "first when, then who",
    "joint": "when and who together",
    "tube_mmn": "each person's best moment",
}
STEPS = {
    DECODE: "reading the video",
    "detect": "finding people",
    "track": "following them",
    "link": "following them from shot to shot",
    "describe": "describing them",
    MATCH: "matching the sentence to them",
}
"""What is done, by the name of the stage."""
_POSTER_SIDE = 640


def preview(service: AppService, chosen: str | None, uploaded: str | None) -> str:
    """Return the video that would be asked about as HTML, with its length and size; or why it would be refused."""
    if not chosen and not uploaded:
        return '<p class="quiet">Upload a video to see it here.</p>'
    try:
        video = service.look(chosen, uploaded)
        source = f"/gradio_api/file={quote(uploaded)}" if uploaded else f"/videos/{quote(video.video_id)}"
        return (
            f'<video controls muted playsinline preload="metadata" poster="{_poster(video)}" src="{source}"></video>'
            f'<p class="quiet">{html.escape(video.video_id)}: {video.num_frames / video.fps:.1f} s, '
            f"{video.width} x {video.height}, {video.fps:.3g} frames a second</p>"
        )
    except InputError as error:
        return _refusal(error)


def _poster(video: VideoMeta) -> str:
    """Return the first picture as a data URL; it is seen also where the browser cannot play the file."""
    with closing(stream_images(video.path)) as images:
        first = next(images)
    scale = min(1.0, _POSTER_SIDE / max(video.width, video.height))
    size = max(1, round(video.width * scale)), max(1, round(video.height * scale))
    small = cv2.resize(first, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def _refusal(error: InputError) -> str:
    return f'<p class="refused" role="alert">{html.escape(str(error))}</p>'


def build_app(service: AppService, uploads: Path) -> Any:
    """Return the app as an ASGI application: the form at /, the videos to choose under /videos, answers under /look.

    Gradio keeps what is uploaded in the folder `uploads`.

    Raises:
        InputError: Gradio is not installed.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)  # Gradio takes it from there alone
    try:
        import gradio
        from fastapi import FastAPI, HTTPException
        from fastapi.responses import FileResponse
        from starlette.staticfiles import StaticFiles
    except ImportError as error:
        raise InputError(
            f"stvg app: expected the package gradio, found none; pip install -c constraints.txt -e '.[app]' ({error})"
        ) from error

    def send_video(name: str) -> FileResponse:
        if name not in service.choices():
            raise HTTPException(404)
        return FileResponse(service.videos / name)

    form = _build_form(service, gradio)
    form.has_launched = True  # else Gradio does not check that a file named in a request was uploaded
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/look", StaticFiles(directory=service.work))
    app.get("/videos/{name}", response_model=None)(send_video)
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


def _build_form(service: AppService, gradio: Any) -> Any:
    """Return the form, whose first event asks."""
    with gradio.Blocks(title="stvg", analytics_enabled=False, delete_cache=(600, UPLOAD_SECONDS)) as form:
        gradio.Markdown("# Who, when and where\nA video and a sentence about one person in it.")
        with gradio.Row():
            with gradio.Column(scale=1, min_width=280):
                chosen, uploaded, shown = _lay_out_video(service, gradio)
            with gradio.Column(scale=2, min_width=320):
                text, examples, mode, detector, button, line = _lay_out_sentence(service, gradio)
        page = gradio.HTML(elem_id="page")
        asking = {"fn": _asker(service, gradio), "inputs": [chosen, uploaded, text, mode, detector]}
        for event in (button.click, text.submit):
            event(
                **asking,
                outputs=[line, page],
                show_progress_on=line,
                concurrency_limit=1,
                concurrency_id="stages",
                api_name=False,
            )
        quiet = {"show_progress": "hidden", "api_name": False}
        examples.click(lambda row: row[0], examples, text, **quiet)
        # A choice from the list is meant, whatever was uploaded before.
        chosen.input(lambda name: (None, preview(service, name, None)), chosen, [uploaded, shown], **quiet)
        for event in (uploaded.upload, uploaded.clear):
            event(lambda name, file: preview(service, name, file), [chosen, uploaded], shown, **quiet)
    return form


def _lay_out_video(service: AppService, gradio: Any) -> tuple[Any, Any, Any]:
    """Return the list of videos, the place to upload one and the preview."""
    choices = service.choices()
    first = choices[0] if choices else None
    chosen = gradio.Dropdown(choices, value=first, label="Video", elem_id="video", visible=bool(choices))
    uploaded = gradio.File(
        label=f"{'or upload' if choices else 'Upload'} one, up to {service.limits.megabytes} MB",
        elem_id="upload",
        file_types=list(SUFFIXES),
        type="filepath",
        height=150,
    )
    return chosen, uploaded, gradio.HTML(preview(service, first, None), elem_id="preview")


def _lay_out_sentence(service: AppService, gradio: Any) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Return the sentence's field, the examples, how to decide, who can be meant, the button and the line below."""
    text = gradio.Textbox(
        label="Sentence", placeholder=EXAMPLES[0], lines=2, max_length=service.limits.letters, elem_id="sentence"
    )
    examples = gradio.Dataset(
        components=[gradio.Textbox(visible=False)],
        samples=[[example] for example in EXAMPLES],
        label="For example",
        elem_id="examples",
    )
    with gradio.Row():
        modes = [(MODE_LABELS[mode], mode) for mode in MODES]
        mode = gradio.Radio(modes, value=service.mode, label="How to decide", elem_id="mode", min_width=300)
        detectors = list(service.grounders)
        detector = gradio.Dropdown(
            detectors, value=detectors[0], label="Who can be meant", elem_id="detector", min_width=240
        )
    button = gradio.Button("Find", variant="primary", elem_id="find")
    return text, examples, mode, detector, button, gradio.HTML(elem_id="line")


def _asker(service: AppService, gradio: Any) -> Any:
    """Return what the button calls; Gradio shows the stages that it reports."""

    def ask(
        chosen: str | None,
        uploaded: str | None,
        text: str,
        mode: str,
        detector: str,
        progress: Any = gradio.Progress(),  # noqa: B008 (Gradio looks for it among the defaults)
    ) -> tuple[str, str]:
        def follow(stage: str) -> None:
            progress((list(STEPS).index(stage), len(STEPS)), desc=STEPS[stage], unit="steps")

        try:
            name, line, score = service.answer(chosen, uploaded, text, mode, detector, follow)
        except InputError as error:
            return _refusal(error), ""
        return (
            f'<p class="answered">{html.escape(line)}</p><p class="quiet">{html.escape(score)}</p>',
            f'<iframe class="answer" src="/look/{name}/index.html" title="The answer"></iframe>',
        )

    return ask
