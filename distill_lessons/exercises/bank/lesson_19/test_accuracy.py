"""Find the bug: a test that hardly tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons.exercises import testing
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.faults import measuring


def _in_one(net: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> Any:
    return (net(x).max(1).indices == y).double().mean()


def _counted(net: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    return measuring.accuracy(net, x, y, batch_size) * len(x)


def _mean_of_means(net: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    parts = zip(x.split(batch_size), y.split(batch_size), strict=True)
    return float(torch.tensor([measuring.accuracy(net, *part) for part in parts]).mean())


def _last_one_dropped(net: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    n = len(x) // batch_size * batch_size
    return measuring.accuracy(net, x[:n], y[:n], batch_size)


def _of_the_guess(net: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    return measuring.accuracy(net, x, net(x).argmax(1), batch_size)


def _scores(seed: int) -> list[Case]:
    right = {"in batches": measuring.accuracy, "in one pass": _in_one}
    wrong: dict[str, Callable[..., Any]] = {
        "labels compared with themselves": measuring.labels_with_themselves,
        "guesses compared with themselves": _of_the_guess,
        "a count for a share": _counted,
        "the mean of the batches' means": _mean_of_means,
        "the last, smaller batch left out": _last_one_dropped,
    }
    return testing.programs(seed, right, wrong)


GIVEN = """\
def test_accuracy(accuracy):
    x = torch.eye(5).view(5, 1, 1, 5)
    net = nn.Flatten()  # a net whose logits are the pixels: image k is class k to it
    y = torch.arange(5)
    assert abs(accuracy(net, x, y, 2) - 1.0) < 1e-6  # batches of 2, 2 and 1 image
"""

exercise = Exercise(
    title="Find the bug: a test that hardly tests",
    kind="bug",
    given=GIVEN,
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "This net is right about every image. What do programs return that look at no net at all?",
        "Make the net wrong about some images, by other labels. Which share is it right about, "
        "then?",
        "Three batches, of 2, 2 and 1 image. The mean of the three means is the share of the five "
        "only if you are unlucky with the labels; and the last image has to count.",
    ),
    cases=_scores,
    ask=testing.run,
)

# ==== Judging =====================================================================================

from distill_lessons.exercises import testing
from distill_lessons.exercises.parts import Mistake


def _right_about(
    *which: int, wanted: float | None = None, n: int = 5
) -> Callable[[Callable[..., Any]], None]:
    """Return a test with a net that is right about these of n images."""

    def test(accuracy: Callable[..., Any]) -> None:
        x, y = torch.eye(n).view(n, 1, 1, n), (torch.arange(n) + 1) % n
        y[list(which)] = torch.tensor(which)
        share = len(which) / n if wanted is None else wanted
        assert abs(float(accuracy(nn.Flatten(), x, y, 2)) - share) < 1e-6

    return test


judging = testing.judging(
    _right_about(0, 1, 3),
    Mistake("as given", _right_about(0, 1, 2, 3, 4), "", given=True),
    Mistake(
        "even batches",
        _right_about(0, 1, 3, n=6),
        "Your images fill every batch. Faults that show in the last, smaller one stay hidden.",
    ),
    Mistake(
        "wrong number",
        _right_about(0, 1, 3, wanted=0.5),
        "You expect a share that a right program does not return. Count again how often the net is "
        "right.",
    ),
)

# ==== Solution ====================================================================================


# The net is wrong about images 2 and 4, and so right about three of five. The mean of the batches'
# means would be a half, and without the last image it would be three of four.
def test_accuracy(accuracy):
    x = torch.eye(5).view(5, 1, 1, 5)
    net = nn.Flatten()
    y = torch.tensor([0, 1, 0, 3, 0])
    assert abs(accuracy(net, x, y, 2) - 0.6) < 1e-6


def with_a_constant_net(accuracy: Any) -> None:
    net = nn.Linear(2, 3)
    net.weight.data = torch.zeros(3, 2)
    net.bias.data = torch.tensor([0.0, 5.0, 1.0])
    y = torch.tensor([1, 1, 1, 0, 2, 1, 2])
    assert round(float(accuracy(net, torch.rand(7, 2), y, 3)) * 7, 3) == 4


other_ways = [with_a_constant_net]
