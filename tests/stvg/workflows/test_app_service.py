"""The app's service: what it answers and what it refuses, without Gradio."""

import json
import re
import shutil

import numpy as np
import pytest
from pydantic import TypeAdapter

from stvg.datasets.synthetic.make import write_video
from stvg.errors import InputError
from stvg.fusion.ranking import RankedTube, Ranking
from stvg.fusion.score_fusion import MODES
from stvg.io.frame_sampling import VideoConfig
from stvg.recipe.schema import DetectorConfig
from stvg.types import FrameSpan, MomentMap, Query, Tube
from stvg.workflows.app_form import EXAMPLES, MODE_LABELS, STEPS, build_app, preview
from stvg.workflows.app_service import ANSWERS_KEPT, AppService, Limits, found_by, make_service, score_line


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("answers")


@pytest.fixture(scope="module")
def service(road, work):
    return make_service(road.config, road.options[2:], ["{kind: hog}"], work)


@pytest.fixture(scope="module")
def asked(road):
    key, text = next(iter(json.loads((road.world / "test_queries.json").read_text()).items()))
    return key, text


def answer(service, asked, *follow, **changes):
    values = {
        "chosen": asked[0],
        "uploaded": None,
        "text": asked[1],
        "mode": "two_stage",
        "detector": next(iter(service.grounders)),
    }
    return service.answer(*(values | changes).values(), *follow)


def test_an_answer_is_a_page_of_its_own(service, asked, work):
    name, line, score = answer(service, asked)
    assert re.fullmatch(r"[0-9a-f]{32}", name)
    assert json.dumps(asked[1])[1:-1] in (work / name / "index.html").read_text()
    assert re.fullmatch(r"\d+\.\d to \d+\.\d s, tube \d+ of \d+, answered in \d+\.\d s", line)
    assert re.match(
        r"Score [\d.e-]+; (the next candidate has [\d.e-]+|there is no other candidate at that time)\. ", score
    )
    again, _, _ = answer(service, asked, mode="joint")
    assert again != name
    assert '"mode":"joint"' in (work / again / "data" / "0.js").read_text()


def test_the_stages_are_told_as_they_begin(road, asked, tmp_path):
    service = make_service(road.config, road.options[2:], [], tmp_path)
    stages = []
    answer(service, asked, stages.append)
    assert stages == list(STEPS) == ["decode", "detect", "track", "link", "describe", "match"]
    answer(service, asked, stages.append, text="The woman turns.")
    assert stages[len(STEPS) :] == ["match"], "the people of this video are known"


def test_the_second_sentence_finds_the_video_kept(service, asked, monkeypatch):
    answer(service, asked)

    def refuse(*_):
        raise AssertionError("prepared again")

    monkeypatch.setattr("stvg.pipeline.Preparer.prepare", refuse)
    answer(service, asked, text="The woman turns.")
    answer(service, asked, text="The woman turns.", mode="tube_mmn")


def test_a_video_that_browsers_do_not_play_is_encoded_once(service, asked, road, tmp_path, monkeypatch):
    for folder, name in (("videos", asked[0]), ("detections", asked[0].replace(".mp4", ".txt"))):
        (tmp_path / folder).mkdir()
        shutil.copy(road.world / folder / name, tmp_path / folder)
    video = (tmp_path / "videos" / asked[0]).rename(tmp_path / "videos" / asked[0].replace(".mp4", ".mov"))
    first, *_ = answer(service, asked, uploaded=str(video))

    def refuse(*_):
        raise AssertionError("encoded again")

    monkeypatch.setattr("stvg.viewer.page.media._encode", refuse)
    second, *_ = answer(service, asked, uploaded=str(video), text="The woman turns.")
    films = [service.work / name / "videos" / f"{video.name}.mp4" for name in (first, second)]
    assert films[0].samefile(films[1])
    video.write_bytes(video.read_bytes())
    with pytest.raises(AssertionError, match="encoded again"):
        answer(service, asked, uploaded=str(video))


def test_an_upload_goes_before_a_choice(service, asked, road, tmp_path):
    for folder, name in (("videos", asked[0]), ("detections", asked[0].replace(".mp4", ".txt"))):
        (tmp_path / folder).mkdir()
        shutil.copy(road.world / folder / name, tmp_path / folder)
    name, *_ = answer(service, asked, chosen=None, uploaded=str(tmp_path / "videos" / asked[0]))
    assert (service.work / name / "videos" / asked[0]).samefile(tmp_path / "videos" / asked[0])


def test_old_answers_go(service, asked, work, monkeypatch):
    monkeypatch.setattr("stvg.workflows.app_service.ANSWERS_KEPT", 1)
    assert ANSWERS_KEPT > 1
    answer(service, asked)
    name, *_ = answer(service, asked)
    assert [path.name for path in work.iterdir()] == [name]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chosen": None}, "video: expected one chosen or uploaded, got none"),
        ({"chosen": "../test.json"}, "video: expected one of the list, got '../test.json'"),
        ({"chosen": "nothing.mp4"}, "video: expected one of the list"),
        ({"text": " "}, "sentence: expected words, got ' '"),
        ({"text": "x" * 301}, "sentence: expected at most 300 letters, got 301"),
        ({"mode": "best"}, "mode: expected one of two_stage, joint, tube_mmn, got 'best'"),
        (
            {"detector": "eyes"},
            "detector: expected one of people as stored beside the video, people found by HOG, upright ones only, got",
        ),
    ],
)
def test_refusals(service, asked, changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        answer(service, asked, **changes)


def test_every_way_has_a_label():
    assert list(MODE_LABELS) == list(MODES)
    assert len({*MODE_LABELS.values()}) == len(MODES)


@pytest.mark.parametrize(
    ("config", "label"),
    [
        ({"kind": "file"}, "people as stored beside the video"),
        ({"kind": "onnx", "path": "nanodet_416_coco.onnx"}, "people found by NanoDet"),
        ({"kind": "onnx", "path": "x.onnx", "decoder": "rtdetr"}, "people found by RT-DETR"),
        ({"kind": "transformers", "name": "PekingU/rtdetr_v2_r18vd"}, "people found by PekingU/rtdetr_v2_r18vd"),
        ({"kind": "mmdet", "config": "rtmdet_tiny", "weights": "x.pth"}, "people found by rtmdet_tiny"),
    ],
)
def test_a_detector_is_told_by_what_finds_the_people(config, label):
    assert found_by(TypeAdapter(DetectorConfig).validate_python(config)) == label


def test_two_detectors_of_one_name_are_told_apart(road, work):
    again = f"{{kind: file, folder: {road.world / 'detections'}}}"
    service = make_service(road.config, road.options[2:], [again], work)
    assert list(service.grounders) == ["people as stored beside the video", "people as stored beside the video (2)"]


def test_a_missing_model_is_said_before_anybody_asks(road, work, tmp_path):
    message = f"{tmp_path}/x.onnx: expected an ONNX model, found no such file; stvg models fetches NanoDet"
    with pytest.raises(InputError, match=re.escape(message)):
        make_service(road.config, road.options[2:], [f"{{kind: onnx, path: {tmp_path}/x.onnx}}"], work)


def ranking(*scores):
    """A ranking of as many candidates; the first was chosen."""
    tube = Tube(0, 0, np.ones((1, 4)), np.ones(1), np.ones(1, bool))
    spans, values = np.array([[0, 1]]), np.ones(1, np.float32)
    ranked = tuple(RankedTube(tube, spans, values, score) for score in scores)
    chosen = 0 if scores else None
    query = Query("a.mp4", "a.mp4", "The woman turns.")
    return Ranking(query, "joint", MomentMap(spans, values), ranked, chosen, FrameSpan(0, 1), -3.0)


@pytest.mark.parametrize(
    ("scores", "begin"),
    [
        ((0.4, 0.31, None, 0.1), "Score 0.4; the next candidate has 0.31. "),
        ((0.0004, 0.0003), "Score 0.0004; the next candidate has 0.0003. "),
        ((0.4, None), "Score 0.4; there is no other candidate at that time. "),
    ],
)
def test_what_a_score_means_is_said(scores, begin):
    line = score_line(ranking(*scores))
    assert line.startswith(begin)
    assert "It is not the chance that the answer is right" in line
    assert score_line(ranking()) == "Nobody was compared, so there is no score."


def test_a_score_is_at_most_1_whatever_the_mode(service, asked, road):
    """As what is said of it claims; the prediction's own score is a sum of logarithms in joint."""
    video = road.world / "videos" / asked[0]
    for mode in MODES:
        ranked = next(iter(service.grounders.values())).with_mode(mode)(video, asked[1]).ranking
        assert ranked.tubes[ranked.chosen].score == max(one.score for one in ranked.tubes if one.score is not None)
        assert all(one.score is None or one.score <= 1 for one in ranked.tubes)


def test_the_video_is_shown_before_one_asks(service, asked, tmp_path):
    shown = preview(service, asked[0], None)
    assert re.search(rf'<video controls [^>]*poster="data:image/jpeg;base64,[^"]+" src="/videos/{asked[0]}">', shown)
    assert re.search(rf"{re.escape(asked[0])}: \d+\.\d s, 640 x 360, [\d.]+ frames a second", shown)
    assert preview(service, None, None) == '<p class="quiet">Upload a video to see it here.</p>'
    (tmp_path / "<x>.mp4").write_text("nothing")
    refused = preview(service, asked[0], str(tmp_path / "<x>.mp4"))
    assert refused.startswith('<p class="refused" role="alert">&lt;x&gt;.mp4: expected a whole video file')
    assert str(tmp_path) not in refused
    assert "expected one of the list" in preview(service, "../test.json", None)


def test_a_video_too_large_to_ask_about_is_refused_when_it_is_chosen(service, asked, monkeypatch):
    monkeypatch.setattr(service, "limits", Limits(side=320))
    assert "expected sides of at most 320 pixels, got 640 x 360" in preview(service, asked[0], None)


def test_examples_are_sentences_that_the_app_takes(service):
    assert all(len(example) <= service.limits.letters and example.endswith(".") for example in EXAMPLES)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(megabytes=0), "expected at most 0 MB"),
        (Limits(frames=10), "expected at most 10 frames to look at, 2 s of this video with video.stride 2, got"),
        (Limits(side=320), "expected sides of at most 320 pixels, got 640 x 360"),
    ],
)
def test_limits(service, asked, limits, message, monkeypatch):
    monkeypatch.setattr(service, "limits", limits)
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        answer(service, asked)
    assert str(service.videos) not in str(refused.value), "no path of this machine"


def test_the_limit_of_frames_goes_by_the_rate(tmp_path):
    write_video(tmp_path / "a.mp4", np.zeros((40, 48, 64, 3), np.uint8), 20, 64, 48)
    service = AppService({"hog": None}, tmp_path, tmp_path, Limits(frames=5), VideoConfig(rate=4), "joint")
    with pytest.raises(InputError, match=r"at most 5 frames to look at, 1 s of this video with video.rate 4, got 8"):
        service.answer("a.mp4", None, "The woman turns.", "two_stage", "hog")


def test_what_is_no_video_is_refused(service, asked, tmp_path):
    (tmp_path / "x.mp4").write_text("<script>")
    with pytest.raises(InputError, match=r"^x\.mp4: expected a whole video file"):
        answer(service, asked, uploaded=str(tmp_path / "x.mp4"))


def test_a_refusal_names_no_folder_of_this_machine(service, asked, road, tmp_path):
    (tmp_path / "uploads").mkdir()
    shutil.copy(road.world / "videos" / asked[0], tmp_path / "uploads")
    with pytest.raises(InputError, match=r"^detections/\w+\.txt: expected the public detections") as refused:
        answer(service, asked, uploaded=str(tmp_path / "uploads" / asked[0]))
    assert str(tmp_path) not in str(refused.value)


def test_without_gradio_it_says_what_to_install(service, work, monkeypatch):
    import builtins

    real = builtins.__import__

    def importing(name, *rest):
        if name.split(".")[0] == "gradio":
            raise ImportError("No module named 'gradio'")
        return real(name, *rest)

    monkeypatch.setattr("builtins.__import__", importing)
    message = "expected the package gradio, found none; pip install -c constraints.txt -e '.[app]'"
    with pytest.raises(InputError, match=re.escape(message)):
        build_app(service, work)
