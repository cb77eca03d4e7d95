"""The training loop: resumed runs, frozen text, schedules, and files that tell what they belong to."""

import dataclasses
import math

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from stvg.errors import InputError
from temporal.mmn.losses import Losses
from temporal.training import loop
from temporal.training.checkpoint import best_weights, read_checkpoint, save_weights
from temporal.training.config import TrainingConfig

CONFIG = TrainingConfig(
    epochs=4, batch_size=3, lr=0.01, frozen_text_epochs=2, milestones=(1, 3), full_contrastive_epochs=2
)


class Model(nn.Module):
    """A text encoder, dropout and BatchNorm: everything whose state a resumed run has to restore."""

    def __init__(self):
        super().__init__()
        self.text = nn.Linear(4, 4)
        self.drop = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 1)

    def forward(self, x):
        return self.head(self.norm(self.drop(self.text(x))))


class StoppedError(Exception):
    pass


class Task:
    """A task with 8 items; `stop_at` counts the batches until the loss raises."""

    contrastive_weight = 0.5

    def __init__(self, folder, config=CONFIG, stop_at=None, scores=None, seed=5, watch=None, items=None):
        torch.manual_seed(0)
        self.model = Model()
        self.text_parameters = list(self.model.text.parameters())
        self.folder, self.config, self.seed = folder, config, seed
        self.stop_at, self.scores, self.watch = stop_at, scores, watch
        self.data = items or list(torch.randn(8, 4))
        self.describe, self.settings, self.further = {"size": 4}, {"loss.mode": "match"}, tuple
        self.seen = []

    def items(self):
        return self.data

    def versions(self):
        return self.further()

    def loss(self, batch):
        if self.stop_at is not None and len(self.seen) == self.stop_at:
            raise StoppedError
        self.seen.append([float(item[0]) for item in batch])
        out = self.model(torch.stack(batch))
        return Losses(vid=out.mean(), sent=out.abs().mean(), iou=((out - 1) ** 2).mean())

    def score(self):
        assert not self.model.training
        assert torch.is_inference_mode_enabled()
        if self.watch is not None:
            self.watch.append({name: value.clone() for name, value in self.model.state_dict().items()})
        return next(self.scores) if self.scores is not None else -float(self.model(torch.ones(2, 4)).abs().sum())

    def description(self):
        return self.describe

    def setting(self):
        return self.settings


def make_task(folder, **changes):
    """Return a task and the batches that its loss will have seen; of `changes` some are attributes."""
    attributes = {name: changes.pop(name) for name in ("describe", "settings", "further") if name in changes}
    task = Task(folder, **changes)
    for name, value in attributes.items():
        setattr(task, name, value)
    return task, task.seen


def train(task, resume=False):
    return loop.train(task, task.config, task.folder, resume=resume)


def load_weights(model, describe, path):
    read = read_checkpoint(path, "stvg train x")
    read.check(describe)
    read.load_into(model)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("stop_at", "reason"),
    [
        (4, "inside the second epoch, text frozen"),
        (7, "inside the third, the text's first"),
        (9, "before the first batch of the last"),
        (11, "before the last batch"),
    ],
)
def test_a_resumed_run_ends_with_the_same_weights(tmp_path, stop_at, reason):
    whole, batches = make_task(tmp_path / "whole")
    train(whole)
    first, _ = make_task(tmp_path / "parts", stop_at=stop_at)
    with pytest.raises(StoppedError):
        train(first)
    second, after = make_task(tmp_path / "parts")
    train(second, resume=True)
    assert equal(weights(second.model), weights(whole.model)), reason
    assert after == batches[stop_at // 3 * 3 :], "finished epochs are not trained again"
    assert equal(load_file(best_weights(whole.folder)), load_file(best_weights(second.folder)))


def test_resuming_a_finished_run_trains_nothing(tmp_path):
    run, _ = make_task(tmp_path)
    path = train(run)
    before = path.read_bytes()
    again, batches = make_task(tmp_path)
    assert train(again, resume=True) == path
    assert batches == []
    assert equal(weights(again.model), weights(run.model))
    assert path.read_bytes() == before


def test_resuming_nothing_starts_anew_and_not_resuming_forgets(tmp_path):
    run, batches = make_task(tmp_path)
    train(run, resume=True)
    again, more = make_task(tmp_path)
    train(again)
    assert len(batches) == len(more) == 12
    assert equal(weights(again.model), weights(run.model))


def test_epochs_see_every_item_once_in_different_orders(tmp_path):
    run, batches = make_task(tmp_path)
    train(run)
    epochs = [[item for batch in batches[k : k + 3] for item in batch] for k in range(0, 12, 3)]
    assert all(sorted(epoch) == sorted(float(item[0]) for item in run.items()) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    other, different = make_task(tmp_path / "other", seed=6)
    train(other)
    assert different != batches


@pytest.mark.parametrize(("frozen", "moves_after"), [(0, [1, 2, 3, 4]), (2, [3, 4]), (4, []), (9, [])])
def test_text_stays_bitwise_until_it_learns(tmp_path, frozen, moves_after):
    states = []
    run, _ = make_task(tmp_path, config=dataclasses.replace(CONFIG, frozen_text_epochs=frozen), watch=states)
    states.append(weights(run.model))
    train(run)
    moved = [
        epoch
        for epoch in range(1, 5)
        for name in ["text.weight"]
        if not torch.equal(states[epoch][name], states[epoch - 1][name])
    ]
    assert moved == moves_after
    assert all(not torch.equal(states[k]["head.weight"], states[k - 1]["head.weight"]) for k in range(1, 5))


def test_the_best_epoch_is_kept(tmp_path):
    states = []
    run, _ = make_task(tmp_path, scores=iter([0.1, 0.7, 0.7, 0.3]), watch=states)
    train(run)
    assert equal(load_file(best_weights(tmp_path)), states[1]), "the first of equal ones"


@pytest.mark.parametrize(
    ("first", "every", "expected"), [(1, 1, [1, 2, 3, 4]), (3, 1, [3, 4]), (1, 2, [1, 3, 4]), (9, 1, [4])]
)
def test_validation_is_due(tmp_path, first, every, expected):
    states = []
    config = dataclasses.replace(CONFIG, validate_from=first, validate_every=every)
    train(make_task(tmp_path, config=config, watch=states)[0])
    assert [int(state["norm.num_batches_tracked"]) // 3 for state in states] == expected


@pytest.mark.parametrize(
    ("changes", "expected", "reason"),
    [
        ({"milestones": (2, 3)}, [1] * 10 + [0.1] * 5 + [0.01] * 5, "a tenth after epochs 2 and 3"),
        ({"milestones": ()}, [1] * 20, "constant"),
        ({"milestones": (), "warmup_steps": 4}, [0.2, 0.4, 0.6, 0.8] + [1] * 16, "linear over the first steps"),
        ({"cosine": True}, [0.5 + 0.5 * math.cos(math.pi * k / 20) for k in range(20)], "falls over the whole run"),
        (
            {"milestones": (1,), "warmup_steps": 9},
            [(k + 1) / 10 * (1 if k < 5 else 0.1) for k in range(10)] + [0.1] * 10,
            "both",
        ),
    ],
)
def test_schedule(changes, expected, reason):
    factor = loop._schedule(TrainingConfig(epochs=4, **changes), 5)
    assert [factor(step) for step in range(20)] == pytest.approx(expected), reason


def test_contrastive_terms_count_a_hundredth_later(tmp_path):
    """With the IoU term constant, the gradient that is clipped is the contrastive one alone."""
    norms = []
    config = dataclasses.replace(CONFIG, clip_norm=1e9, frozen_text_epochs=0, lr=0.0, weight_decay=0.0)
    run, _ = make_task(tmp_path, config=config)

    def loss(batch):
        scale = run.model.head.bias
        scale.register_hook(lambda gradient: norms.append(float(gradient.norm()))) if not norms else None
        return Losses(vid=scale.sum(), sent=scale.sum(), iou=0.0 * scale.sum())

    run.loss = loss
    train(run)
    assert norms == pytest.approx([1.0] * 6 + [0.01] * 6)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"describe": {"size": 5}}, "size is 4 there, 5 here"),
        ({"describe": {}}, "size is 4 there, None here"),
        ({"settings": {"loss.mode": "corrected"}}, "loss.mode is 'match' there, 'corrected' here"),
        ({"config": dataclasses.replace(CONFIG, lr=0.5)}, "training.lr is 0.01 there, 0.5 here"),
        ({"config": dataclasses.replace(CONFIG, epochs=9)}, "training.epochs is 4 there, 9 here"),
        ({"seed": 6}, "seed is 5 there, 6 here"),
    ],
)
def test_resuming_a_checkpoint_of_another_config_names_the_key(tmp_path, changes, key):
    train(make_task(tmp_path)[0])
    run, batches = make_task(tmp_path, **changes)
    with pytest.raises(InputError, match=f"{tmp_path / 'last.pt'}: a checkpoint of another config: {key}"):
        train(run, resume=True)
    assert batches == []


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(b"text"), id="no checkpoint"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:500]), id="cut off"),
        pytest.param(lambda path: torch.save([1, 2], path), id="something else"),
        pytest.param(lambda path: torch.save({"model": {}}, path), id="without config"),
        pytest.param(lambda path: torch.save({"model": Model()}, path), id="pickled code"),
    ],
)
def test_resuming_a_broken_checkpoint_is_one_line(tmp_path, spoil):
    train(make_task(tmp_path)[0])
    spoil(tmp_path / "last.pt")
    with pytest.raises(InputError, match="expected the state of an interrupted training") as caught:
        train(make_task(tmp_path)[0], resume=True)
    assert "\n" not in str(caught.value)


def test_weights_round_trip(tmp_path):
    path = tmp_path / "best.safetensors"
    model, other = Model(), Model()
    save_weights(model, {"size": 4, "counts": (1, 2)}, path)
    assert read_checkpoint(path, "stvg train x").config == {"size": 4, "counts": [1, 2]}
    load_weights(other, {"size": 4, "counts": (1, 2)}, path)
    assert equal(weights(model), weights(other))
    assert [one.name for one in tmp_path.iterdir()] == ["best.safetensors"]


@pytest.mark.parametrize(
    ("describe", "key"),
    [({"size": 5}, "size is 4 there, 5 here"), ({"size": 4, "new": 1}, "new is None there, 1 here")],
)
def test_weights_of_another_config_name_the_key(tmp_path, describe, key):
    path = tmp_path / "best.safetensors"
    save_weights(Model(), {"size": 4}, path)
    model = Model()
    before = weights(model)
    with pytest.raises(InputError, match=f"^{path}: a checkpoint of another config: {key}"):
        load_weights(model, describe, path)
    assert equal(weights(model), before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda path: None, "expected trained weights, found none; run stvg train x", id="missing"),
        pytest.param(lambda path: path.write_bytes(b""), "expected a safetensors file", id="empty"),
        pytest.param(lambda path: path.write_bytes(b"text " * 9), "expected a safetensors file", id="text"),
        pytest.param(lambda path: save_file({"a": torch.ones(1)}, path), "found no config", id="no config"),
        pytest.param(
            lambda path: save_file({"a": torch.ones(1)}, path, {"config": '{"size": 4}'}),
            "expected exactly this model's weights, found: missing text.weight;.*unexpected a",
            id="other names",
        ),
    ],
)
def test_files_that_are_no_weights(tmp_path, make, message):
    path = tmp_path / "best.safetensors"
    make(path)
    with pytest.raises(InputError, match=message) as caught:
        load_weights(Model(), {"size": 4}, path)
    assert "\n" not in str(caught.value)


def test_versions_stand_in_for_their_items(tmp_path):
    whole, crop = [torch.full((4,), float(k)) for k in range(8)], [torch.full((4,), 100.0 + k) for k in range(8)]
    crops = [[one] if k % 2 else [] for k, one in enumerate(crop)]
    run, seen = make_task(tmp_path, items=whole, further=lambda: crops)
    train(run)
    drawn = [value for batch in seen for value in batch]
    assert sorted({value % 100 for value in drawn}) == list(range(8))
    assert {value for value in drawn if value >= 100} - {101.0, 103.0, 105.0, 107.0} == set()
    assert 0 < sum(value >= 100 for value in drawn) < len(drawn) / 2
    again, seen_again = make_task(tmp_path / "again", items=whole, further=lambda: crops)
    train(again)
    assert seen_again == seen


def test_a_finished_training_has_nothing_to_do(tmp_path, caplog):
    run, _ = make_task(tmp_path)
    best = train(run)
    before = best.read_bytes()
    finished, seen = make_task(tmp_path, further=lambda: pytest.fail("made versions that no epoch will see"))
    with caplog.at_level("INFO"):
        assert train(finished, resume=True) == best
    assert "is trained to the end" in caplog.text
    assert seen == []
    assert best.read_bytes() == before


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path):
    task = Task(tmp_path)
    task.data[7] = torch.full((4,), math.nan)
    with pytest.raises(InputError, match=f"^{tmp_path}: epoch 1, step [123]: expected a finite loss, got nan"):
        loop.train(task, CONFIG, tmp_path)
    assert not (tmp_path / "last.pt").exists()


def test_a_training_whose_best_weights_are_gone_is_not_resumed(tmp_path, caplog):
    train(make_task(tmp_path)[0]).unlink()
    with pytest.raises(InputError, match=r"best\.safetensors: expected the best weights of the training to resume"):
        train(make_task(tmp_path)[0], resume=True)
    assert "is replaced" not in caplog.text
    train(make_task(tmp_path)[0])
    assert f"{tmp_path}: the training that is there is replaced (--resume would take it up)" in caplog.text
