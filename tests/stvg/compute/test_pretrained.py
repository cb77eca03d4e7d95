import socket

import pytest
import torch

from stvg.compute import pretrained
from stvg.compute.pretrained import hub_options, refuse_odd_weights
from stvg.errors import InputError


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("HF_HUB_OFFLINE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    pretrained.hub_answers.cache_clear()
    yield
    pretrained.hub_answers.cache_clear()


def test_a_hub_that_refuses_is_not_asked_again_and_again(monkeypatch, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
        assert hub_options("any/model") == {"local_files_only": True}


def test_a_hub_that_answers_is_asked(monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert hub_options("any/model") == {"local_files_only": False}
        assert hub_options(tmp_path) == {"local_files_only": True}


def test_behind_a_proxy_the_client_decides(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    assert hub_options("any/model") == {"local_files_only": False}


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_named(number):
    weights = {"a": torch.ones(2), "b": torch.tensor([1.0, number]), "count": torch.tensor(3)}
    with pytest.raises(InputError, match=r"^model x: expected finite weights, found NaN or infinity in b$"):
        refuse_odd_weights(weights, "model x")
    refuse_odd_weights({"a": weights["a"], "count": weights["count"]}, "model x")
