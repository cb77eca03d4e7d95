import json
from pathlib import Path

import pytest
import torch

from temporal.mmn.subject import split_subject
from temporal.mmn.text_cache import SubjectVectors

QUERIES = Path(__file__).resolve().parents[4] / "shared" / "data" / "hcstvg" / "query_v2.json"


@pytest.mark.parametrize(
    ("sentence", "subject"),
    [
        ("The man in the black jacket stretches out his hand to the man in gray.", "The man in the black jacket"),
        ("The man in the green shirt hands the basketball to the girl.", "The man in the green shirt"),
        ("The man lying on the grass sits up, takes his helmet and puts it on.", "The man lying on the grass"),
        ("The woman with glasses and white pants is hugged.", "The woman with glasses and white pants"),
        ("The man with a cup in his hands opens the door.", "The man with a cup in his hands"),
        ("The woman in the long dress turns.", "The woman in the long dress"),
        ("Nobody at all", "Nobody at all"),
        ("", ""),
    ],
)
def test_the_subject_ends_before_the_first_verb(sentence, subject):
    assert split_subject(sentence) == subject


def test_nearly_all_real_queries_have_a_subject_that_is_short():
    if not QUERIES.is_file():
        pytest.skip("needs the real queries of ../shared")
    sentences = list(json.loads(QUERIES.read_text()).values())
    lengths = [len(split_subject(one).split()) for one in sentences]
    whole = sum(split_subject(one) == one for one in sentences)
    assert whole / len(sentences) < 0.03
    assert sorted(lengths)[len(lengths) // 2] <= 6


class Lengths:
    """Sentence vectors that tell what was encoded: the number of words, and a one."""

    size = 2

    def encode(self, sentences):
        return torch.tensor([[float(len(one.split())), 1.0] for one in sentences])


def test_vectors_of_the_subject_stand_before_those_of_the_sentence():
    source = SubjectVectors(Lengths())
    assert source.size == 4
    assert source.encode(["The man in red sits down.", "The man walks."]).tolist() == [[4, 1, 6, 1], [2, 1, 3, 1]]
