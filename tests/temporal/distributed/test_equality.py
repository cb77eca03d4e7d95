"""Several gloo processes against one: each test compares what `work` finds on K ranks with what it finds alone.

The processes run this very file (see the end); they meet through a file, so no port is opened.
"""

import json
import multiprocessing
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from spatial.matching.tube_items import TubeItem, TubeLoss
from temporal.distributed.batch_norm import synchronise_batch_norm
from temporal.distributed.collectives import gather_rows, sum_gradients
from temporal.distributed.ranks import Ranks, connected
from temporal.mmn.losses import LossConfig
from temporal.mmn.network import MMNConfig, make_mmn
from temporal.training.embedder import BatchEmbedder
from temporal.training.moment_items import MomentItem, MomentLoss

ALONE = Ranks()
SIZES = [2, 3]
DEADLINE_S = 300
"""Ranks that wait for each other longer than this are ended, and the tests fail."""


def layouts(ranks, count):
    """Return ways to deal `count` rows: near even, all to the first rank, all to the last, ever more."""
    if ranks.size == 1:
        return {name: [count] for name in ("even", "first", "last", "rising")}
    empty, rising = [0] * (ranks.size - 1), [1] * (ranks.size - 1)
    even = [part.stop - part.start for part in ranks.shares(count)]
    return {"even": even, "first": [count, *empty], "last": [*empty, count], "rising": [*rising, count - len(rising)]}


def own_part(ranks, counts):
    start = sum(counts[: ranks.rank])
    return slice(start, start + counts[ranks.rank])


def contrast(rows):
    """Return a loss in which every row meets every other."""
    flat = rows.flatten(1)
    products = flat @ flat.T
    return (products.logsumexp(dim=1) - products.diagonal()).mean() + products.sin().sum()


def gather(ranks):
    """What a loss over gathered rows gives: parameters before the gather, rows of any share."""
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(7, 2, 3, dtype=torch.float64, generator=generator)
    for name, counts in layouts(ranks, len(rows)).items():
        weight = nn.Parameter(torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(3, 4))
        local = rows[own_part(ranks, counts)].clone().requires_grad_()
        gathered = gather_rows((local @ weight).tanh(), counts, ranks)
        loss = contrast(gathered)
        loss.backward()
        sum_gradients([weight], ranks)
        yield from {f"{name} rows": gathered, f"{name} loss": loss, f"{name} weight": weight.grad}.items()
        yield f"{name} own", local.grad
    nothing = gather_rows(rows[:0], [0] * ranks.size, ranks)
    yield "no rows at all", nothing


def make_norm(ranks, dtype=torch.float64, **options):
    torch.manual_seed(2)
    holder = nn.Sequential(nn.BatchNorm2d(4, **options)).to(dtype)
    for parameter in holder.parameters():
        nn.init.uniform_(parameter, 0.5, 2)
    synchronise_batch_norm(holder, ranks)
    return holder[0]


def normalise(ranks):
    """What two steps of BatchNorm give, forward, backward and in the running statistics."""
    cases = {name: (torch.float64, 0.0, name, {}) for name in layouts(ranks, 6)}
    cases["momentum"] = (torch.float64, 3.0, "rising", {"momentum": 0.4})
    cases["cumulative"] = (torch.float64, 3.0, "even", {"momentum": None})
    cases["no weights"] = (torch.float64, 3.0, "even", {"affine": False})
    cases["no running statistics"] = (torch.float64, 3.0, "even", {"track_running_stats": False})
    cases["float32"] = (torch.float32, 100.0, "rising", {})
    cases["bfloat16"] = (torch.bfloat16, 1.0, "rising", {})
    for name, (dtype, mean, layout, options) in cases.items():
        generator = torch.Generator().manual_seed(3)
        norm = make_norm(ranks, torch.float64 if dtype == torch.float64 else torch.float32, **options)
        counts = layouts(ranks, 6)[layout]
        for step in range(2):
            # Videos differ in mean and spread, so that statistics of a share are not those of the batch.
            place = torch.arange(6)[:, None, None, None]
            maps = torch.randn(6, 4, 5, 3, dtype=torch.float64, generator=generator) * (place + 1) + place + mean
            local = maps[own_part(ranks, counts)].to(dtype).requires_grad_()
            normed = gather_rows(norm(local), counts, ranks)
            norm.zero_grad()
            contrast(normed[:, :, ::2].to(torch.promote_types(dtype, torch.float32)) / 10).backward()
            sum_gradients(norm.parameters(), ranks)
            yield f"{name} {step} normed", normed
            yield f"{name} {step} own", local.grad
            for key, parameter in norm.named_parameters():
                yield f"{name} {step} {key}", parameter.grad
        for key, buffer in norm.named_buffers():
            yield f"{name} {key}", buffer


class Vectors:
    """A vector (6,) for each sentence, which is a number."""

    def encode(self, texts):
        generators = (torch.Generator().manual_seed(int(text)) for text in texts)
        return torch.stack([torch.randn(6, dtype=torch.float64, generator=generator) for generator in generators])


def moment_items(counts, cells, generator):
    """Return videos with so many sentences each, seen in one stream or two."""
    items = []
    for number, sentences in enumerate(counts):
        streams = 1 + number % 2
        clips = torch.randn(streams, 8, 5, dtype=torch.float64, generator=generator)
        items.append(
            MomentItem(
                texts=tuple(str(10 * number + k) for k in range(sentences)),
                num_maps=streams,
                read_clips=partial(torch.clone, clips),
                described=torch.arange(sentences) % streams,
                ious=torch.rand(sentences, cells, dtype=torch.float64, generator=generator),
                moments=torch.rand(sentences, 2, dtype=torch.float64, generator=generator).cumsum(dim=1),
            )
        )
    return items


def tube_items(counts, cells, generator):
    """Return videos with so many sentences each and one to three tubes."""
    items = []
    for number, sentences in enumerate(counts):
        tubes = 1 + number % 3
        clips = torch.randn(tubes, 8, 5, dtype=torch.float64, generator=generator)
        ious = torch.rand(sentences, tubes, cells, dtype=torch.float64, generator=generator)
        texts = tuple(str(10 * number + k) for k in range(sentences))
        items.append(TubeItem(texts, tubes, partial(torch.clone, clips), ious))
    return items


def train_network(ranks, make_loss, make_items):
    """What two steps of a small MMN give: five videos with one to three sentences each, dealt to the ranks."""
    torch.manual_seed(4)
    model = make_mmn(
        MMNConfig(
            num_pre_clips=8,
            num_clips=8,
            pool_kernel=1,
            hidden_size=6,
            joint_size=4,
            moment_map="pool",
            pooling_counts=(3, 2),
            conv_kernel=3,
            conv_layers=2,
        ),
        5,
        6,
    )
    model.double()
    synchronise_batch_norm(model, ranks)
    loss = make_loss(BatchEmbedder(model, Vectors(), "float32", ranks), LossConfig(num_positives=2))
    generator = torch.Generator().manual_seed(5)
    # The second batch has fewer videos than there are ranks.
    for step, sentences in enumerate([(1, 3, 2, 1, 2), (2,)]):
        losses = loss.of(make_items(sentences, int(model.mask.sum()), generator))
        model.zero_grad()
        losses.total(0.05).backward()
        sum_gradients(model.parameters(), ranks)
        yield from ((f"{step} {name}", getattr(losses, name)) for name in ("vid", "sent", "iou"))
        trained = {key: parameter for key, parameter in model.named_parameters() if parameter.requires_grad}
        yield from ((f"{step} gradient of {key}", parameter.grad.clone()) for key, parameter in trained.items())
        yield f"{step} norm", nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        with torch.no_grad():
            for parameter in trained.values():
                parameter.sub_(parameter.grad)
    yield from ((f"state {key}", value) for key, value in model.state_dict().items())


def sum_up(ranks):
    """Gradients that only some ranks have, of two dtypes, in buckets of five numbers."""
    parameters = {
        name: nn.Parameter(torch.zeros(size, dtype=dtype))
        for name, size, dtype in [
            ("everywhere", (2, 2), torch.float64),
            ("on the last rank", (7,), torch.float64),
            ("nowhere", (1,), torch.float64),
            ("frozen", (1,), torch.float64),
            ("float32", (), torch.float32),
        ]
    }
    for name, value in [("everywhere", ranks.rank + 1.0), ("frozen", 9.0), ("float32", ranks.rank + 1.0)]:
        parameters[name].grad = torch.full_like(parameters[name], value)
    if ranks.rank == ranks.size - 1:
        parameters["on the last rank"].grad = torch.arange(7.0, dtype=torch.float64)
    parameters["frozen"].requires_grad_(False)
    sum_gradients(parameters.values(), ranks, bucket_elements=5)
    return {name: parameter.grad for name, parameter in parameters.items()}


def work(ranks):
    """Return all that the tests compare, as tensors of float64 that this process finds."""
    found = {
        "gather": dict(gather(ranks)),
        "normalise": dict(normalise(ranks)),
        "moments": dict(train_network(ranks, MomentLoss, moment_items)),
        "tubes": dict(train_network(ranks, TubeLoss, tube_items)),
    }
    return {part: {name: value.detach().double() for name, value in values.items()} for part, values in found.items()}


def work_together(ranks):
    """Return what `work` finds, and what makes no sense alone."""
    ranks.barrier()
    norm = make_norm(ranks)
    try:
        norm(torch.ones(int(ranks.is_first), 4, 1, 1, dtype=torch.float64))
        refusal = "none"
    except ValueError as error:
        refusal = str(error)
    # Rank 0 scores val alone: nothing may wait for the others.
    alone = norm.eval()(torch.ones(1, 4, 1, 1, dtype=torch.float64)) if ranks.is_first else None
    return {
        **work(ranks),
        "sum": sum_up(ranks),
        "broadcast": ranks.broadcast(ranks.rank + 0.1),
        "refusal": refusal,
        "alone": alone,
    }


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder of results and how the processes of `main` ended."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, __file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return folder, json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def found(ran):
    """What each rank of 2 and of 3 found."""
    folder, codes, errors = ran
    assert all(codes[f"work {rank} {size}"] == 0 for size in SIZES for rank in range(size)), errors
    return {
        size: [torch.load(folder / f"{rank} of {size}.pt", weights_only=True) for rank in range(size)] for size in SIZES
    }


@pytest.fixture(scope="module")
def expected():
    """What one process finds, which has nn.BatchNorm2d and no gather."""
    return work(ALONE)


def differences(found, expected, part):
    """Return how far each quantity is from that of one process, in shares of its largest number."""
    largest = {}
    for name, value in expected[part].items():
        of_ranks = [rank[part][name] for rank in found]
        of_ranks = torch.cat(of_ranks)[None] if name.endswith(" own") else torch.stack(of_ranks)
        assert of_ranks.shape[1:] == value.shape, name
        if value.numel():
            largest[name] = float((of_ranks - value).abs().max() / value.abs().max().clamp(min=1e-9))
    return largest


@pytest.mark.parametrize("size", SIZES)
def test_gathered_rows_give_loss_and_gradients_of_one_process(found, expected, size):
    worst = differences(found[size], expected, "gather")
    assert {name for name, difference in worst.items() if not difference < 1e-12} == set()


@pytest.mark.parametrize("size", SIZES)
def test_batch_norm_is_that_of_one_process(found, expected, size):
    worst = differences(found[size], expected, "normalise")
    allowed = {"float32": 1e-5, "bfloat16": 2e-2}
    assert {name for name, difference in worst.items() if not difference < allowed.get(name.split()[0], 1e-12)} == set()
    assert any("bfloat16 1 own" in name for name in worst)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stage", ["moments", "tubes"])
def test_training_a_network_is_that_of_one_process(found, expected, size, stage):
    worst = differences(found[size], expected, stage)
    assert {name for name, difference in worst.items() if not difference < 1e-9} == set()
    assert sum("gradient of" in name for name in worst) == 2 * 18
    assert expected[stage]["0 norm"] > 0.1, "gradients are clipped, so the norm is that of the sum"


@pytest.mark.parametrize("size", SIZES)
def test_ranks_agree_to_the_last_bit(found, size):
    first, *others = found[size]
    for part in ("gather", "normalise", "moments", "tubes"):
        shared = {name: value for name, value in first[part].items() if not name.endswith(" own")}
        for other in others:
            assert {name for name, value in shared.items() if not torch.equal(other[part][name], value)} == set()


@pytest.mark.parametrize("size", SIZES)
def test_gradients_are_summed_where_any_rank_has_one(found, size):
    total = size * (size + 1) / 2
    for rank in found[size]:
        gradients = rank["sum"]
        assert torch.equal(gradients["everywhere"], torch.full((2, 2), total, dtype=torch.float64))
        assert torch.equal(gradients["on the last rank"], torch.arange(7.0, dtype=torch.float64))
        assert gradients["nowhere"] is None
        assert gradients["frozen"] == 9, "what is not trained is not sent"
        assert gradients["float32"] == total
        assert gradients["float32"].dtype == torch.float32


@pytest.mark.parametrize("size", SIZES)
def test_all_learn_what_the_first_says(found, size):
    assert [rank["broadcast"] for rank in found[size]] == [0.1] * size


@pytest.mark.parametrize("size", SIZES)
def test_batch_norm_refuses_a_single_value_on_all_ranks(found, size):
    assert {rank["refusal"] for rank in found[size]} == {
        "maps: expected more than one value per channel in training, got 1 on all ranks"
    }


@pytest.mark.parametrize("size", SIZES)
def test_eval_mode_needs_nobody(found, size):
    assert torch.equal(found[size][0]["alone"], make_norm(ALONE).eval()(torch.ones(1, 4, 1, 1, dtype=torch.float64)))


def test_a_rank_that_fails_ends_those_that_wait_for_it(ran):
    _, codes, errors = ran
    assert [codes[f"fail {rank} 2"] for rank in range(2)] == [1, 1]
    assert "RuntimeError" in errors


def run_rank(task, ranks, folder):
    """Be one rank: find what the tests compare, or wait for a rank that ends early."""
    with connected(ranks, f"file://{folder / f'{task} {ranks.size}'}"):
        if task == "work":
            torch.save(work_together(ranks), folder / f"{ranks.rank} of {ranks.size}.pt")
        elif not ranks.is_first:
            sys.exit(1)
        ranks.barrier()
    assert not torch.distributed.is_initialized()


def main():
    """Run all ranks at once, as forks of one process, since importing torch takes longer than all they do."""
    torch.set_num_threads(1)
    context = multiprocessing.get_context("fork")
    jobs = [("work", size) for size in SIZES] + [("fail", 2)]
    processes = {
        f"{task} {rank} {size}": context.Process(target=run_rank, args=(task, Ranks(rank, size), Path(sys.argv[1])))
        for task, size in jobs
        for rank in range(size)
    }
    for process in processes.values():
        process.start()
    deadline = time.monotonic() + DEADLINE_S
    for process in processes.values():
        process.join(max(0.0, deadline - time.monotonic()))
        process.kill()
        process.join()
    print(json.dumps({name: process.exitcode for name, process in processes.items()}))  # noqa: T201


if __name__ == "__main__":
    main()
