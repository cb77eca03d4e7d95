"""Memory that a process has freed serves its next tensors."""

import resource
import sys

import pytest
import torch

from stvg.compute.allocator import give_back_memory, keep_freed_memory

PAGES = 2**24 * 4 // resource.getpagesize()
"""Pages of the tensor that is made again and again."""


def pages_handed_out(times):
    """Return how many pages this process gets while it makes and frees a tensor of 64 MiB so often."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="counts pages as Linux hands them out")
def test_freed_memory_is_used_again_until_it_is_given_back():
    if not keep_freed_memory():
        pytest.skip("the C library has no mallopt")
    pages_handed_out(50)  # small blocks are cut out of the first large ones; then a large one is left whole
    assert pages_handed_out(8) < 2 * PAGES
    give_back_memory()
    assert pages_handed_out(1) > PAGES / 2
