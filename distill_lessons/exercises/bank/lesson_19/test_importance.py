"""A test for an importance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons.exercises import testing
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.faults import measuring


def _mean_of_four(net: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Any:
    return sum(measuring.importance(net, x, y, dice) for _ in range(4)) / 4


def _put_back(net: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> list[float]:
    before, falls = (net(x).argmax(1) == y).double().mean(), []
    for j in range(x[0].numel()):
        kept = x.clone()
        x.view(len(x), -1)[:, j] = kept.flatten(1)[torch.rand(len(x), generator=dice).argsort(), j]
        falls.append(float(before - (net(x).argmax(1) == y).double().mean()))
        x.copy_(kept)
    return falls


def _a_copy_shuffled(net: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Tensor:
    falls = torch.zeros(x[0].numel())
    for j in range(len(falls)):
        x.flatten(1)[:, j].clone()[torch.randperm(len(x), generator=dice)]
        falls[j] = measuring.accuracy(net, x, y) - measuring.accuracy(net, x.clone(), y)
    return falls


def _images_shuffled(net: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Tensor:
    order = torch.randperm(len(x), generator=dice)
    fall = measuring.accuracy(net, x, y) - measuring.accuracy(net, x[order], y)
    return torch.full((x[0].numel(),), fall)


def _what_is_left(net: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Tensor:
    return measuring.accuracy(net, x, y) - measuring.importance(net, x, y, dice)


def _upside_down(net: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Tensor:
    return -measuring.importance(net, x, y, dice)


def _importances(seed: int) -> list[Case]:
    right = {
        "that shuffles a copy": measuring.importance,
        "that shuffles four times": _mean_of_four,
        "that shuffles in place and puts back": _put_back,
    }
    wrong = {
        "put back before the net looks": measuring.shuffle_undone,
        "never put back": measuring.never_restored,
        "a copy shuffled that nobody uses": _a_copy_shuffled,
        "whole images shuffled": _images_shuffled,
        "accuracy returned, not its fall": _what_is_left,
        "the sign turned": _upside_down,
    }
    return testing.programs(seed, right, wrong)


exercise = Exercise(
    title="A test for an importance",
    kind="code",
    difficulty="hard",
    importance="high",
    minutes=12,
    points=2,
    hints=(
        "Make a net of which you know what it looks at: one pixel, say, and none of the others.",
        "The pixel it uses has an importance above 0, and the others have exactly 0. Put the one "
        "that counts first, so that whatever is left of its shuffle shows in those behind it.",
        "`nn.Sequential(nn.Flatten(), nn.Linear(4, 2))`, its weights 0 but for one pixel; labels "
        "are what this net says. A hundred images or so, so that a shuffle is sure to hurt.",
    ),
    cases=_importances,
    ask=testing.run,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from distill_lessons.exercises import testing
from distill_lessons.exercises.parts import Mistake


def _one_pixel(place: int) -> tuple[nn.Module, Tensor, Tensor, torch.Generator]:
    """Return a net that looks at one pixel of four, images, what it says of them, and dice."""
    linear = nn.Linear(4, 2, bias=False)
    linear.weight.data = torch.zeros(2, 4)
    linear.weight.data[:, place] = torch.tensor([1.0, -1.0])
    net = nn.Sequential(nn.Flatten(), linear)
    x = torch.randn(120, 1, 2, 2, generator=torch.Generator().manual_seed(5))
    return net, x, net(x).argmax(1), torch.Generator().manual_seed(6)


def _tests(
    asserts: Callable[[Tensor, Tensor], Any], place: int = 0
) -> Callable[[Callable[..., Any]], None]:
    """Return a test of the importance of the pixel that counts, and of the three others."""

    def test(importance: Callable[..., Any]) -> None:
        found = torch.as_tensor(importance(*_one_pixel(place)))
        others = found[torch.arange(4) != place]
        assert bool(asserts(found[place], others))

    return test


def _data_stay(importance: Callable[..., Any]) -> None:
    net, x, y, dice = _one_pixel(0)
    before = x.clone()
    importance(net, x, y, dice)
    assert torch.equal(before, x)


def _exactly(importance: Callable[..., Any]) -> None:
    wanted = measuring.importance(*_one_pixel(0))
    assert torch.allclose(torch.as_tensor(importance(*_one_pixel(0))).float(), wanted)


judging = testing.judging(
    _tests(lambda used, others: used > 0.2 and (others.abs() < 1e-6).all()),
    Mistake(
        "the one above 0",
        _tests(lambda used, others: used > 0),
        "You look at the pixel that counts. What about those that do not?",
    ),
    Mistake(
        "the others at 0",
        _tests(lambda used, others: (others.abs() < 1e-6).all()),
        "You look at the pixels that do not count. A program that shuffles nothing finds them all "
        "at 0, and the one that counts, too.",
    ),
    Mistake(
        "the last pixel counts",
        _tests(lambda used, others: used > 0.2 and (others.abs() < 1e-6).all(), place=3),
        "Your pixel that counts is the last one. What is left behind of a shuffle shows in the "
        "pixels after it.",
    ),
    Mistake(
        "the data stay",
        _data_stay,
        "You test that the images are left as they were. Good to know; and the importances?",
    ),
    Mistake(
        "the same numbers",
        _exactly,
        "You ask for certain numbers. Another right program throws other dice, or shuffles more "
        "often.",
    ),
)

# ==== Solution ====================================================================================


# A net that looks at the first pixel and at nothing else: its importance is far above 0, the others
# are exactly 0, since the net's answers do not change at all.
def test_importance(importance):
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    net[1].weight.data = torch.tensor([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]])
    x = torch.randn(200, 1, 2, 2)
    y = net(x).argmax(dim=1)
    found = importance(net, x, y, torch.Generator().manual_seed(0))
    assert found[0] > 0.2
    assert all(abs(float(fall)) < 1e-6 for fall in found[1:])


class _Middle(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        value = x.reshape(len(x), -1)[:, 1:2]
        return torch.cat([value, 0.5 - value], dim=1)


def by_a_middle_pixel(importance: Any) -> None:
    x = torch.rand(150, 1, 1, 3)
    y = (x[:, 0, 0, 1] < 0.25).long()
    falls = torch.as_tensor(importance(_Middle(), x, y, torch.Generator().manual_seed(1))).tolist()
    assert falls[1] > 0.1
    assert falls[0] == falls[2] == 0


other_ways = [by_a_middle_pixel]
