"""Find the bug: a net that deep SHAP gets wrong."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from distill_lessons import models
from distill_lessons.exercises.dice import dice, mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.explain.checks import check_explainable


def _layers(seed: int) -> list[Case]:
    cases = []
    for hidden in ((5, 4), (6, 5, 4)):
        net = models.mlp((1, 2, 3), 3, hidden, seed=mixed(seed)).requires_grad_(False)
        linears = [layer for layer in net if isinstance(layer, nn.Linear)]
        words = f"{len(linears)} linear layers of {', '.join(map(str, hidden))} and 3 units"
        cases.append(Case(words, (linears,)))
    return cases


def _linted(answer: Any, linears: list[nn.Linear]) -> Any:
    net = answer(linears)
    if net is None:
        return None
    if not isinstance(net, nn.Module):
        raise TypeError(f"build_net is to return a net, this is a {type(net).__name__}")
    x = 3 * torch.randn(32, 1, 2, 3, generator=dice(0))  # so many that every unit speaks
    complaints = " ".join(check_explainable(net, (1, 2, 3)))
    return {"logits": net(x), "the linter says": complaints or "no complaint"}


GIVEN = """\
def build_net(linears):
    relu = nn.ReLU()
    net = nn.Sequential(nn.Flatten())
    for linear in linears[:-1]:
        net.extend([linear, relu])
    return net.append(linears[-1])
"""

exercise = Exercise(
    title="Find the bug: a net that deep SHAP gets wrong",
    kind="bug",
    given=GIVEN,
    difficulty="easy",
    importance="high",
    minutes=3,
    points=2,
    hints=(
        "Ask the linter: `checks.check_explainable(build_net([...]), shape)` names the layer.",
        "How many ReLUs does the function make, and how many places are there?",
        "Every `nn.ReLU()` makes one module. A list such as `[relu] * 2` holds the same one twice.",
    ),
    cases=_layers,
    ask=_linted,
    tolerance=1e-5,  # the same layers give the same logits, to rounding
)

# ==== Judging =====================================================================================

from collections.abc import Callable, Sequence

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _fresh(
    linears: Sequence[nn.Linear], make: Callable[[], nn.Module] = nn.ReLU, *, last: bool = False
) -> nn.Sequential:
    pairs = [(make(), linear) for linear in linears[1:]]
    net = nn.Sequential(nn.Flatten(), linears[0], *(part for pair in pairs for part in pair))
    return net.append(make()) if last else net


def _shared(linears: Sequence[nn.Linear]) -> nn.Sequential:
    one = nn.ReLU()
    return _fresh(linears, lambda: one)


class _Unseen(nn.Module):
    def __init__(self, linears: Sequence[nn.Linear]):
        super().__init__()
        self.linears = nn.ModuleList(linears)

    def forward(self, x: Tensor) -> Tensor:
        h = x.flatten(1)
        for linear in self.linears[:-1]:
            h = torch.relu(linear(h))
        found: Tensor = self.linears[-1](h)
        return found


judging = Judging(
    reference=_fresh,
    mistakes=(
        Mistake("as given", _shared, "", given=True),
        Mistake(
            "no ReLU at all",
            lambda linears: _fresh(linears, nn.Identity),
            "Without ReLUs the linter is content, but it is another net: all its layers together "
            "are one linear layer.",
        ),
        Mistake(
            "a ReLU on the logits",
            lambda linears: _fresh(linears, last=True),
            "There is a ReLU behind the last layer: it sets negative logits to zero.",
        ),
        Mistake(
            "a function",
            _Unseen,
            "The right net, but a ReLU called as a function in `forward` is no module, and deep "
            "SHAP does not see it.",
        ),
        Mistake(
            "in place",
            lambda linears: _fresh(linears, lambda: nn.ReLU(inplace=True)),
            "`inplace=True` overwrites the numbers that deep SHAP needs. Leave it out.",
        ),
    ),
)

# ==== Solution ====================================================================================

from collections import OrderedDict


# One ReLU module stood in every place, and of a module that is used twice deep SHAP remembers only
# one use. The logits are the same either way, so no test of the predictions shows the bug.
def build_net(linears):
    net = nn.Sequential(nn.Flatten())
    for linear in linears[:-1]:
        net.extend([linear, nn.ReLU()])
    return net.append(linears[-1])


def net_by_name(linears: Any) -> nn.Module:
    named: OrderedDict[str, nn.Module] = OrderedDict(flat=nn.Flatten())
    for i, linear in enumerate(linears):
        if i:
            named[f"relu{i}"] = nn.ReLU()
        named[f"linear{i}"] = linear
    return nn.Sequential(named)


class Listed(nn.Module):
    def __init__(self, linears: Any) -> None:
        super().__init__()
        self.linears = nn.ModuleList(linears)
        self.relus = nn.ModuleList(nn.ReLU() for _ in linears[1:])

    def forward(self, x: torch.Tensor) -> Any:
        h = self.linears[0](x.reshape(len(x), -1))
        for relu, linear in zip(self.relus, self.linears[1:], strict=True):
            h = linear(relu(h))
        return h


other_ways = [net_by_name, Listed]
