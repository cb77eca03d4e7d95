"""Memory that a process has freed serves its next tensors."""

import subprocess
import sys

import pytest

from stvg.compute.allocator import keep_freed_memory

CHECK = """
import resource
import torch
from stvg.compute.allocator import give_back_memory, keep_freed_memory

PAGES = 2**24 * 4 // resource.getpagesize()  # of the tensor that is made again and again


def pages_handed_out(times):  # while this process makes and frees a tensor of 64 MiB so often
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


assert keep_freed_memory()
pages_handed_out(50)  # small blocks are cut out of the first large ones; then a large one is left whole
assert pages_handed_out(8) < 2 * PAGES
give_back_memory()
assert pages_handed_out(1) > PAGES / 2
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts pages as Linux hands them out")
def test_freed_memory_is_used_again_until_it_is_given_back():
    """In a process of its own: threads and long-lived objects of other tests would hold the freed memory's end."""
    if not keep_freed_memory():
        pytest.skip("the C library has no mallopt")
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
