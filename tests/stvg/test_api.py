"""The Python API: `from stvg import load`."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from stvg.errors import InputError
from stvg.io.submission import read_submission
from stvg.io.video import read_meta

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs" / "viewing.md"


@pytest.fixture(scope="module")
def grounder(road):
    from stvg import load

    return load(road.config, road.options[2:])


def asked(road, number=0):
    key, text = list(json.loads((road.world / "test_queries.json").read_text()).items())[number]
    return road.world / "videos" / key, text


def test_importing_stvg_is_light():
    script = "import sys, stvg; print(sorted({'numpy', 'torch', 'av', 'temporal', 'spatial'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)  # noqa: S603
    assert done.stdout == "[]\n"
    import stvg

    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        stvg.lode  # noqa: B018


def test_it_answers_as_the_command_line_does(road, grounder):
    expected = {item.query_id: item for item in read_submission(road.submission)}
    for number in range(2):
        video, text = asked(road, number)
        prediction = grounder(str(video), text)
        tube = expected[video.name].tube
        assert prediction.tube.span == tube.span
        np.testing.assert_allclose(prediction.tube.boxes_xyxy, tube.boxes_xyxy, atol=0.51)
        fps = prediction.video.fps
        assert prediction.seconds == (tube.span.start / fps, tube.span.stop / fps)
        assert len(prediction.ranking.tubes) == len(prediction.candidates) >= 1


def test_a_video_is_prepared_once(road, grounder, monkeypatch, tmp_path):
    video, text = asked(road)
    first = grounder(video, text)

    def refuse(*_):
        raise AssertionError("prepared again")

    monkeypatch.setattr("stvg.pipeline.Preparer.prepare", refuse)
    assert grounder(video, text).tube.span == first.tube.span
    assert grounder(video, "The woman turns.").candidates[0] is first.candidates[0]
    assert grounder.with_mode("joint")(video, text).ranking.mode == "joint"
    shutil.copytree(video.parent.parent / "detections", tmp_path / "detections")
    (tmp_path / "videos").mkdir()
    with pytest.raises(AssertionError, match="prepared again"):
        grounder(shutil.copy(video, tmp_path / "videos"), text)


def test_the_oldest_video_goes_first(road, grounder):
    from stvg.api import VideoPreparer
    from stvg.config import load_config
    from stvg.recipe.schema import Recipe

    videos = VideoPreparer(load_config(Recipe, road.config, road.options[2:]), budget_bytes=0)
    first, second = asked(road, 0)[0], asked(road, 1)[0]
    prepared = videos.prepare(first)
    assert videos.prepare(first) is prepared, "the last one stays, whatever the budget"
    videos.prepare(second)
    assert videos.prepare(first) is not prepared


def test_grounding_one_video_opens_its_file_twice(road, tmp_path, monkeypatch):
    """Once for the answer and once for the overlay."""
    from stvg.api import ground_video
    from stvg.config import load_config
    from stvg.recipe.schema import Recipe

    video, text = asked(road)
    true, opened = av.open, []

    def counted(file, mode="r", *arguments, **options):
        opened.append((file, mode))
        return true(file, mode, *arguments, **options)

    monkeypatch.setattr(av, "open", counted)
    found = ground_video(load_config(Recipe, road.config, road.options[2:]), video, text, tmp_path)
    assert found is not None
    assert [file for file, mode in opened if mode == "r"] == [str(video)] * 2
    assert {path.name for path in tmp_path.iterdir()} == {"results.json", f"{video.stem}_overlay.mp4"}


def test_saving_and_showing(road, grounder, tmp_path, monkeypatch):
    prediction = grounder(*asked(road))
    out = prediction.save(tmp_path / "out.mp4")
    assert read_meta(out, "out").num_frames == prediction.video.num_frames
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    page = prediction.show()
    assert opened == [page.as_uri()]
    assert page.is_relative_to(tmp_path)
    assert prediction.show(browser=False) != page
    assert len(opened) == 1
    assert json.dumps(prediction.text)[1:-1] in page.read_text()


@pytest.mark.parametrize("name", ["out.webm", "out.mkv", "out", "out.mp4.gif"])
def test_only_an_mp4_is_written(road, grounder, tmp_path, name):
    prediction = grounder(*asked(road))
    expected = f"{tmp_path / name}: expected the suffix .mp4, as H.264 in mp4 is written, got"
    with pytest.raises(InputError, match=f"^{re.escape(expected)}"):
        prediction.save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    assert prediction.save(tmp_path / "out.MP4").stat().st_size > 0


def test_the_video_is_not_written_over(road, grounder, tmp_path):
    from stvg.api import ground_video
    from stvg.config import load_config
    from stvg.recipe.schema import Recipe

    source, text = asked(road)
    (tmp_path / "videos").mkdir()
    shutil.copytree(source.parent.parent / "detections", tmp_path / "detections")
    video = Path(shutil.copy(source, tmp_path / "videos"))
    (tmp_path / "link.mp4").symlink_to(video)
    (tmp_path / f"{video.stem}_overlay.mp4").symlink_to(video)
    prediction = grounder(video, text)
    for out in (video, tmp_path / "link.mp4", tmp_path / "videos" / ".." / "videos" / video.name):
        with pytest.raises(InputError, match="expected another file to write than the one to read"):
            prediction.save(out)
    with pytest.raises(InputError, match="expected another file to write than the one to read"):
        ground_video(load_config(Recipe, road.config, road.options[2:]), video, text, tmp_path)
    assert video.read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "sentence: expected text, got None"),
        (7, "sentence: expected text, got 7"),
        (["A man."], "sentence: expected text, got ['A man.']"),
        ("", "sentence: expected words, got ''"),
        ("\ud800", r"sentence: expected a line of text, got '\ud800'"),
        ("A man\nsits.", r"sentence: expected a line of text, got 'A man\nsits.'"),
        ("A man\x00", r"sentence: expected a line of text, got 'A man\x00'"),
        ("A man\u2028", r"sentence: expected a line of text, got 'A man\u2028'"),
        ("x" * 1_000_000, "sentence: expected at most 2000 letters, got 1000000"),
    ],
)
def test_odd_sentences_are_refused_in_one_line(road, grounder, text, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        grounder(asked(road)[0], text)


def test_an_odd_sentence_on_the_command_line(road, command, tmp_path):
    for text in ("\udcff", "A man\nsits.", "x" * 100_000):
        video = ("--video", asked(road)[0], "--query", text, "--out", tmp_path / "out")
        done = command("ground", *road.options[:2], *video, *road.options[2:])
        assert (done.code, done.stdout) == (2, "")
        assert done.stderr.startswith("error: sentence: expected ")
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_other_alphabets_are_sentences():
    from stvg.api import check_sentence

    for text in ("The man\u00a0sits.", "男人坐下了。", "مرد می\u200cنشیند", "\U0001f468\u200d\U0001f9b0 sits"):
        check_sentence(text)


def test_detections_for_supervision(road, grounder):
    prediction = grounder(*asked(road))
    span = prediction.tube.span
    found = prediction.detections(span.start)
    np.testing.assert_array_equal(found.xyxy, prediction.tube.boxes_xyxy[:1])
    assert len(prediction.detections(span.stop)) == 0
    assert len(prediction.detections(span.start, candidates=True)) >= 1


@pytest.mark.parametrize(
    ("video", "text", "message"),
    [
        ("missing.mp4", "A man.", "missing.mp4: expected a video file, found no such file"),
        ("text.mp4", "A man.", "text.mp4: expected a whole video file"),
        (None, "  ", "sentence: expected words, got '  '"),
    ],
)
def test_refusals(road, grounder, tmp_path, video, text, message):
    (tmp_path / "text.mp4").write_text("text")
    path = tmp_path / video if video else asked(road)[0]
    with pytest.raises(InputError, match=re.escape(message)):
        grounder(path, text)
    with pytest.raises(InputError, match="mode: expected one of two_stage, joint, tube_mmn, got 'x'"):
        grounder.with_mode("x")


def test_nobody_is_said(road, grounder, tmp_path):
    video, text = asked(road)
    (tmp_path / "videos").mkdir()
    (tmp_path / "detections").mkdir()
    (tmp_path / "detections" / f"{video.stem}.txt").write_text("")
    with pytest.raises(InputError, match="the detector found none"):
        grounder(shutil.copy(video, tmp_path / "videos"), text)


def test_the_documented_example_runs(road, tmp_path, monkeypatch):
    """Every Python block of docs/viewing.md, one after the other, with the tiny demo's config, video and sentence."""
    video, text = asked(road)
    replaced = {
        'load("configs/demo.yaml")': f"load({str(road.config)!r}, {road.options[2:]!r})",
        '"runs/demo/world/videos/1_w0281.mp4"': repr(str(video)),
        '"The man in black sits down."': repr(text),
    }
    code = "\n".join(re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL))
    for old, new in replaced.items():
        assert old in code
        code = code.replace(old, new)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("webbrowser.open", lambda address: True)
    exec(compile(code, str(DOC), "exec"), {})  # noqa: S102
    assert {path.name for path in tmp_path.iterdir()} >= {"out.mp4", "mine.mp4"}
