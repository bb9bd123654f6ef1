"""Values that stray into arguments, and the check that they are refused by name."""

from __future__ import annotations

import math
import re
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distill_lessons import models, seeds
from distill_lessons.data import Split

# function and argument -> what its message names, how it is called, the values that it refuses
Table = dict[str, tuple[str, Callable[[Any], object], dict[str, Any]]]

N = 20
X = torch.rand(N, 1, 4, 4, generator=seeds.generator(0))
Y = torch.arange(N) % 3
Z = torch.randn(N, 3, generator=seeds.generator(1))
S = Split(X, Y)


def net(seed: int = 0) -> nn.Sequential:
    return models.mlp((1, 4, 4), 3, (8,), seed=seed)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


class Answers(nn.Module):
    """A net that returns what a function makes of its pixels."""

    def __init__(self, answer: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.answer, self.weight = answer, nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Any:
        return self.answer(x.flatten(1) * self.weight)


def holding(value: float) -> Tensor:
    x = X.clone()
    x[5, 0, 2, 1] = value
    return x


NO_NUMBER = {"None": None, "text": "3", "a list": [1], "two numbers": torch.ones(2)}
NO_WHOLE = NO_NUMBER | {"NaN": math.nan, "infinity": math.inf, "half": 2.5}
TOO_SMALL = {"negative": -1, "zero": 0}
NO_SEED = NO_WHOLE | {"too large": 2**64}
NO_TENSOR = {"None": None, "NumPy": X.numpy(), "a list": X.tolist(), "text": "x"}
UNKNOWN_LABEL = {"label 3": Split(X, Y + 1), "label -1": Split(X, Y - 1)}
NO_LABELS = {"none": S.without_labels(), "soft": Split(X, Z.softmax(1))}
NO_LOGITS = {
    "a tuple": Answers(lambda x: (x, x)),
    "one row": Answers(lambda x: x[:1, :3]),
    "a column": Answers(lambda x: x[:, :1]),
    "flat": Answers(lambda x: x[:, 0]),
    "NaN": Answers(lambda x: x[:, :3] * math.nan),
    "infinite": Answers(lambda x: x[:, :3] * math.inf),
}


def cases(table: Table) -> list[Any]:
    """Return one parameter set for each value of a table."""
    return [
        pytest.param(said, call, value, id=f"{where}: {what}")
        for where, (said, call, values) in table.items()
        for what, value in values.items()
    ]


def check_refused(said: str, call: Callable[[Any], object], value: Any) -> None:
    """Assert that a call raises a ValueError or TypeError of the package that names `said`."""
    with pytest.raises((ValueError, TypeError)) as caught:
        call(value)
    assert re.search(said, str(caught.value)), str(caught.value)
    raised_in = traceback.extract_tb(caught.value.__traceback__)[-1].filename
    assert "distill_lessons" in raised_in, str(caught.value)
