"""The report's page in a real browser: what it shows, its interactions, and that texts stay texts."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stvg.datasets.synthetic.make import write_video
from stvg.evaluation.ablation import PARTS_SPATIAL, PARTS_TEMPORAL, AblationRow, Difference
from stvg.evaluation.metrics import score
from stvg.fusion.ranking import RankedTube, Ranking
from stvg.types import Annotation, FrameSpan, MomentMap, Prediction, Query, Tube, VideoMeta
from stvg.viewer.entry import ReportEntry, SplitResults
from stvg.viewer.page.write import write_report

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
    frames = (
        np.full((FRAMES, HEIGHT, WIDTH, 3), 30, np.uint8) + 3 * np.arange(FRAMES, dtype=np.uint8)[:, None, None, None]
    )
    write_video(path, frames, FPS, WIDTH, HEIGHT)
    meta = VideoMeta(KEYS[index], path, FRAMES, FPS, WIDTH, HEIGHT)
    query = Query(KEYS[index], KEYS[index], TEXTS[index])
    start, stop, left = ANSWERS[index]
    tubes = [tube(0, 0, FRAMES, left), *(tube(k, 5 * k, FRAMES, 60.0 + k) for k in range(1, 1 + index % 3))]
    rng = np.random.default_rng(index)
    spans = cells(0, FRAMES, 12)
    readings = [
        RankedTube(one, inside, rng.random(len(inside), np.float32), 0.9 - 0.2 * one.tube_id)
        for one in tubes
        for inside in [cells(one.span.start, one.span.stop, 8)]
    ]
    moments = MomentMap(spans, rng.random(len(spans), np.float32))
    ranking = (
        None if index == 4 else Ranking(query, "two_stage", moments, tuple(readings), 0, FrameSpan(start, stop), 0.9)
    )
    truth, found = tube(0, 20, 40, 30), tube(0, start, stop, left)
    scores = score([Annotation(query, truth)], [Prediction(query.query_id, query.video_id, found, 0.5)])
    return ReportEntry(query, meta, found, truth, scores.per_query[0], ranking)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "videos").mkdir()
    entries = [entry(folder / "videos", index) for index in range(len(TEXTS))]
    scores = score(
        [Annotation(e.query, e.truth) for e in entries],
        [Prediction(e.query.query_id, e.query.video_id, e.found, 1.0) for e in entries],
    )
    rows = [AblationRow(t, s, "two_stage", scores, (0.1, 0.7)) for t in PARTS_TEMPORAL for s in PARTS_SPATIAL]
    results = SplitResults(scores, rows, [Difference("a", "b", 0.1, (0.0, 0.2))])
    return write_report(folder / "out", "A <title>", entries, results)


@pytest.fixture
def page(report: Path, pages: Any) -> Any:
    opened = pages()
    opened.open(report.as_uri())
    opened.wait("document.querySelectorAll('.list tbody tr').length === 5")
    yield opened
    assert opened.errors() == []
    allowed = (report.parent.as_uri() + "/", "data:")
    assert [address for address in opened.requests() if not address.startswith(allowed)] == [], "no network"


def open_query(page: Any, index: int) -> None:
    page.run(f"location.hash = '#q{index}'")
    page.wait(f"document.querySelector('.asked')?.textContent === {json.dumps(TEXTS[index])}")
    page.wait("document.querySelector('.stage video').readyState >= 2")


def pause(page: Any) -> None:
    page.run("document.querySelector('.stage video').pause()")


def drawn(page: Any) -> set[str]:
    """Which colours the canvas over the video has: found is green, truth orange, candidate 0 blue, 1 pink."""
    script = """(() => { const c = document.querySelector('canvas.boxes'); if (!c.width) return [];
        const copy = new OffscreenCanvas(c.width, c.height).getContext('2d', {willReadFrequently: true});
        copy.drawImage(c, 0, 0);
        const d = copy.getImageData(0, 0, c.width, c.height).data; const seen = new Set();
        const colours = {found: [60, 220, 90], truth: [255, 170, 40], tube0: [90, 169, 255], tube1: [255, 122, 198]};
        for (let k = 0; k < d.length; k += 4) for (const [name, rgb] of Object.entries(colours))
          if (d[k + 3] > 250 && rgb.every((part, i) => Math.abs(part - d[k + i]) < 6)) seen.add(name);
        return [...seen]; })()"""
    return set(page.run(script))


def test_the_video_plays_and_boxes_follow_it(page: Any) -> None:
    open_query(page, 0)
    page.wait("document.querySelector('.stage video').currentTime > 1.6")
    pause(page)
    assert page.run("document.querySelector('.stage video').videoWidth") == WIDTH
    assert page.run(FRAME) >= 10, "it opens a second before the moment"
    page.run("document.querySelector('.track.slider').focus()")
    for key, frame, expected in [
        ("Home", 20, {"found", "truth"}),
        ("ArrowLeft", 19, set()),
        ("End", 39, {"found", "truth"}),
        ("ArrowRight", 40, set()),
    ]:
        page.key(key)
        page.wait(f"{FRAME} === {frame}")
        assert drawn(page) == expected, key
        page.wait(f"Math.round(document.querySelector('.stage video').currentTime * {FPS} - 0.5) === {frame}")
    page.key("ArrowLeft", shift=True)
    page.wait(f"{FRAME} === 30")


def test_picture_and_boxes_are_of_one_frame(page: Any) -> None:
    """Frame k has grey 30 + 3 k; what is on the screen is compared, wherever one seeks to."""
    open_query(page, 0)
    pause(page)
    left, top = page.run(
        "(() => { const r = document.querySelector('.stage').getBoundingClientRect();"
        "return [r.left + 0.9 * r.width, r.top + 0.05 * r.height]; })()"
    )
    for frame in (18, 48, 3, 30, 31):
        page.click(".track.slider", x=(frame + 0.5) / FRAMES)
        page.wait(f"{FRAME} === {frame} && !document.querySelector('.stage video').seeking")
        picture = cv2.imdecode(np.frombuffer(page.screenshot("report-seek"), np.uint8), cv2.IMREAD_GRAYSCALE)
        assert abs(int(picture[int(top), int(left)]) - (30 + 3 * frame)) <= 1


def test_toggles_by_button_and_by_key(page: Any) -> None:
    open_query(page, 1)
    pause(page)
    page.key("Home")
    page.wait(f"{FRAME} === 0")
    for key, expected in [("p", set()), ("p", {"found"}), ("c", {"found", "tube0"}), ("c", {"found"})]:
        page.key(key)
        assert drawn(page) == expected, key
    page.click("[data-layer=found]")
    page.click("[data-layer=tubes]")
    assert drawn(page) == {"tube0"}
    pressed = page.run("[...document.querySelectorAll('.toggle')].map((b) => b.getAttribute('aria-pressed'))")
    assert pressed == ["false", "true", "true"]
    page.key("j")
    page.wait("document.querySelector('.position').textContent === '3 of 5'")
    page.wait(f"document.querySelector('canvas.boxes') && {FRAME} >= 0")
    assert page.run("document.querySelector('[data-layer=tubes]').getAttribute('aria-pressed')") == "true", "kept"
    page.click("[data-layer=found]")
    page.click("[data-layer=tubes]")


def test_a_press_on_the_time_line_and_on_a_map_seeks(page: Any) -> None:
    open_query(page, 2)
    pause(page)
    for selector, x in [(".track.span", 0.5), (".track.tube", 0.25), (".track.slider", 0.75)]:
        page.click(selector, x=x)
        page.wait(f"Math.abs({FRAME} - {x * FRAMES}) <= 1")
        page.wait("!document.querySelector('.stage video').seeking")
    assert page.run("document.querySelector('.slider').getAttribute('aria-valuenow')") == str(page.run(FRAME))
    # The cell over the whole video is the top of the triangle; its moment begins at frame 0.
    page.click("canvas.triangle", x=0.5, y=0.08)
    page.wait(f"{FRAME} === 0")


def test_a_candidate_shows_its_own_map(page: Any) -> None:
    open_query(page, 2)
    pause(page)
    names = page.run("[...document.querySelectorAll('.tube-name')].map((name) => name.textContent)")
    assert names == ["tube 0chosen", "tube 1", "tube 2"], "best first"
    titles = "[...document.querySelectorAll('.map-card figcaption')].map((title) => title.textContent)"
    assert page.run(titles) == ["Moment map: when", "Map of tube 0, the chosen one"]
    page.click("[data-tube='1']")
    assert page.run(titles) == ["Moment map: when", "Map of tube 1"]
    page.click(".track.span", x=0.5)
    page.wait(f"Math.abs({FRAME} - 30) <= 1")
    assert "tube1" in drawn(page), "its box is shown"


def test_without_the_stages_it_says_so(page: Any) -> None:
    open_query(page, 4)
    assert "without the trained stages" in page.run("document.querySelector('.maps').textContent")
    assert page.run("document.querySelector('[data-layer=tubes]').disabled") is True


def test_filters(page: Any) -> None:
    for outcome, expected in [("right", [0, 4]), ("wrong_time", [0, 1, 4])]:
        page.click(f"[data-outcome={outcome}]")
        assert page.run(ROWS) == expected, "outcomes add up"
    page.click("#reset")
    assert page.run(ROWS) == [0, 1, 2, 3, 4]
    for index, outcome in enumerate(OUTCOMES):
        page.click(f"[data-outcome={outcome}]")
        assert index in page.run(ROWS)
        page.click(f"[data-outcome={outcome}]")
    for control, value, expected in [
        ("people", "1", [0, 3]),
        ("people", "2", [1]),
        ("people", "", [0, 1, 2, 3, 4]),
        ("length", "short", [0, 3, 4]),
        ("length", "long", [2]),
    ]:
        page.run(
            f"(() => {{ const s = document.getElementById('{control}'); s.value = '{value}';"
            "s.dispatchEvent(new Event('change')); })()"
        )
        assert page.run(ROWS) == expected, (control, value)
    page.click("#reset")
    page.run("document.activeElement.blur()")
    page.key("/")
    page.type("WOMAN  left")
    assert page.run(ROWS) == [2]
    assert page.run("document.querySelector('.count').textContent") == "1 of 5"
    page.key("Escape")
    assert page.run(ROWS) == [0, 1, 2, 3, 4]


def test_sorting(page: Any) -> None:
    values = json.loads(page.run("document.getElementById('data').textContent"))
    by = {key: [item[key] for item in values] for key in ("viou", "people", "text")}
    page.click("th[data-sort=viou] button")
    assert page.run(ROWS) == sorted(range(5), key=lambda k: (-by["viou"][k], k)), "the best first"
    assert page.run("document.querySelector('th[data-sort=viou]').getAttribute('aria-sort')") == "descending"
    page.click("th[data-sort=viou] button")
    assert page.run(ROWS) == sorted(range(5), key=lambda k: (by["viou"][k], k))
    page.click("th[data-sort=people] button")
    assert page.run(ROWS) == [2, 1, 0, 3, 4], "what is not known comes last"
    page.click("#direction")
    assert page.run(ROWS) == [0, 3, 1, 2, 4]


def test_the_keyboard_alone(page: Any) -> None:
    page.key("j")
    page.key("j")
    page.key("k")
    page.key("j")
    page.key("Enter")
    page.wait("document.querySelector('#look').open && document.querySelector('canvas.boxes')")
    assert page.run("location.hash") == "#q1"
    page.key("k")
    page.wait("location.hash === '#q0' && document.querySelector('.position').textContent === '1 of 5'")
    page.wait("document.querySelector('.stage video')?.readyState >= 2")
    pause(page)
    page.run("document.querySelector('.stage video').loop = true")  # so that it cannot end between two looks at it
    page.key(" ")
    page.wait("!document.querySelector('.stage video').paused")
    page.key(" ")
    page.wait("document.querySelector('.stage video').paused")
    page.key("?", shift=True)
    page.wait("document.querySelector('#keys').open")
    page.key("Escape")
    page.wait("!document.querySelector('#keys').open && document.querySelector('#look').open")
    page.key("Escape")
    page.wait("!document.querySelector('#look').open && location.hash === ''")
    assert page.run("document.activeElement.getAttribute('href')") == "#q0", "back where one was"


def test_no_key_is_lost_on_a_slow_machine(page: Any) -> None:
    """Keys that come before data, events or pictures do: all in one task, so that nothing can happen in between."""
    seen = page.run("""(() => {
        const press = (...keys) => keys.forEach((key) => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })));
        const look = () => [document.querySelector("#look").open, location.hash,
            document.querySelector("#look .position").textContent, document.activeElement.getAttribute("href")];
        const seen = [];
        press("j", "j"); document.activeElement.click(); seen.push(look());
        press("j", "j", "k", "j"); seen.push(look());
        press("Escape"); seen.push(look());
        press("k"); document.activeElement.click(); press("Escape", "j"); seen.push(look());
        document.activeElement.click(); press("k", " ", "Home"); document.querySelector("#look [title^=Next]").click();
        seen.push(look());
        return seen; })()""")
    assert [list(state) for state in seen] == [
        [True, "#q1", "2 of 5", None],
        [True, "#q3", "4 of 5", None],
        [False, "", "4 of 5", "#q3"],
        [False, "", "3 of 5", "#q3"],
        [True, "#q3", "4 of 5", None],
    ]
    page.wait(f"document.querySelector('.asked')?.textContent === {json.dumps(TEXTS[3])}")
    page.wait("document.querySelector('.stage video').readyState >= 2")
    assert page.run("document.querySelectorAll('#look video').length") == 1
    page.run("history.back()")
    page.wait("!document.querySelector('#look').open && !document.querySelector('#look video')")


def test_only_a_press_beside_it_closes_the_dialog(page: Any) -> None:
    open_query(page, 0)
    page.click("#look", x=0.005)
    assert page.run("document.querySelector('#look').open") is True
    page.click("#look", x=-0.005)
    page.wait("!document.querySelector('#look').open")


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
