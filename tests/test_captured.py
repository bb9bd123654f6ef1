"""Captured steps against plain ones, bit by bit, with a tape in place of a GPU's graphs."""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from distill_lessons import distillation, losses, models, seeds, settings, training
from distill_lessons.augmentation import jitter
from distill_lessons.data import Split
from distill_lessons.fast import captured, watching
from distill_lessons.fast.stacking import fit_many
from distill_lessons.objectives import Batch
from tests.tape import CannotRecord, Tape

N, K, BATCH = 50, 3, 16  # batches of 16, 16, 16 and 2
TEACHER = torch.randn(N, K, generator=seeds.generator(1))


def toy(n: int = N) -> Split:
    g = torch.Generator().manual_seed(0)
    y = torch.arange(n) % K
    return Split(0.5 * torch.rand(n, 1, 4, 4, generator=g) + 0.2 * y[:, None, None, None], y)


def net(seed: int = 0, dropout: float = 0.0) -> nn.Sequential:
    return models.mlp((1, 4, 4), K, (8,), dropout=dropout, seed=seed)


def convolutional(seed: int = 0) -> nn.Module:
    return models.seeded(
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64, K),
        ),
        seed,
    )


def numbers(*nets: nn.Module) -> Tensor:
    return torch.cat([t.double().flatten() for n in nets for t in n.state_dict().values()])


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> Tape:
    made = Tape()
    monkeypatch.setattr(captured, "engine_for", lambda device: made)
    return made


def both(
    tape: Tape, train: Callable[[], tuple[object, tuple[nn.Module, ...]]]
) -> tuple[object, object]:
    """Train twice, captured and plainly; the weights are the same. Return both histories."""
    history, nets = train()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(captured, "engine_for", lambda device: None)
        plain, expected = train()
    assert torch.equal(numbers(*nets), numbers(*expected))
    assert tape.entered == 1
    return history, plain


def fitted(build: Callable[[], nn.Module] = net, **arguments):
    def train():
        model = build()
        arguments.setdefault("epochs", 3)
        return training.fit(model, toy(), batch_size=BATCH, lr=0.01, **arguments), (model,)

    return train


# ---- The same weights ----------------------------------------------------------------------------


def smoothed(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels, label_smoothing=0.1)


@functools.cache
def teacher_on(device: torch.device) -> Tensor:
    return TEACHER.to(device)


def taught(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
    """The course's loss, which checks its arguments."""
    return losses.kd_loss(logits, teacher_on(index.device)[index], labels, T=4.0, alpha=0.5)


SGD = functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True, fused=True)

CAPTURED = {
    "as it is": {},
    "another loss": {"loss": smoothed},
    "the course's loss": {"loss": taught},
    "augmentation": {"augment": jitter(1)},
    "dropout": {"build": functools.partial(net, dropout=0.3)},
    "augmentation and dropout": {
        "augment": jitter(1),
        "build": functools.partial(net, dropout=0.3),
    },
    "batch normalisation": {"build": convolutional},
    "weight decay": {"weight_decay": 0.1},
    "schedule": {"schedule": lambda o: OneCycleLR(o, 0.01, total_steps=12)},
    "SGD": {"optimizer": SGD},
    "SGD and a schedule": {
        "optimizer": SGD,
        "schedule": lambda o: OneCycleLR(o, 0.01, total_steps=12, cycle_momentum=False),
    },
    "late schedule": {"schedule": lambda o: StepLR(o, step_size=9)},
    "validation": {"valid": toy(20)},
    "an objective": {"objective": lambda model, batch: (model(batch.x) ** 2).mean()},
}


@pytest.mark.parametrize("arguments", CAPTURED.values(), ids=CAPTURED)
def test_a_captured_training_ends_with_the_same_weights(tape: Tape, arguments) -> None:
    history, plain = both(tape, fitted(**arguments))
    assert history == plain
    # Of nine batches of sixteen three were plain; the three of two are never captured.
    assert (tape.captured, tape.replayed) == (1, 6)


@pytest.mark.parametrize("watched", [True, False])
def test_numbers_are_checked_before_a_capture_and_where_there_is_none(
    tape: Tape, watched: bool
) -> None:
    calls = []

    def diverging(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        calls.append(len(calls))  # a step that changes an object is not captured
        bad = math.nan if watched or len(calls) > 8 else 0.0
        return losses.kd_loss(
            logits + bad, teacher_on(index.device)[index], labels, T=4.0, alpha=0.5
        )

    with pytest.raises(ValueError, match="student_logits holds NaN"):
        training.fit(net(), toy(), diverging, epochs=3, batch_size=BATCH)
    assert len(calls) <= 10
    assert tape.captured == 0


def test_distillation_is_captured(tape: Tape) -> None:
    split, z = toy(), 3 * torch.randn(N, K, generator=seeds.generator(1))

    def train():
        model = net()
        return distillation.distill(
            model, split, z, T=4.0, alpha=0.1, epochs=3, batch_size=BATCH
        ), (model,)

    history, plain = both(tape, train)
    assert history == plain
    assert tape.replayed == 6


def test_modules_that_are_trained_along_are_captured_too(tape: Tape) -> None:
    def train():
        model, projector = net(), models.seeded(lambda: nn.Linear(K, 5), 7)

        def objective(model: nn.Module, batch: Batch) -> Tensor:
            return (projector(model(batch.x)) - batch.x.flatten(1)[:, :5]).square().mean()

        history = training.fit(
            model, toy(), objective=objective, also=[projector], epochs=3, batch_size=BATCH
        )
        return history, (model, projector)

    both(tape, train)
    assert tape.replayed == 6


def test_targets_and_masks_of_every_form_are_captured(tape: Tape) -> None:
    split = toy()
    several = Split(split.x, {"a": split.x.flatten(1), "b": split.y}, torch.ones(N, 1))

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(16, K)

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return self.layer(x.flatten(1) * mask)

    def objective(model: nn.Module, batch: Batch) -> Tensor:
        z = model(*batch.inputs)
        return F.cross_entropy(z, batch.y["b"]) + (z - batch.y["a"][:, :K]).square().mean()

    def train():
        model = models.seeded(Masked, 3)
        return training.fit(model, several, objective=objective, epochs=3, batch_size=BATCH), (
            model,
        )

    both(tape, train)
    assert tape.replayed == 6


def test_one_batch_an_epoch_is_captured_though_it_is_smaller_than_asked_for(tape: Tape) -> None:
    def train():
        model = net()
        return training.fit(model, toy(), epochs=6, batch_size=64), (model,)

    both(tape, train)
    assert tape.replayed == 3


@pytest.mark.parametrize("steps", [1, 3, 4])
def test_a_short_training_needs_no_graph(tape: Tape, steps: int) -> None:
    both(tape, fitted(epochs=None, steps=steps))
    assert tape.captured == 0  # the fourth is the small batch


def test_a_step_that_comes_after_the_training_finds_its_gradients(tape: Tape) -> None:
    gradients = []

    def train():
        model = net()
        history = training.fit(model, toy(), steps=7, batch_size=BATCH)
        gradients.append([p.grad.clone() for p in model.parameters()])
        return history, (model,)

    both(tape, train)
    assert tape.replayed == 3
    assert all(map(torch.equal, *gradients))


# ---- Ends before the end -------------------------------------------------------------------------


def test_a_threshold_ends_a_captured_training_after_the_same_epoch(tape: Tape) -> None:
    losses = training.fit(net(), toy(), epochs=4, batch_size=BATCH, lr=0.01, valid=toy(20)).rows
    tape.entered = tape.replayed = 0
    wanted = losses[2]["valid_loss"]
    history, plain = both(tape, fitted(epochs=4, valid=toy(20), accept_loss=wanted))
    assert history == plain
    assert history.accepted
    assert len(history.rows) == 3
    assert tape.replayed == 6


def test_an_interrupt_keeps_the_last_replayed_step(
    tape: Tape, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, capture = net(), Tape.capture
    training.fit(whole, toy(), steps=9, batch_size=BATCH)

    def interrupted(self: Tape, work, generators):
        replay = capture(self, work, generators)

        def one() -> Tensor:
            if self.replayed == 6:  # after three plain steps, two small ones and these
                raise KeyboardInterrupt
            return replay()

        return one

    monkeypatch.setattr(Tape, "capture", interrupted)
    tape.replayed, model = 0, net()
    history = training.fit(model, toy(), epochs=9, batch_size=BATCH)
    assert history.interrupted
    assert history.message == "Interrupted after 12 steps (3 whole epochs); the model is usable."
    monkeypatch.undo()
    expected = net()
    training.fit(expected, toy(), steps=12, batch_size=BATCH)
    assert torch.equal(numbers(model), numbers(expected))


def test_a_loss_that_stops_being_finite_is_told_of(tape: Tape) -> None:
    def exploding(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        return (logits * 1e18).square().mean().square()

    with pytest.raises(ValueError, match=r"the loss became (inf|nan) in epoch 1 with lr=0.01; try"):
        training.fit(net(), toy(200), exploding, epochs=2, batch_size=BATCH, lr=0.01)
    assert tape.replayed > 0


class Doubling(torch.optim.SGD):
    """An optimiser with a memory of Python's: every third step is twice as long."""

    def __init__(self, weights, lr: float) -> None:
        super().__init__(weights, lr=lr)
        self.steps = 0

    def step(self, closure=None):
        self.steps += 1
        for group in self.param_groups:
            group["lr"] = 0.01 * (1 + (self.steps % 3 == 0))
        return super().step(closure)


# ---- What a graph cannot hold --------------------------------------------------------------------


class Counting(nn.Module):
    """A net with a memory of Python's: every third pass it doubles its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.passes = nn.Linear(16, K), 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return self.layer(x.flatten(1)) * (1 + (self.passes % 3 == 0))


def reading(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
    value = F.cross_entropy(logits, labels)
    return value if float(value.detach()) > 0.5 else 2 * value


def choosing(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
    return F.cross_entropy(logits[labels < K], labels[labels < K])


def counted(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels[index.unique().argsort().argsort()])


def annealed() -> Callable[..., Tensor]:
    steps = 0

    def loss(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        nonlocal steps
        steps += 1
        return F.cross_entropy(logits, labels) * (1 if steps < 9 else 3)

    return loss


def by_an_iterator() -> Callable[..., Tensor]:
    weights = itertools.chain([1.0] * 8, itertools.repeat(3.0))
    return lambda logits, labels, index: next(weights) * F.cross_entropy(logits, labels)


def noting() -> Callable[..., Tensor]:
    seen: list[Tensor] = []

    def loss(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        seen.append(index)
        return F.cross_entropy(logits, labels) / (1 + len(seen) // 5)

    return loss


def by_chance() -> Callable[..., Tensor]:
    random.seed(3)

    def loss(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels) * (2 if random.random() < 0.2 else 1)

    return loss


def from_a_list() -> Callable[..., Tensor]:
    weights = [1.0, 2.0, 3.0]
    return lambda logits, labels, index: F.cross_entropy(
        logits, labels, torch.tensor(weights, device=logits.device)
    )


def hooked() -> nn.Module:
    model, outputs = net(), []
    model[1].register_forward_hook(lambda module, given, out: outputs.append(out.detach()))
    return model


PLAIN = {
    "reads a number": lambda: {"loss": reading},
    "chooses rows": lambda: {"loss": choosing},
    "counts the different": lambda: {"loss": counted},
    "counts its calls": lambda: {"loss": annealed()},
    "asks an iterator": lambda: {"loss": by_an_iterator()},
    "keeps a list": lambda: {"loss": noting()},
    "draws with Python": lambda: {"loss": by_chance()},
    "makes a tensor of numbers": lambda: {"loss": from_a_list()},
    "a net that counts": lambda: {"build": functools.partial(models.seeded, Counting, 0)},
    "a hook": lambda: {"build": hooked},
    "an optimiser that counts": lambda: {"optimizer": Doubling},
}


@pytest.mark.parametrize("arguments", PLAIN.values(), ids=PLAIN)
def test_what_a_graph_cannot_hold_runs_plainly_with_the_same_weights(
    tape: Tape, arguments, recwarn: pytest.WarningsRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    def train():
        return fitted(**arguments())()

    history, plain = both(tape, train)
    assert history == plain
    assert tape.captured == tape.replayed == 0
    assert not recwarn.list
    assert capsys.readouterr().out == ""


def test_a_capture_that_fails_leaves_the_training_as_it_was(tape: Tape, monkeypatch) -> None:
    """Whatever the watch does not see, torch refuses in the middle of a capture."""
    monkeypatch.setattr(watching.Trace, "_holds", lambda *_: True)
    both(tape, fitted(loss=reading, augment=jitter(1)))
    assert tape.captured == tape.replayed == 0
    with pytest.raises(CannotRecord, match="reads a number"):
        tape.capture(lambda: torch.tensor(float(torch.ones(()))), [])


def test_a_fault_of_the_loss_comes_up_as_it_would_plainly(tape: Tape) -> None:
    def loss(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels).detach()

    with pytest.raises(ValueError, match="the loss does not depend on a weight"):
        training.fit(net(), toy(), loss, epochs=2, batch_size=BATCH)


# ---- Students side by side -----------------------------------------------------------------------


def side_by_side(build: Callable[[int], nn.Module] = net, **arguments):
    z = 3 * torch.randn(N, K, generator=seeds.generator(1))

    def train():
        nets = [build(seed) for seed in range(5)]
        common = {"steps": 11, "batch_size": BATCH, "lr": 0.01, **arguments}
        given = () if "loss" in arguments else (z,)
        return fit_many(nets, toy(), *given, **common), tuple(nets)

    return train


STACKED = {
    "one temperature": {"T": 4.0, "alpha": 0.1},
    "each its own": {"T": [1.0, 2.0, 4.0, 8.0, 1.0], "alpha": [0.0, 0.1, 0.5, 0.9, 1.0]},
    "a loss": {"loss": smoothed},
    "SGD": {"optimizer": SGD},
    "a schedule": {"schedule": lambda o: OneCycleLR(o, 0.01, total_steps=11)},
    "SGD and a schedule": {
        "optimizer": SGD,
        "schedule": lambda o: OneCycleLR(o, 0.01, total_steps=11, cycle_momentum=False),
    },
    "rows": {"T": 2.0, "alpha": 0.5, "rows": torch.arange(N).repeat(5, 1)[:, 5:39]},
}


@pytest.mark.parametrize("arguments", STACKED.values(), ids=STACKED)
def test_stacked_students_are_captured_with_the_same_weights(tape: Tape, arguments) -> None:
    both(tape, side_by_side(**arguments))
    # 11 steps of which some are the small batches of an epoch: 2 of 16, 16, 16 and 2; with rows 3
    # of 16, 16 and 2.
    assert (tape.captured, tape.replayed) == (1, 11 - 3 - (3 if "rows" in arguments else 2))


def test_other_nets_than_plain_ones_are_stacked_and_captured(tape: Tape) -> None:
    def fresh(seed: int) -> nn.Module:
        return models.seeded(
            lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, K)),
            seed,
        )

    both(tape, side_by_side(fresh, T=2.0, alpha=0.5))
    assert tape.replayed == 6


def test_every_chunk_has_a_graph_of_its_own(tape: Tape) -> None:
    train = side_by_side(T=2.0, alpha=0.5, chunk=2)
    _, nets = train()
    assert (tape.captured, tape.replayed, tape.entered) == (3, 18, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(captured, "engine_for", lambda device: None)
        _, expected = train()
    assert torch.equal(numbers(*nets), numbers(*expected))


# ---- The watch -----------------------------------------------------------------------------------


def test_a_tape_repeats_what_was_recorded_on_what_is_there_now() -> None:
    x, out = torch.ones(3), Tape().capture
    replay = out(lambda: x.mul_(2).sum(), [])
    assert x.tolist() == [1, 1, 1]  # recorded, not done
    assert replay().item() == 6
    x.fill_(5)
    assert replay().item() == 30


def test_state_sees_what_a_function_keeps() -> None:
    class Box:
        def __init__(self) -> None:
            self.inside = [1, {"a": 2.0}]

        def method(self) -> None: ...

    box = Box()
    for root in (box, box.method, functools.partial(print, box), lambda: box, [box], {"b": (box,)}):
        before = watching.state(root)
        assert watching.unchanged(before, watching.state(root))
        box.inside[1]["a"] += 1
        assert not watching.unchanged(before, watching.state(root))


def test_state_gives_up_on_iterators_and_on_too_much() -> None:
    assert watching.state(iter([1])) is None
    assert watching.state([[i] for i in range(60_000)]) is None
    assert not watching.unchanged(None, None)


def test_state_takes_no_new_tensor_for_the_old_one() -> None:
    kept = {"z": torch.zeros(1)}
    before = watching.state(kept)
    kept["z"] = torch.zeros(1)
    assert not watching.unchanged(before, watching.state(kept))
    now = watching.state(kept)
    kept["z"] += 1  # a graph does that too
    assert watching.unchanged(now, watching.state(kept))


def test_a_trace_refuses_what_another_device_gives() -> None:
    device = torch.device("meta")

    def fixed(work: Callable[[], object]) -> bool:
        with watching.Trace(device) as trace:
            work()
        return trace.fixed

    x = torch.ones(4, device=device)
    assert fixed(lambda: x * 2 + torch.ones((), device=device))
    assert not fixed(lambda: x.copy_(torch.ones(4)))  # a copy from the CPU
    assert not fixed(lambda: x * torch.rand(()))  # a draw that a graph would keep
    half = torch.full((), 0.5)
    assert fixed(lambda: x * half)
    with watching.Trace(device) as first:
        _ = x * half
    half += 1
    with watching.Trace(device) as second:
        _ = x * half
    assert first.calls != second.calls


# ---- The switch ----------------------------------------------------------------------------------


def test_a_cpu_runs_every_step_plainly() -> None:
    assert captured.engine_for(torch.device("cpu")) is None
    assert captured.engine_for(torch.device("mps")) is None


def test_the_switch_turns_graphs_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captured, "Cuda", lambda device: ("graphs on", device))
    device = torch.device("cuda", 0)
    monkeypatch.delenv("DISTILL_GRAPHS", raising=False)
    assert captured.engine_for(device) == ("graphs on", device)
    monkeypatch.setenv("DISTILL_GRAPHS", "0")
    assert captured.engine_for(device) is None
    assert settings.graphs({"DISTILL_GRAPHS": " "})
    assert settings.graphs({"DISTILL_GRAPHS": "1"})
    with pytest.raises(ValueError, match="DISTILL_GRAPHS='off' is unknown. Use one of '0', '1'"):
        settings.graphs({"DISTILL_GRAPHS": "off"})
