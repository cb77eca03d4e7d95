"""The app in a real browser, started by its command line; needs the extra `app` and a Chromium."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="no Gradio: the app's form is not tested; pip install -e '.[app]'")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def address(road):
    """Serve the app of the tiny demo on a free port of this machine."""
    command = [sys.executable, "tools/app.py", *road.options, "--detector", "{kind: hog}", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as serving:  # noqa: S603
        try:
            line = serving.stdout.readline()
            yield re.fullmatch(r"open (http://127\.0\.0\.1:\d+/) \(Ctrl-C ends it\)\n", line)[1]
        finally:
            serving.terminate()


def ask(page, text):
    page.click("#sentence textarea")
    page.run("document.querySelector('#sentence textarea').select()")
    page.type(text)
    page.click("#find")


ANSWER = "document.querySelector('#page iframe')?.contentDocument"


@pytest.mark.parametrize(
    ("name", "width", "height", "options"),
    [("desktop", 1280, 1000, {}), ("phone-dark", 390, 844, {"phone": True, "dark": True})],
)
def test_a_sentence_is_answered(address, road, pages, name, width, height, options):
    text = next(iter(json.loads((road.world / "test_queries.json").read_text()).values()))
    page = pages(width, height, **options)
    page.open(address)
    page.wait("document.querySelector('#find') && document.querySelector('#sentence textarea')")
    ask(page, text)
    page.wait(f"{ANSWER}?.querySelector('.asked')?.textContent === {json.dumps(text)}")
    page.wait(f"{ANSWER}.querySelector('.stage video').readyState >= 2")
    assert "answered in" in page.run("document.querySelector('#line').textContent")
    assert page.run(f"{ANSWER}.querySelectorAll('.tube-name').length") >= 1
    assert page.run(f"{ANSWER}.querySelectorAll('canvas.triangle').length") == 2
    assert page.run("document.documentElement.scrollWidth") <= width
    page.run("document.querySelector('#page').scrollIntoView()")
    assert len(page.screenshot(f"app-{name}")) > 10_000
    first = page.run("document.querySelector('#page iframe').src")
    ask(page, "The woman turns.")
    page.wait(f"document.querySelector('#page iframe').src !== {json.dumps(first)}")
    page.wait(f"{ANSWER}?.querySelector('.asked')?.textContent === 'The woman turns.'")


def test_a_refusal_is_text(address, pages):
    page = pages()
    page.open(address)
    page.wait("document.querySelector('#find') && document.querySelector('#sentence textarea')")
    page.click("#find")
    page.wait("document.querySelector('#line .refused')")
    assert page.run("document.querySelector('#line .refused').textContent") == "sentence: expected words, got ''"


def test_answers_of_others_cannot_be_listed(address):
    for path in ("look/", "look", "look/../look/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address + path)  # noqa: S310
        assert refused.value.code == 404
        refused.value.close()
