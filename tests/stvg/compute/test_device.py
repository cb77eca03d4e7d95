import pytest
import torch

from stvg.compute.device import usable
from stvg.errors import InputError


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_one_line(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert usable(device) == device
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    if device == "cpu":
        assert usable(device) == device
        return
    with pytest.raises(InputError, match=f"^device {device}: expected a GPU that torch can use"):
        usable(device)
