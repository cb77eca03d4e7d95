"""Small inputs that once broke the project end in one InputError or a sensible result, fast and in little memory.

The files are kept outside the repository; the prefix of a file's name says which reader it is for.
"""

from pathlib import Path

import onnxruntime  # noqa: F401 (loaded before the limits on memory)
import pytest
import torch

from fuzz.readers import READERS
from fuzz.sandbox import REFUSED, Limits, call

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "faults"
FAULTS = sorted(path for path in FOLDER.glob("*") if path.name != "README.md")
torch.optim.AdamW([torch.zeros(1)])  # loads half of torch, which the limits on time and memory are not for


@pytest.mark.skipif(not FAULTS, reason=f"no fault files in {FOLDER}")
@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.name)
def test_a_file_that_once_broke_a_reader(path):
    name = path.name.rpartition("-")[0]
    reader = READERS["store" if name.startswith("store") else name]
    (problem,) = call(reader.read, [path], Limits(seconds=1.0, mib=200))
    assert problem == "" or problem.startswith(REFUSED)
