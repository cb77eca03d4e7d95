import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from film.acts import ACTS, POSTURES
from film.gap import probe
from film.report import interval
from film.world import make_clip
from spatial.features.descriptors.pose_columns import POSE_DIM
from stvg.geometry.tubes import box_overlap

QUERIES = Path(__file__).resolve().parents[4] / "shared" / "data" / "hcstvg" / "query_v2.json"


@pytest.fixture(scope="module")
def clips():
    return [clip for seed in range(40) if (clip := make_clip(seed, str(seed)))]


def test_the_same_seed_makes_the_same_clip():
    one, two = make_clip(3, "a"), make_clip(3, "a")
    assert [item.query.text for item in one.annotations] == [item.query.text for item in two.annotations]
    for mine, theirs in zip(one.prepared().tube_features, two.prepared().tube_features, strict=True):
        assert np.array_equal(mine, theirs)


def test_clips_are_what_the_pipeline_prepares(clips):
    assert len(clips) > 25
    for clip in clips:
        video = clip.prepared()
        assert all(rows.shape[1] == POSE_DIM and np.isfinite(rows).all() for rows in video.tube_features)
        for tube, rows in zip(video.tubes, video.tube_features, strict=True):
            assert tube.span.stop <= video.meta.num_frames
            assert len(rows) == -(-tube.span.length // 2)


def test_the_described_person_is_among_the_tubes_and_the_moment_inside_the_clip(clips):
    found = []
    for clip in clips:
        for item in clip.annotations:
            assert item.tube.span.stop <= clip.meta.num_frames
            found.append(max(box_overlap(tube, item.tube) for tube in clip.tubes))
    assert np.mean(found) > 0.8


def test_captions_have_no_holes_and_acts_lead_somewhere(clips):
    texts = [item.query.text for clip in clips for item in clip.annotations]
    assert not [text for text in texts if "{" in text or "  " in text]
    assert all(act.after is None or act.after in POSTURES for act in ACTS.values())
    assert all(act.reply is None or act.reply in ACTS for act in ACTS.values())


def test_half_of_the_real_queries_are_made_of_the_worlds_words():
    if not QUERIES.is_file():
        pytest.skip("needs the real queries of ../shared")
    made = (make_clip(seed, "a") for seed in range(500, 900))
    known = {word for clip in made if clip for item in clip.annotations for word in _words(item.query.text)}
    queries = [_words(text) for text in json.loads(QUERIES.read_text()).values()]
    counts = Counter(word for words in queries for word in words)
    assert sum(set(words) <= known for words in queries) / len(queries) >= 0.5
    assert sum(count for word, count in counts.items() if word in known) / counts.total() > 0.95


def _words(text):
    return re.findall(r"[a-z]+", text.lower())


def test_intervals_resample_clips_and_not_sentences():
    values, clips = np.array([0.0] * 5 + [1.0] * 5), ["a"] * 5 + ["b"] * 5
    assert interval(values, clips, 0) == (0.0, 1.0)
    low, high = interval(values, [str(index) for index in range(10)], 0)
    assert 0.1 < low < 0.5 < high < 0.9


def test_the_probe_tells_apart_what_differs_and_nothing_else():
    rng = np.random.default_rng(0)
    one, same, shifted = ([rng.normal(shift, 1, (30, 5)) for _ in range(20)] for shift in (0, 0, 2))
    assert probe(one, same, 0) == pytest.approx(0.5, abs=0.1)
    assert probe(one, shifted, 0) > 0.95
