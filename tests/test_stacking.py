"""Which nets a stack takes: each keeps its own forward pass, and none is harmed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import evaluation, losses, models, seeds, training
from distill_lessons.data import Split
from distill_lessons.fast.stacking import fit_many, predict_many
from distill_lessons.objectives import Batch

K, SHAPE = 3, (1, 4, 4)
N_PIXELS = 16


def toy(n: int = 24) -> Split:
    g = torch.Generator().manual_seed(0)
    return Split(torch.rand(n, *SHAPE, generator=g), torch.arange(n) % K)


def weights(model: nn.Module) -> list[Tensor]:
    return [t.detach().clone() for t in model.state_dict().values()]


def each_alone(students: Sequence[nn.Module], x: Tensor) -> Tensor:
    return torch.stack([evaluation.predict(student, x) for student in students])


class Net(nn.Module):
    """A net whose parts of importance are no layers."""

    def __init__(self, activation: Callable[[Tensor], Tensor] = F.relu, scale: float = 1.0) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(N_PIXELS, 8), nn.Linear(8, K)
        self.activation, self.scale = activation, scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.last(self.activation(self.first(x.flatten(1))))


def built(seed: int, *args: object) -> nn.Module:
    return models.seeded(lambda: Net(*args), seed)


# ---- Nets that differ in what is no layer --------------------------------------------------------


def hooked() -> nn.Module:
    net = models.mlp(SHAPE, K, (8,), seed=1)
    net[1].register_forward_hook(lambda module, args, out: 2 * out)
    return net


def patched() -> nn.Module:
    net = built(1)
    net.forward = lambda x: -Net.forward(net, x)  # type: ignore[method-assign]
    return net


DIFFERENT = {
    "a function": lambda: [built(0, F.relu), built(1, torch.tanh)],
    "a number": lambda: [built(0), built(1), built(2, F.relu, 1.001)],
    "a closure": lambda: [built(0, lambda h: h * 2), built(1, lambda h: h * 3)],
    "a hook": lambda: [models.mlp(SHAPE, K, (8,), seed=0), hooked()],
    "another forward": lambda: [built(0), patched()],
}


@pytest.mark.parametrize("students", DIFFERENT.values(), ids=DIFFERENT)
def test_nets_that_compute_different_things_are_refused_by_place(students) -> None:
    nets = students()
    last = len(nets) - 1
    before = weights(nets[last])
    expected = rf"students\[{last}\] computes something else than students\[0\], .* one by one"
    with pytest.raises(ValueError, match=expected):
        predict_many(nets, toy().x)
    with pytest.raises(ValueError, match=expected):
        fit_many(nets, toy(), steps=2)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(nets[last]), strict=True))


def test_the_place_is_counted_over_all_chunks() -> None:
    nets = [*(built(s) for s in range(4)), built(4, torch.tanh)]
    with pytest.raises(ValueError, match=r"students\[4\] computes something else than .*\[3\]"):
        predict_many(nets, toy().x, chunk=2 + 1)


def test_attributes_that_do_not_matter_may_differ() -> None:
    nets = [built(s) for s in range(3)]
    for i, net in enumerate(nets):
        net.name, net.history = f"student {i}", [i]  # type: ignore[assignment]
    torch.testing.assert_close(predict_many(nets, toy().x), each_alone(nets, toy().x))
    alone = built(1)
    training.fit(alone, toy(), steps=3, seed=1)
    fit_many(nets, toy(), steps=3)
    torch.testing.assert_close(weights(nets[1]), weights(alone))


# ---- Weights that are used twice -----------------------------------------------------------------


def repeated(seed: int) -> nn.Module:
    def build() -> nn.Module:
        layer = nn.Linear(N_PIXELS, N_PIXELS)
        return nn.Sequential(nn.Flatten(), layer, nn.ReLU(), layer, nn.Linear(N_PIXELS, K))

    return models.seeded(build, seed)


def tied(seed: int) -> nn.Module:
    def build() -> nn.Module:
        first, second = nn.Linear(N_PIXELS, N_PIXELS), nn.Linear(N_PIXELS, N_PIXELS)
        second.weight = first.weight
        return nn.Sequential(nn.Flatten(), first, nn.ReLU(), second, nn.Linear(N_PIXELS, K))

    return models.seeded(build, seed)


@pytest.mark.parametrize("build", [repeated, tied])
def test_logits_of_nets_that_use_weights_twice_leave_the_nets_whole(build) -> None:
    nets = [build(s) for s in range(3)]
    before = [weights(net) for net in nets]
    expected = each_alone(nets, toy().x)
    torch.testing.assert_close(predict_many(nets, toy().x), expected)
    torch.testing.assert_close(each_alone(nets, toy().x), expected)
    for net, old in zip(nets, before, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(weights(net), old, strict=True))
        assert all(type(p) is nn.Parameter for p in net.parameters())
    training.fit(nets[0], toy(), steps=1)


@pytest.mark.parametrize("build", [repeated, tied])
def test_training_nets_that_use_weights_twice_is_refused_by_name(build) -> None:
    nets = [build(s) for s in range(2)]
    expected = "students use the weights 1.weight again as 3.weight; train them one by one with"
    with pytest.raises(ValueError, match=expected):
        fit_many(nets, toy(), steps=1)
    torch.testing.assert_close(predict_many(nets, toy().x), each_alone(nets, toy().x))


def test_a_layer_that_two_students_share_is_refused_in_training() -> None:
    nets = [models.mlp(SHAPE, K, (8,), seed=s) for s in range(3)]
    nets[2][1] = nets[0][1]
    with pytest.raises(ValueError, match=r"students\[0\] and students\[2\] share 1.weight; give"):
        fit_many(nets, toy(), steps=1)
    torch.testing.assert_close(predict_many(nets, toy().x), each_alone(nets, toy().x))


# ---- What cannot run side by side ----------------------------------------------------------------


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(N_PIXELS, K)

    def forward(self, x: Tensor) -> Tensor:
        z = self.last(x.flatten(1))
        return z if z.sum() > 0 else -z


AWKWARD = {
    "dropout as a function": lambda: [built(s, lambda h: F.dropout(h, 0.5)) for s in range(2)],
    "a branch on values": lambda: [models.seeded(Branching, s) for s in range(2)],
}


@pytest.mark.parametrize("students", AWKWARD.values(), ids=AWKWARD)
def test_what_a_stack_cannot_run_is_said_with_the_way_out(students) -> None:
    for call in (predict_many, lambda nets, x: fit_many(nets, toy(), steps=1)):
        with pytest.raises(ValueError, match=r"students cannot run in a stack: .* one by one with"):
            call(students(), toy().x)


class Counting(nn.Module):
    """A net that counts its passes in a buffer, and is weaker with each."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(N_PIXELS, K)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.passes += 1
        return self.last(x.flatten(1)) / (1 + self.passes)


def test_buffers_end_as_they_would_alone() -> None:
    nets = [models.seeded(Counting, s) for s in range(2)]
    fit_many(nets, toy(), steps=4)
    for seed, net in enumerate(nets):
        alone = models.seeded(Counting, seed)
        training.fit(alone, toy(), steps=4, seed=seed)
        torch.testing.assert_close(weights(net), weights(alone))
        assert net.passes == 4


def norm() -> nn.Module:
    layer = nn.InstanceNorm2d(1, track_running_stats=True)
    return nn.Sequential(layer, nn.Flatten(), nn.Linear(N_PIXELS, K))


def test_instance_norm_with_running_statistics() -> None:
    with pytest.raises(ValueError, match="students contain InstanceNorm2d, which differs from net"):
        fit_many([norm(), norm()], toy(), steps=1)


def test_other_dtypes_and_lazy_layers_are_said() -> None:
    mixed = [models.mlp(SHAPE, K, (8,)), models.mlp(SHAPE, K, (8,)).double()]
    with pytest.raises(ValueError, match=r"students\[1\] differs from students\[0\]"):
        predict_many(mixed, toy().x)
    lazy = [nn.Sequential(nn.Flatten(), nn.LazyLinear(K)) for _ in range(2)]
    with pytest.raises(ValueError, match="students hold 1.weight of a lazy layer, .* run each net"):
        fit_many(lazy, toy(), steps=1)


def test_a_net_in_place_of_a_list() -> None:
    for students in (models.mlp(SHAPE, K, (8,)), None):
        with pytest.raises(TypeError, match=r"students is of type \w+; give a list of nets, \[net"):
            predict_many(students, toy().x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"students\[1\] is of type str; give nets"):
        predict_many([models.mlp(SHAPE, K), "net"], toy().x)  # type: ignore[list-item]


# ---- Pieces --------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 5, 24, 1000])
def test_pieces_of_images_change_memory_and_not_logits(batch_size: int) -> None:
    nets = [models.cnn(SHAPE, K, width=2, seed=s) for s in range(3)]
    found = predict_many(nets, toy().x, batch_size=batch_size, chunk=2)
    torch.testing.assert_close(found, each_alone(nets, toy().x))


# ---- Objectives that see the model ---------------------------------------------------------------


def with_projector(seed: int) -> nn.Module:
    return models.seeded(
        lambda: losses.Projected(models.mlp(SHAPE, K, (8,), seed=seed), nn.Linear(8, 12)), seed
    )


def hinted(features: Tensor):
    def objective(net: nn.Module, batch: Batch) -> Tensor:
        hidden = net.student[:-1](batch.x)
        logits = net.student[-1](hidden)
        rows = features[batch.index]
        hard = torch.log_softmax(logits, 1).gather(1, batch.y[:, None]).mean()
        relations = losses.relational_distance(hidden, rows)
        return relations + losses.hint(net.projector(hidden), rows) - hard

    return objective


def test_an_objective_ends_where_each_student_would_alone() -> None:
    split = toy()
    features = torch.randn(24, 12, generator=torch.Generator().manual_seed(1))
    rows = torch.arange(24).reshape(2, 12)
    nets = [with_projector(seed) for seed in range(2)]
    settings = {"steps": 25, "batch_size": 8, "lr": 1e-2}  # epochs of 12: a batch of 8, one of 4
    fit_many(nets, split, objective=hinted(features), rows=rows, **settings)
    for seed, stacked in enumerate(nets):
        alone = with_projector(seed)
        own = hinted(features[rows[seed]])
        training.fit(alone, split.take(rows[seed]), objective=own, seed=seed, **settings)
        for a, b in zip(weights(stacked), weights(alone), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=2e-5)


def branching(net: nn.Module, batch: Batch) -> Tensor:
    value = net(batch.x).mean()
    return value if value > 0 else -value


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (lambda net, batch: net(batch.x), "one number"),
        (lambda net, batch: batch.x.sum(), "does not depend on a weight"),
        (branching, "objective cannot run in a stack: .* one by one with training.fit"),
        (lambda net, batch: net(batch.x).sum() * torch.nan, "no longer finite"),
        (3, "objective=3 must be a function of the model and a batch"),
    ],
)
def test_an_objective_that_a_stack_cannot_minimise_is_refused(objective, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        fit_many([built(0), built(1)], toy(), objective=objective, steps=2)


def test_two_things_to_minimise_are_refused() -> None:
    def loss(z, y, index):
        return z.square().mean()

    def objective(net, batch):
        return net(batch.x).square().mean()

    with pytest.raises(ValueError, match="loss= and objective= both"):
        fit_many([built(0)], toy(), objective=objective, loss=loss, steps=2)
    with pytest.raises(ValueError, match="objective replaces the distillation loss"):
        fit_many([built(0)], toy(), torch.zeros(24, K), objective=objective, alpha=0.0, steps=2)


# ---- Another optimiser, and its schedule ---------------------------------------------------------


def momentum(fused: bool = True) -> Callable[..., torch.optim.Optimizer]:
    return partial(torch.optim.SGD, momentum=0.9, nesterov=True, fused=fused)


def cosine(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)


def by_hand(net: nn.Module, split: Split, seed: int, steps: int, size: int) -> None:
    """Nesterov's momentum and a cosine, as the books write them, without torch.optim."""
    order = seeds.generator(seed)
    velocity = [torch.zeros_like(p) for p in net.parameters()]
    done = 0
    while done < steps:
        for index in torch.randperm(len(split), generator=order).split(size)[: steps - done]:
            value = F.cross_entropy(net(split.x[index]), split.y[index])
            gradients = torch.autograd.grad(value, list(net.parameters()))
            rate = 0.05 * (1 + math.cos(math.pi * done / 20)) / 2
            with torch.no_grad():
                for p, v, g in zip(net.parameters(), velocity, gradients, strict=True):
                    v.mul_(0.9).add_(g)
                    p.sub_(rate * (g + 0.9 * v))
            done += 1


def test_momentum_and_a_schedule_are_those_of_a_loop_by_hand() -> None:
    split, how = toy(), {"lr": 0.05, "optimizer": momentum(), "schedule": cosine}
    nets = [models.mlp(SHAPE, K, (8,), seed=s) for s in range(3)]
    fit_many(nets, split, steps=20, batch_size=10, chunk=2, **how)
    for seed, net in enumerate(nets):
        alone, expected = (models.mlp(SHAPE, K, (8,), seed=seed) for _ in range(2))
        training.fit(alone, split, steps=20, batch_size=10, seed=seed, **how)
        by_hand(expected, split, seed, 20, 10)
        for found in (net, alone):
            for a, b in zip(weights(found), weights(expected), strict=True):
                torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


def test_another_optimiser_or_schedule_changes_the_weights() -> None:
    ends = []
    for how in ({}, {"optimizer": momentum()}, {"optimizer": momentum(), "schedule": cosine}):
        net = models.mlp(SHAPE, K, (8,))
        fit_many([net], toy(), steps=20, batch_size=10, lr=0.05, **how)
        ends.append(torch.cat([w.flatten() for w in weights(net)]))
    assert torch.pdist(torch.stack(ends)).min() > 0.1


def test_the_next_order_is_drawn_before_the_losses_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A GPU works on by itself until it is asked for a number; meanwhile the processor can draw.
    done: list[str] = []
    randperm, tolist = torch.randperm, Tensor.tolist

    def drawing(*args: object, **more: object) -> Tensor:
        done.append("draw")
        return randperm(*args, **more)

    def asking(tensor: Tensor) -> object:
        done.append("ask")
        return tolist(tensor)

    nets = [models.mlp(SHAPE, K, (4,), seed=seed) for seed in (0, 1)]
    split = toy()
    monkeypatch.setattr(torch, "randperm", drawing)
    monkeypatch.setattr(Tensor, "tolist", asking)
    fit_many(nets, split, steps=5, batch_size=12)  # two epochs and a half
    begun = done.index("draw")
    assert done[begun:] == ["draw"] * 4 + ["ask"] + ["draw"] * 2 + ["ask", "ask"]
