"""Answers survive a kill at any byte, and count only for what they were asked."""

import json
from contextlib import suppress

import pytest

from stvg.io.answer_log import LoggedAnswer, answer_log


def item(frame):
    return {"st_frame": frame, "ed_frame": frame, "bbox": {str(frame): [0.0, 1.0, 5.0, 6.5]}}


ANSWERS = [LoggedAnswer(f"{k}_x.mp4", f"sentence {k}", "footage", item(k + 1), "" if k else "nobody") for k in range(3)]


class KilledError(Exception):
    """Stands for the end of a process."""


def fill(out, answers, setting="s"):
    with suppress(KilledError), answer_log(out, setting) as log:
        for answer in answers:
            log.add(answer)
        raise KilledError


def kept(out, setting="s"):
    found = []
    with suppress(KilledError), answer_log(out, setting) as log:
        found = [log.get(one.query_id, one.text, one.source_id) for one in ANSWERS]
        raise KilledError
    return found


def test_a_killed_run_keeps_its_answers_and_a_finished_one_no_file(tmp_path):
    out = tmp_path / "results.json"
    fill(out, ANSWERS[:2])
    assert kept(out) == [*ANSWERS[:2], None]
    with answer_log(out, "s") as log:
        log.add(ANSWERS[2])
        assert log.get("2_x.mp4", "sentence 2", "footage") == ANSWERS[2]
    assert list(tmp_path.iterdir()) == []


def test_cut_at_any_byte_whole_lines_count(tmp_path):
    out, log = tmp_path / "results.json", tmp_path / ".results.json.answers"
    fill(out, ANSWERS)
    whole = log.read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == ord("\n")]
    for cut in sorted({*range(0, len(whole), 29), *ends, *(end - 1 for end in ends), *(end + 1 for end in ends[:-1])}):
        log.write_bytes(whole[:cut])
        complete = max(0, sum(end <= cut for end in ends) - 1)
        assert kept(out) == ANSWERS[:complete] + [None] * (3 - complete), cut
        fill(out, ANSWERS[complete:])
        assert log.read_bytes() == whole, "what is added joins a whole line"


@pytest.mark.parametrize(
    ("query", "text", "footage"), [("0_x.mp4", "other", "footage"), ("0_x.mp4", "sentence 0", "o")]
)
def test_another_sentence_or_footage_is_asked_again(tmp_path, query, text, footage):
    fill(tmp_path / "results.json", ANSWERS)
    with answer_log(tmp_path / "results.json", "s") as log:
        assert log.get(query, text, footage) is None


def test_another_setting_starts_anew(tmp_path):
    out = tmp_path / "results.json"
    fill(out, ANSWERS)
    assert kept(out, "other") == [None] * 3
    assert json.loads((tmp_path / ".results.json.answers").read_text()) == {"setting": "other"}
