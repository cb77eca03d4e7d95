"""The app in a real browser, started by its command line; needs the extra `app` and a Chromium."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from stvg.workflows.app_form import EXAMPLES, MODE_LABELS

pytest.importorskip("gradio", reason="no Gradio: the app's form is not tested; make installs it")
ROOT = Path(__file__).parents[2]
ANSWER = "document.querySelector('#page iframe')?.contentDocument"
MARKUP = '</script><script>window.hacked = 1</script> "quoted" & <img src=x onerror="window.hacked = 2"> man'


@pytest.fixture(scope="module")
def address(road, tmp_path_factory):
    """Serve the app of the tiny demo on a free port of this machine."""
    detectors = ["{kind: hog}", f"{{kind: file, folder: {road.world / 'detections'}}}"]
    command = [sys.executable, "tools/app.py", *road.options, "--port", "0"]
    command += [word for detector in detectors for word in ("--detector", detector)]
    temporary = tmp_path_factory.mktemp("temporary")
    environment = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as serving:  # noqa: S603
        try:
            line = serving.stdout.readline()
            yield re.fullmatch(r"open (http://127\.0\.0\.1:\d+/) \(Ctrl-C ends it\)\n", line)[1]
        finally:
            serving.terminate()
    assert serving.returncode == 0
    assert not list(temporary.glob("stvg-app-*")), "uploads and answers go when the app ends"


@pytest.fixture
def form(address, pages):
    """Opens the form: form(width, height, dark=..., phone=...)."""

    def opened(*size, **options):
        page = pages(*size, **options)
        page.open(address)
        page.wait("document.querySelector('#find') && document.querySelector('#sentence textarea')")
        return page

    return opened


@pytest.fixture(scope="module")
def asked(road):
    """Key and sentence of a query."""
    return next(iter(json.loads((road.world / "test_queries.json").read_text()).items()))


def press_find(page, text):
    """Type a sentence and press the button; by script, since the form moves when Gradio fills in a part of it."""
    page.run("document.querySelector('#sentence textarea').select()")
    if text:
        page.type(text)
    page.run("document.querySelector('#find').click()")


def ask(page, text):
    """Ask and wait for the answer to be seen."""
    before = page.run("document.querySelector('#page iframe')?.src ?? ''")
    press_find(page, text)
    page.wait(f"(document.querySelector('#page iframe')?.src ?? '') !== {json.dumps(before)}")
    page.wait(f"{ANSWER}?.querySelector('.asked')?.textContent === {json.dumps(text)}")
    page.wait(f"{ANSWER}.querySelector('canvas.boxes').dataset.frame >= 0")  # a frame has been shown


def choose(page, name, of="detector"):
    """Choose what is called `name` from a list."""
    options = "[...document.querySelectorAll('[role=option]')]"
    option = f"{options}.find((one) => one.textContent.includes({json.dumps(name)}))"
    page.wait(f"(document.querySelector('#{of} input').focus(), {option})")
    page.run(f"{option}.dispatchEvent(new MouseEvent('mousedown', {{ bubbles: true }}))")
    page.wait(f"document.querySelector('#{of} input').value.includes({json.dumps(name)})")


@pytest.mark.parametrize(
    ("name", "width", "height", "options"),
    [("desktop", 1280, 1000, {}), ("phone-dark", 390, 844, {"phone": True, "dark": True})],
)
def test_a_sentence_is_answered(form, asked, name, width, height, options):
    page = form(width, height, **options)
    assert len(page.screenshot(f"app-{name}-form")) > 10_000
    ask(page, asked[1])
    said = page.run("document.querySelector('#line').textContent")
    assert "answered in" in said
    assert "It is not the chance that the answer is right" in said
    assert page.run(f"{ANSWER}.querySelectorAll('.tube-name').length") >= 1
    assert page.run(f"{ANSWER}.querySelectorAll('canvas.triangle').length") == 2
    assert page.run(f"{ANSWER}.querySelectorAll('.track.span .bar.found').length") == 1
    assert page.run("document.documentElement.scrollWidth") <= width
    page.wait(f"{ANSWER}.documentElement.scrollHeight <= document.querySelector('#page iframe').clientHeight")
    page.run("document.querySelector('#page').scrollIntoView()")
    assert len(page.screenshot(f"app-{name}-answer")) > 10_000
    ask(page, "The woman turns.")
    assert page.errors() == []


def plays(page, source):
    """Wait until the video before the sentence has this source and the browser knows its size."""
    page.wait(f"document.querySelector('#preview video')?.getAttribute('src').startsWith({json.dumps(source)})")
    page.wait("document.querySelector('#preview video').videoWidth === 640")


def test_the_video_is_shown_before_one_asks(form, asked, road, tmp_path):
    page = form()
    first, second = sorted(path.name for path in (road.world / "videos").glob("*.mp4"))[:2]
    plays(page, f"/videos/{first}")
    assert first in page.run("document.querySelector('#preview').textContent")
    upload = shutil.copy(road.world / "videos" / asked[0], tmp_path / "mine.mp4")
    page.choose_files("#upload input[type=file]", upload)
    plays(page, "/gradio_api/file=")
    assert "mine.mp4" in page.run("document.querySelector('#preview').textContent")
    choose(page, second, "video")
    plays(page, f"/videos/{second}")
    page.wait("!document.querySelector('#upload').textContent.includes('mine')")
    assert all("Method not implemented" in error for error in page.errors()), "that one is Gradio's, at any upload"


def test_words_for_people(form):
    page = form()
    page.wait(f"document.body.innerText.includes({json.dumps(EXAMPLES[-1])})")
    text = page.run("document.body.innerText")
    for words in (*MODE_LABELS.values(), *EXAMPLES):
        assert words in text
    for words in ("two_stage", "tube_mmn", "as in the recipe"):
        assert words not in text
    assert page.run("document.querySelector('#detector input').value") == "people as stored beside the video"


def test_an_example_is_taken_over(form):
    page = form()
    examples = "[...document.querySelectorAll('#examples button')]"
    button = f"{examples}.find((one) => one.textContent.trim() === {json.dumps(EXAMPLES[1])})"
    page.wait(button)
    page.run(f"{button}.click()")
    page.wait(f"document.querySelector('#sentence textarea').value === {json.dumps(EXAMPLES[1])}")


def test_texts_stay_texts(form):
    page = form()
    ask(page, MARKUP)
    assert page.run(f"{ANSWER}.querySelector('.asked').childElementCount") == 0
    assert page.run(f"{ANSWER}.title").endswith(MARKUP)
    assert page.run("typeof window.hacked") == "undefined"
    assert page.run("typeof document.querySelector('#page iframe').contentWindow.hacked") == "undefined"


def test_another_mode(form, asked):
    page = form()
    page.run("document.querySelector('#mode input[value=joint]').click()")
    ask(page, asked[1])
    data = page.run("fetch(new URL('data/0.js', document.querySelector('#page iframe').src)).then((got) => got.text())")
    assert '"mode":"joint"' in data


def test_an_upload_and_another_detector(form, asked, road, tmp_path):
    page = form()
    video = shutil.copy(road.world / "videos" / asked[0], tmp_path)
    page.choose_files("#upload input[type=file]", video)
    page.wait(f"document.querySelector('#upload').textContent.includes({json.dumps(Path(asked[0]).stem)})")
    press_find(page, asked[1])
    page.wait("document.querySelector('#line .refused')")
    refused = page.run("document.querySelector('#line .refused').textContent")
    file = f"detections/{Path(asked[0]).stem}.txt"
    assert refused.startswith(f"{file}: expected the public detections"), "no folder of ours"
    choose(page, "people as stored beside the video (2)")
    ask(page, asked[1])
    assert page.run(f"{ANSWER}.querySelector('.facts').textContent") == asked[0]


def test_a_refusal_is_text(form, tmp_path):
    page = form()
    press_find(page, "")
    page.wait("document.querySelector('#line .refused')")
    assert page.run("document.querySelector('#line .refused').textContent") == "sentence: expected words, got ''"
    (tmp_path / "x.mp4").write_text("<script>")
    page.choose_files("#upload input[type=file]", tmp_path / "x.mp4")
    page.wait("document.querySelector('#upload').textContent.includes('x')")
    press_find(page, "")
    page.wait("document.querySelector('#line .refused')?.textContent.startsWith('x.mp4: expected a whole video file')")


def test_answers_of_others_cannot_be_listed(address):
    for path in ("look/", "look", "look/../look/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address + path)  # noqa: S310
        assert refused.value.code == 404
        refused.value.close()
