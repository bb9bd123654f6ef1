"""Captured steps against plain ones on a real GPU: exactly the same weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from distill_lessons import models, seeds, training
from distill_lessons.data import Split
from distill_lessons.fast import captured
from distill_lessons.fast.stacking import fit_many
from tests.test_captured import BATCH, CAPTURED, PLAIN, STACKED, K, N, net, numbers, toy

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch finds no CUDA GPU here; the tape stands in"
)


@pytest.fixture(autouse=True)
def replays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the replays; and let no library choose between algorithms by their speed."""
    counted: list[int] = []
    capture = captured.Cuda.capture

    def counting(self, work, generators) -> Callable[[], Tensor]:
        replay = capture(self, work, generators)
        return lambda: (counted.append(1), replay())[1]

    monkeypatch.setattr(captured.Cuda, "capture", counting)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    return counted


def on_gpu(split: Split) -> Split:
    return split.to("cuda")


def trained(build: Callable[[], nn.Module] = net, **arguments):
    model = build().cuda()
    if "valid" in arguments:
        arguments["valid"] = on_gpu(arguments["valid"])
    given = {"epochs": 3, "batch_size": BATCH, "lr": 0.01} | arguments
    history = training.fit(model, on_gpu(toy()), **given)
    return history, numbers(model)


def twice(monkeypatch: pytest.MonkeyPatch, train: Callable[[], tuple[object, Tensor]]) -> None:
    monkeypatch.setenv("DISTILL_GRAPHS", "1")
    history, weights = train()
    monkeypatch.setenv("DISTILL_GRAPHS", "0")
    plain, expected = train()
    assert torch.equal(weights, expected)
    assert history == plain


@pytest.mark.parametrize("arguments", CAPTURED.values(), ids=CAPTURED)
def test_replayed_steps_give_the_same_weights(monkeypatch, replays, arguments) -> None:
    twice(monkeypatch, lambda: trained(**arguments))
    assert len(replays) == 6


@pytest.mark.parametrize("arguments", PLAIN.values(), ids=PLAIN)
def test_what_a_graph_cannot_hold_runs_plainly(monkeypatch, replays, arguments) -> None:
    twice(monkeypatch, lambda: trained(**arguments()))
    assert replays == []


@pytest.mark.parametrize("arguments", STACKED.values(), ids=STACKED)
def test_stacked_students_get_the_same_weights(monkeypatch, replays, arguments) -> None:
    z = 3 * torch.randn(N, K, generator=seeds.generator(1)).cuda()

    def train() -> tuple[object, Tensor]:
        nets = [net(seed).cuda() for seed in range(5)]
        given = () if "loss" in arguments else (z,)
        fit_many(nets, on_gpu(toy()), *given, steps=11, batch_size=BATCH, lr=0.01, **arguments)
        return None, numbers(*nets)

    twice(monkeypatch, train)
    assert replays


def test_a_capture_that_fails_leaves_the_gpu_usable(monkeypatch, replays) -> None:
    """What the watch lets through, CUDA refuses in the middle of a capture."""
    from distill_lessons.fast import watching

    monkeypatch.setattr(watching.Trace, "_holds", lambda *_: True)
    twice(monkeypatch, lambda: trained(**PLAIN["reads a number"]()))
    assert replays == []
    twice(monkeypatch, trained)  # and the next training is captured
    assert replays


def test_what_was_launched_before_and_after_keeps_its_order(replays) -> None:
    """The training runs on a stream of its own, between the two."""
    model = models.mlp((1, 28, 28), 10, (1200, 1200), seed=0).cuda()
    x = torch.rand(512, 1, 28, 28, device="cuda")
    split = Split(x, torch.arange(512, device="cuda") % 10)
    for weight in model.parameters():
        weight.data.mul_(0.5)
    training.fit(model, split, steps=40, batch_size=64)
    left = model(x).detach()
    torch.cuda.synchronize()
    assert torch.equal(left, model(x))
    assert replays
