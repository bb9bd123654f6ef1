"""Who gets the credit for one prediction? Shapley's sum, a coalition's value, reused ReLUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb, factorial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons import models
from distill_lessons.exercises.exercise import Case, Exercise, Mistake
from distill_lessons.explain import shapley
from distill_lessons.explain.checks import check_explainable

# By hand -----------------------------------------------------------------------------------------

ann_gets = Exercise(
    lesson="06",
    name="ann_gets",
    title="Gloves",
    kind="read",
    difficulty="easy",
    importance="high",
    minutes=6,
    hints=(
        "Write down the six orders of arrival. Who brings the 1 in each of them?",
        "The pair is complete when the first right glove meets the left one. In which orders is "
        "it not Ann who completes it?",
    ),
    tolerance=0.01,
)

# The sum over coalitions -------------------------------------------------------------------------

Value = Callable[[Sequence[int]], float]


def _game(table: Sequence[float]) -> Value:
    """Return the value of a coalition, given as any collection of players, from a binary table."""

    def value(coalition: Sequence[int]) -> float:
        return float(table[sum(1 << int(player) for player in set(coalition))])

    return value


def _games(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    stall = _game([0, 4, 2, 9, 0, 4, 5, 12])
    names = ("Ann", "Bo", "Cy")
    cases = [
        Case(f"the market stall, n = 3, r = {r} ({names[r]})", (stall, 3, r)) for r in range(3)
    ]
    four = _game(rng.normal(size=16).round(2).tolist())
    return cases + [Case(f"a game of n = 4 players, r = {r}", (four, 4, r)) for r in (0, 3)]


def _from_table(value: Value, n: int, r: int) -> float:
    table = [value([p for p in range(n) if mask >> p & 1]) for mask in range(2**n)]
    return float(shapley.shapley_of_game(np.array(table))[r])


def _weighted(
    weight: Callable[[int, int], float], *, first: int = 0, last: int = 0, brought: bool = True
) -> Callable[[Value, int, int], float]:
    """Return a sum over coalitions as in Shapley's formula, with weights (n, size) of another.

    It leaves out the `first` smallest sizes and the `last` largest ones.
    """

    def share(value: Value, n: int, r: int) -> float:
        others = [p for p in range(n) if p != r]
        return sum(
            weight(n, size) * (value([*before, r]) - (value(before) if brought else 0.0))
            for size in range(first, n - last)
            for before in combinations(others, size)
        )

    return share


def _right_weight(n: int, size: int) -> float:
    return 1 / (n * comb(n - 1, size))


shapley_share = Exercise(
    lesson="06",
    name="shapley_share",
    title="Shapley's sum",
    kind="code",
    difficulty="hard",
    importance="high",
    minutes=12,
    points=3,
    hints=(
        "Two loops: over the sizes from 0 to n − 1, and over the coalitions of that size among "
        "the *other* players.",
        "`itertools.combinations(others, size)` gives these coalitions as tuples; `(*S, r)` is "
        "one of them with r.",
        "The weight is `factorial(size) * factorial(n - size - 1) / factorial(n)`, with "
        "`from math import factorial`. It multiplies what r brings, not what is there.",
    ),
    cases=_games,
    reference=_from_table,
    mistakes=(
        Mistake(
            "no |S|!",
            _weighted(lambda n, size: factorial(n - size - 1) / factorial(n)),
            "The weights lack |S|!, the number of orders in which those before r may have come.",
        ),
        Mistake(
            "empty coalition left out",
            _weighted(_right_weight, first=1),
            "The empty coalition is left out: r may also be the first to arrive.",
        ),
        Mistake(
            "all others left out",
            _weighted(_right_weight, last=1),
            "The largest coalition is left out, that of all others: r may also be the last to "
            "arrive. `range(n)` ends at n − 1.",
        ),
        Mistake(
            "r among those after it",
            _weighted(lambda n, size: factorial(size) * factorial(n - size) / factorial(n)),
            "Your weights have (n − |S|)!, too large: r itself is not among those who come after "
            "it.",
        ),
        Mistake(
            "equal weights",
            _weighted(lambda n, size: 0.5 ** (n - 1)),
            "You give all coalitions the same weight (that is the Banzhaf value). Shapley gives "
            "all *orders* the same weight, and some coalitions come first in more orders.",
        ),
        Mistake(
            "sum, not mean",
            _weighted(lambda n, size: factorial(n) * _right_weight(n, size)),
            "This is the sum over all orders of arrival, not their mean.",
        ),
        Mistake(
            "value, not contribution",
            _weighted(_right_weight, brought=False),
            "You add up what each coalition with r is worth. Take away what it is worth without r.",
        ),
        Mistake(
            "alone",
            lambda value, n, r: value((r,)) - value(()),
            "This is what r brings to nobody. What does r bring when others are there already?",
        ),
        Mistake(
            "last",
            lambda value, n, r: value(range(n)) - value([p for p in range(n) if p != r]),
            "This is what r brings as the last one. r may come earlier.",
        ),
    ),
)

# The value of a coalition ------------------------------------------------------------------------


def _images(seed: int) -> list[Case]:
    cases = []
    for shape, classes, present in (((1, 1, 3), 2, [0]), ((2, 2, 3), 4, [1, 4, 5, 10])):
        dice = torch.Generator().manual_seed(seed + classes)
        net = models.mlp(shape, classes, (8,), seed=seed).requires_grad_(False)
        for weight in net.parameters():
            weight.mul_(3.0)  # so that the net bends between image and background
        image, background = torch.rand(6, *shape, generator=dice).split((1, 5))
        words = f"an image of shape {shape}, 5 background images, K = {classes}, present {present}"
        cases.append(Case(words, (net, image, background, torch.tensor(present))))
    return cases


def _mixed(image: Tensor, background: Tensor, present: Tensor) -> Tensor:
    there = torch.zeros(image[0].numel(), dtype=torch.bool).index_fill(0, present, True)
    return torch.where(there.view(image.shape[1:]), image, background)


def _centred(z: Tensor) -> Tensor:
    return z - z.mean(-1, keepdim=True)


def _one_by_one(model: nn.Module, image: Tensor, background: Tensor, present: Tensor) -> Tensor:
    # log-softmax is the logits minus one number per image, which centring takes away.
    values = [
        _centred(model(_mixed(image, other, present)).log_softmax(1))[0]
        for other in background.split(1)
    ]
    return sum(values, torch.zeros_like(values[0])) / len(background)


def _turned(model: nn.Module, image: Tensor, background: Tensor, present: Tensor) -> Tensor:
    absent = [f for f in range(image[0].numel()) if f not in present.tolist()]
    return _one_by_one(model, image, background, torch.tensor(absent))


def _asked(
    answer: Callable[..., Any], model: nn.Module, image: Tensor, background: Tensor, present: Tensor
) -> Any:
    """Return the answer, what it left of its arguments, and whether the model was given images."""
    before, shapes = background.clone(), set()
    watch = model.register_forward_pre_hook(lambda _, inputs: shapes.add(inputs[0].shape[1:]))
    try:
        found = answer(model, image, background, present)
    finally:
        watch.remove()
    if found is None:
        return None
    return {
        "the values": found,
        "the background is as it was": torch.equal(background, before),
        "the model is given images": shapes <= {image.shape[1:]},
    }


def _in_place(model: nn.Module, image: Tensor, background: Tensor, present: Tensor) -> Tensor:
    background.copy_(_mixed(image, background, present))
    return _centred(model(background)).mean(0)


coalition_value = Exercise(
    lesson="06",
    name="coalition_value",
    title="The value of a coalition",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "Begin with a flat copy of the whole background, `(B, D)`, and put the present features of "
        "the image into every row.",
        "The model answers for each of the B mixtures, `(B, K)`. Which mean is over the classes, "
        "and which over the background?",
        "`z - z.mean(1, keepdim=True)` centres each mixture; the mean over axis 0 comes last.",
    ),
    cases=_images,
    ask=_asked,
    reference=_one_by_one,
    mistakes=(
        Mistake(
            "in place",
            _in_place,
            "Your values are right, but the background was overwritten: the next coalition would "
            "meet mixtures. `flatten` shares the memory of its tensor, so work on a copy.",
        ),
        Mistake(
            "flat rows",
            lambda model, image, background, present: _centred(
                model(_mixed(image, background, present).flatten(1))
            ).mean(0),
            "Your values are right, but the model was given flat rows of pixels. It reads images, "
            "(B, C, H, W), and a convolutional net would stop here: `mixed.view_as(background)`.",
        ),
        Mistake(
            "base value subtracted",
            lambda model, image, background, present: (
                _one_by_one(model, image, background, present) - _centred(model(background)).mean(0)
            ),
            "You subtracted the base value; v(S) is the output itself.",
        ),
        Mistake(
            "absent as zero",
            lambda model, image, background, present: _one_by_one(
                model, image, torch.zeros_like(image), present
            ),
            "You put zeros where a feature is absent. It is to be taken from the background "
            "images, one after the other.",
        ),
        Mistake(
            "the mean image",
            lambda model, image, background, present: _one_by_one(
                model, image, background.mean(0, keepdim=True), present
            ),
            "You asked the model once, about the mean of the background. Ask it about every "
            "background image, and average its answers.",
        ),
        Mistake(
            "probabilities",
            lambda model, image, background, present: (
                model(_mixed(image, background, present)).softmax(1).mean(0)
            ),
            "These are probabilities; centred logits are due.",
        ),
        Mistake(
            "raw logits",
            lambda model, image, background, present: model(
                _mixed(image, background, present)
            ).mean(0),
            "The logits are not centred: subtract from each the mean over the K classes.",
        ),
        Mistake(
            "centred over images",
            lambda model, image, background, present: (
                lambda z: (z - z.mean(0, keepdim=True)).mean(0)
            )(model(_mixed(image, background, present))),
            "You subtracted the mean over the background images, so nothing is left. Centring "
            "subtracts, within each image, the mean over the classes.",
        ),
        Mistake(
            "present and absent turned",
            _turned,
            "Present and absent are turned: the image gives the features in `present`, the "
            "background all others.",
        ),
    ),
)

# A net that deep SHAP gets wrong -----------------------------------------------------------------


def _layers(seed: int) -> list[Case]:
    cases = []
    for hidden in ((5, 4), (6, 5, 4)):
        net = models.mlp((1, 2, 3), 3, hidden, seed=seed).requires_grad_(False)
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
    x = torch.linspace(-1.0, 1.0, 24).view(4, 1, 2, 3)
    complaints = " ".join(check_explainable(net, (1, 2, 3)))
    return {"logits": net(x), "the linter says": complaints or "no complaint"}


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


build_net = Exercise(
    lesson="06",
    name="build_net",
    title="Find the bug: a net that deep SHAP gets wrong",
    kind="bug",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Ask the linter: `checks.check_explainable(build_net([...]), shape)` names the layer.",
        "How many ReLUs does the function make, and how many places are there?",
        "Every `nn.ReLU()` makes one module. A list such as `[relu] * 2` holds the same one twice.",
    ),
    cases=_layers,
    ask=_linted,
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

# To read -----------------------------------------------------------------------------------------

CHOICES = tuple(letter + number for letter in "abc" for number in "123")

traces_of_a_three = Exercise(
    lesson="06",
    name="traces_of_a_three",
    title="Red where nothing is",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Which question does this map answer? Begin the question with 'compared with'.",
        "What happens to the output when the empty pixel of the 7 takes the place of the ink of "
        "the 3?",
    ),
    options=CHOICES,
)

it_adds_up = Exercise(
    lesson="06",
    name="it_adds_up",
    title="It adds up to six digits",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Which of the three could be said of the values that we handed to the neighbouring region?",
        "How many numbers are to be found for one class, and how many equations were checked?",
    ),
    options=CHOICES,
)
