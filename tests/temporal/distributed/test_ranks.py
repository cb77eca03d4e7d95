import pytest
import torch

from stvg.errors import InputError
from temporal.distributed.ranks import Ranks, find_ranks


@pytest.mark.parametrize(("size", "count"), [(1, 4), (2, 5), (3, 2), (3, 0), (4, 10)])
def test_shares_deal_all_items_in_order(size, count):
    items = list(range(count))
    dealt = [items[Ranks(rank, size).share(count)] for rank in range(size)]
    assert [item for share in dealt for item in share] == items
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


LAUNCHED = {"RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}
WITHOUT_PORT = {name: value for name, value in LAUNCHED.items() if name != "MASTER_PORT"}


def test_ranks_are_those_that_torchrun_names(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_ranks("cpu", {}) == Ranks(0, 1, "cpu")
    assert find_ranks("cuda", {"MASTER_ADDR": "localhost"}) == Ranks(0, 1, "cuda")
    assert find_ranks("cpu", LAUNCHED) == Ranks(5, 8, "cpu")
    assert find_ranks("cuda", LAUNCHED) == Ranks(5, 8, "cuda:1")


@pytest.mark.parametrize(
    ("device", "environment", "message"),
    [
        pytest.param("cpu", {"WORLD_SIZE": "2"}, "found no RANK, LOCAL_RANK, MASTER_ADDR", id="no rank"),
        pytest.param("cpu", WITHOUT_PORT, "found no MASTER_PORT", id="no port"),
        pytest.param("cpu", LAUNCHED | {"RANK": "-1"}, "RANK: expected a number from 0 on, got '-1'", id="negative"),
        pytest.param("cpu", LAUNCHED | {"WORLD_SIZE": "two"}, "WORLD_SIZE: expected a number .*, got 'two'", id="word"),
        pytest.param("cpu", LAUNCHED | {"RANK": "8"}, "expected RANK below WORLD_SIZE, got 8 and 8", id="beyond"),
        pytest.param("cuda", LAUNCHED, "device cuda: .* found 1 for local rank 1", id="one GPU for two"),
    ],
)
def test_refuses_an_impossible_environment(monkeypatch, device, environment, message):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=message):
        find_ranks(device, environment)


def test_refuses_cuda_without_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match="device cuda: expected a GPU for each process of this machine, found 0"):
        find_ranks("cuda", {})
