"""The report's page in a real browser: what it shows, its interactions, and that texts stay texts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stvg.explain import Explanation, TubeReading
from stvg.metrics import score
from stvg.report import ReportEntry
from stvg.types import Annotation, MomentMap, Prediction, Query, Tube, VideoMeta
from stvg.world.make import write_video

FPS, FRAMES, WIDTH, HEIGHT = 10.0, 60, 128, 72
TEXTS = [
    "The man sits down.",
    '</script><script>window.hacked = 1</script> "quoted" & <img src=x onerror="window.hacked = 2"> man',
    "A woman in the red coat stands up and then walks slowly over to the left of the other people.",
    "المرأة تجلس 站起来 🙂 woman",
    "The man turns.",
]
KEYS = ["a.mp4", "odd '\"<b>#%? & name.mp4", "c.mp4", "d.mp4", "e.mp4"]
# start and stop of the answer and left edge of its box; the truth is frames 20 to 40 with the box at 30
ANSWERS = [(20, 40, 30), (0, 10, 30), (22, 40, 90), (20, 40, 42), (20, 38, 31)]
OUTCOMES = ["right", "wrong_time", "wrong_person", "poor_box", "right"]
ROWS = "[...document.querySelectorAll('.list tbody tr')].map((row) => Number(row.dataset.index))"
FRAME = "Number(document.querySelector('canvas.boxes').dataset.frame)"


def tube(number: int, start: int, stop: int, left: float) -> Tube:
    boxes = np.tile([left, 10.0, left + 24, 60.0], (stop - start, 1))
    return Tube(number, start, boxes, np.ones(stop - start), np.ones(stop - start, bool))


def cells(start: int, stop: int, count: int) -> np.ndarray:
    edges = np.linspace(start, stop, count + 1).round().astype(int)
    return np.array([[edges[i], edges[j + 1]] for i in range(count) for j in range(i, count)])


def entry(folder: Path, index: int) -> ReportEntry:
    """A video whose frames grow brighter, with as many candidates as the index says."""
    path = folder / KEYS[index]
    frames = np.full((FRAMES, HEIGHT, WIDTH, 3), 30, np.uint8) + np.arange(FRAMES, dtype=np.uint8)[:, None, None, None]
    write_video(path, frames, FPS, WIDTH, HEIGHT)
    meta = VideoMeta(KEYS[index], path, FRAMES, FPS, WIDTH, HEIGHT)
    query = Query(KEYS[index], KEYS[index], TEXTS[index])
    start, stop, left = ANSWERS[index]
    tubes = [tube(0, 0, FRAMES, left), *(tube(k, 5 * k, FRAMES, 60.0 + k) for k in range(1, 1 + index % 3))]
    rng = np.random.default_rng(index)
    spans = cells(0, FRAMES, 12)
    readings = [TubeReading(one, inside, rng.random(len(inside), np.float32), 0.9 - 0.2 * one.tube_id)
                for one in tubes for inside in [cells(one.span.start, one.span.stop, 8)]]  # fmt: skip
    moments = MomentMap(spans, rng.random(len(spans), np.float32))
    explanation = None if index == 4 else Explanation("two_stage", moments, tuple(readings))
    truth, found = tube(0, 20, 40, 30), tube(0, start, stop, left)
    scores = score([Annotation(query, truth)], [Prediction(query.query_id, query.video_id, found, 0.5)])
    return ReportEntry(query, meta, found, truth, scores.per_query[0], explanation)


def test_texts_stay_texts(page: Any) -> None:
    assert page.run("document.title") == "A <title>"
    assert page.run("document.querySelectorAll('.sentence')[1].textContent") == TEXTS[1]
    open_query(page, 1)
    assert page.run("document.querySelector('.asked').childElementCount") == 0
    assert KEYS[1] in page.run("document.querySelector('#look .facts').textContent")
    assert page.run("document.querySelector('.stage video').videoWidth") == WIDTH, "its odd name is found"
    assert page.run("typeof window.hacked") == "undefined"


def test_a_lost_file_is_named(report: Path, pages: Any) -> None:
    data = report.parent / "data" / "3.js"
    kept = data.read_bytes()
    data.unlink()
    try:
        opened = pages()
        opened.open(report.as_uri() + "#q3")
        opened.wait("document.querySelector('.pane .problem')")
        assert "data/3.js cannot be loaded" in opened.run("document.querySelector('.pane .problem').textContent")
    finally:
        data.write_bytes(kept)


@pytest.mark.parametrize(
    ("name", "width", "height", "options"),
    [
        ("desktop", 1280, 900, {}),
        ("dark", 1280, 900, {"dark": True}),
        ("phone", 390, 844, {"phone": True}),
        ("phone-dark", 390, 844, {"phone": True, "dark": True}),
    ],
)
def test_screenshots(report: Path, pages: Any, name: str, width: int, height: int, options: dict[str, bool]) -> None:
    opened = pages(width, height, **options)
    opened.open(report.as_uri())
    opened.wait("[...document.images].every((image) => image.complete)")
    assert opened.run("document.documentElement.scrollWidth") <= width, "nothing sticks out"
    ground = opened.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(", "))) < 200) == options.get("dark", False)
    assert len(opened.screenshot(f"report-{name}-list")) > 10_000
    open_query(opened, 2)
    pause(opened)
    opened.key("c")
    assert opened.run("document.querySelector('#look').scrollWidth <= document.querySelector('#look').clientWidth")
    assert len(opened.screenshot(f"report-{name}-query")) > 10_000
    assert opened.errors() == []


def test_three_thousand_queries(report: Path, pages: Any, tmp_path: Path) -> None:
    """Rows are made as they are scrolled to, and no video or data is asked for before a query is opened."""
    text = report.read_text()
    before, rest = text.split('id="data">', 1)
    data, after = rest.split("</script>", 1)
    many = [{**item, "text": f"{item['text']} {k}"} for k, item in enumerate(json.loads(data) * 600)]
    (tmp_path / "index.html").write_text(
        before + 'id="data">' + json.dumps(many).replace("<", "\\u003c") + "</script>" + after
    )
    opened = pages()
    opened.open((tmp_path / "index.html").as_uri())
    opened.wait("document.querySelector('.count').textContent === '3000 in all'")
    assert 60 <= opened.run("document.querySelectorAll('.list tbody tr').length") < 400
    assert not [address for address in opened.requests() if "/videos/" in address or "/data/" in address]
    opened.run("window.scrollTo(0, document.body.scrollHeight)")
    opened.wait("document.querySelectorAll('.list tbody tr').length > 60")
    opened.key("/")
    opened.type("2999")
    assert opened.run(ROWS) == [2999]
