"""A table of functions × arguments × bad values, and what has to come of each call.

A row is a function with good arguments and the kind of each. The kind says which values are tried
in that argument's place, and whether the result must be *the same* as with the good one (a NumPy
number, another precision), merely *fine* (finite: an extreme but legal number), or *refused*: a
ValueError or TypeError whose message names the argument and says what to do.
"""

from __future__ import annotations

import importlib
import inspect
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from distill_lessons import models
from distill_lessons.data import UNLABELLED, Data, Split

N, K, SHAPE = 9, 3, (1, 4, 4)
G = torch.Generator().manual_seed(0)
X, Z, Z_OTHER = torch.rand(N, *SHAPE, generator=G), *torch.randn(2, N, K, generator=G)
Y = torch.arange(N) % K


def net(seed: int = 0) -> nn.Sequential:
    return models.mlp(SHAPE, K, (8,), seed=seed)


def split() -> Split:
    return Split(X.clone(), Y.clone())


SAME, FINE, REFUSED = "the same", "fine", "refused"
# name of the value -> how to make it of the good one, and what must come of it
Kind = dict[str, tuple[Callable[[Any], Any], str]]


def refused(**values: Any) -> Kind:
    """Values that are refused whatever the good one is."""
    return {name: (lambda good, value=value: value, REFUSED) for name, value in values.items()}


def made(verdict: str, **makers: Callable[[Any], Any]) -> Kind:
    """Values that are made of the good one."""
    return {name: (make, verdict) for name, make in makers.items()}


NO_NUMBER = refused(none=None, text="2", a_list=[2, 2], two_numbers=torch.ones(2))
NO_TENSOR = refused(none=None, text="x", a_number=3) | made(
    REFUSED, numpy=lambda good: good.detach().numpy(), a_list=lambda good: good.tolist()
)
ON_META = made(REFUSED, meta=lambda good: good.to("meta"))
OTHER_NUMBERS = made(
    SAME,
    numpy_single=np.float32,
    numpy_double=np.float64,
    whole=lambda good: int(good) if good == int(good) else good,
    tensor=lambda good: torch.tensor(float(good), dtype=torch.float64),
)
OTHER_PRECISION = made(
    SAME,
    double=lambda good: good.double(),
    half=lambda good: good.half(),
    with_gradient=lambda good: good.clone().requires_grad_(),
    strided=lambda good: good.repeat_interleave(2, -1)[..., ::2],
)


def spoilt(value: float) -> Callable[[Tensor], Tensor]:
    def spoil(good: Tensor) -> Tensor:
        bad = good.clone()
        bad.view(-1)[-1] = value
        return bad

    return spoil


NOT_FINITE = made(REFUSED, nan=spoilt(math.nan), inf=spoilt(math.inf), minus_inf=spoilt(-math.inf))

TEMPERATURE = (
    NO_NUMBER
    | refused(zero=0.0, negative=-1.0, nan=math.nan, inf=math.inf)
    | OTHER_NUMBERS
    | made(FINE, huge=lambda good: 1e30, tiny=lambda good: 1e-38)
)
ALPHA = (
    NO_NUMBER
    | refused(negative=-0.1, above_one=1.1, nan=math.nan, inf=math.inf)
    | OTHER_NUMBERS
    | made(FINE, zero=lambda good: 0.0, one=lambda good: 1.0)
)
RATE = NO_NUMBER | refused(zero=0.0, negative=-1e-3, nan=math.nan, inf=math.inf) | OTHER_NUMBERS
COUNT = (
    NO_NUMBER
    | refused(zero=0, negative=-1, fraction=2.5, whole_float=2.0, nan=math.nan, inf=math.inf)
    | made(SAME, numpy=np.int64, small_numpy=np.uint8, tensor=torch.tensor)
)
SEED = (
    NO_NUMBER
    | refused(fraction=1.5, nan=math.nan, huge=2**70)
    | made(SAME, numpy=np.int64, small_numpy=np.uint8, tensor=torch.tensor)
    | made(FINE, negative=lambda good: -1, large=lambda good: 2**40)
)
LOGITS = (
    NO_TENSOR
    | ON_META
    | NOT_FINITE
    | OTHER_PRECISION
    | made(
        REFUSED,
        whole=lambda good: good.long(),
        flat=lambda good: good[0],
        deep=lambda good: good[..., None],
        empty=lambda good: good[:0],
        one_class=lambda good: good[:, :1],
    )
)
PAIRED_LOGITS = LOGITS | made(
    REFUSED, fewer_rows=lambda good: good[1:], fewer_classes=lambda good: good[:, 1:]
)
LABELS = (
    NO_TENSOR
    | ON_META
    | made(
        REFUSED,
        floats=lambda good: good.float(),
        onehot=lambda good: torch.nn.functional.one_hot(good, 3),
        fewer=lambda good: good[1:],
        beyond=spoilt(3),
        negative=spoilt(-1),
    )
    | made(SAME, strided=lambda good: good.repeat_interleave(2)[::2])
)
IMAGES = (
    NO_TENSOR
    | ON_META
    | OTHER_PRECISION
    | made(
        REFUSED,
        smaller=lambda good: good[..., 1:],
        flat=lambda good: good[:, 0, 0, 0],
        three_channels=lambda good: good.repeat(1, 3, 1, 1),
    )
)


class Lazy(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.LazyLinear(3))


class Columns(nn.Module):
    """Returns something that is no table of logits."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x.flatten(1)).mean()


MODEL = (
    refused(none=None, text="net", its_class=nn.Linear, a_function=torch.relu, number=3)
    | made(
        REFUSED,
        lazy=lambda good: Lazy(),
        other_size=lambda good: models.mlp((1, 5, 5), 3, (8,)),
        one_number=lambda good: Columns(),
        meta=lambda good: models.mlp((1, 4, 4), 3, (8,)).to("meta"),
    )
    | made(SAME, double=lambda good: good.double())
)


SPLIT = refused(none=None, text="digits", number=3) | made(
    REFUSED,
    a_pair=lambda good: (good.x, good.y),
    images_alone=lambda good: good.x,
    whole_data=lambda good: Data("toy", good, good, good, ("a", "b", "c")),
    other_size=lambda good: Split(good.x[..., 1:], good.y),
    colour=lambda good: Split(good.x.repeat(1, 3, 1, 1), good.y),
    meta=lambda good: good.to("meta"),
) | made(
    SAME,
    double=lambda good: Split(good.x.double(), good.y),
    strided=lambda good: Split(good.x.repeat_interleave(2, -1)[..., ::2], good.y),
)  # fmt: skip
LABELLED_SPLIT = SPLIT | made(
    REFUSED,
    unlabelled=lambda good: good.without_labels(),
    soft=lambda good: Split(good.x, torch.nn.functional.one_hot(good.y, K).float()),
    partly=lambda good: Split(good.x, spoilt(UNLABELLED)(good.y)),
    beyond=lambda good: Split(good.x, spoilt(3)(good.y)),
    negative=lambda good: Split(good.x, spoilt(-1)(good.y)),
)
# Where a net is looked at and not run, and images are not given to one, these are not seen.
NOT_RUN = {("model", name): None for name in ("other_size", "one_number", "meta")}
ANY_SIZE = {
    (argument, value): None for argument in ("split", "like") for value in ("other_size", "colour")
}
FUNCTION = refused(text="f", number=3, a_list=[])
WORD = refused(none=None, number=3, unknown="no such word", a_list=["x"])
# By which other words a message may name an argument: what runs is "the model", what a split holds
# is x and y, a list is named by its entries.
ALSO_NAMED = {
    **dict.fromkeys(("model", "student", "teacher", "students"), ("the model", "layer")),
    **dict.fromkeys(("split", "transfer", "labelled", "valid", "measure", "like"), ("x", "y")),
    **dict.fromkeys(("groups", "regions"), ("group", "groups")),
    **{"Ts": ("T",), "alphas": ("alpha",), "seeds": ("seed",), "image_shape": ("x",)},
}
FREE: Kind = {}  # whatever is given is taken: a title, a switch that Python reads as one


@dataclass(frozen=True)
class Row:
    """A function, its good arguments, and what may stand in their place.

    Attributes:
        call: the function.
        good: makes fresh arguments, since some are changed in place.
        kinds: the values to try for each argument.
        found: what of a call is compared: by default what it returns.
        but: verdicts that differ for this function, by argument and name of the value; None for a
            value that says nothing here.
        close: how far results that should be the same may be apart, relative to their size.
    """

    call: Callable[..., Any]
    good: Callable[[], dict[str, Any]]
    kinds: Mapping[str, Kind]
    found: Callable[[dict[str, Any], Any], Any] = lambda given, result: result
    but: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
    close: float = 1e-2


def trained(name: str) -> Callable[[dict[str, Any], Any], Any]:
    """Return what is compared after a training: the weights of the nets of that name."""
    return lambda given, result: given[name]


def numbers(value: Any) -> np.ndarray:
    """Return everything that is a number in a result, in order."""
    return np.array(list(_numbers(value)), dtype=np.float64)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, Tensor):
        yield from value.detach().double().flatten().tolist()
    elif isinstance(value, np.ndarray):
        yield from (value.ravel().astype(float).tolist() if value.dtype.kind in "biuf" else ())
    elif isinstance(value, pd.DataFrame | pd.Series):
        yield from _numbers(value.reset_index().select_dtypes("number").to_numpy())
    elif isinstance(value, nn.Module):
        yield from _numbers(list(value.state_dict().values()))
    elif isinstance(value, Mapping):
        yield from _numbers(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, bool | int | float | np.number):
        yield float(value)
    elif hasattr(value, "__dict__"):
        yield from _numbers(vars(value))


def outcome(row: Row, given: dict[str, Any]) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return numbers(row.found(given, _finished(row.call(**given))))


def _finished(result: Any) -> Any:
    """Return a result, walked through if it is walked through later."""
    return list(result) if inspect.isgenerator(result) else result


def complaints(row: Row, argument: str) -> list[str]:
    """Return a line for every value of one argument from which the wrong thing comes."""
    expected = outcome(row, row.good())
    wrong = []
    for name, (make, verdict) in row.kinds[argument].items():
        verdict = row.but.get((argument, name), verdict)
        if verdict is None:
            continue
        given = row.good()
        if argument.startswith("*"):
            given |= make(None)
        else:
            given[argument] = make(given[argument])
        complaint = _complaint(row, argument, given, verdict, expected)
        if complaint:
            wrong.append(f"{argument} = {name} ({verdict}): {complaint}")
    return wrong


def _complaint(
    row: Row, argument: str, given: dict[str, Any], verdict: str, expected: np.ndarray
) -> str:
    try:
        found = outcome(row, given)
    except (ValueError, TypeError) as error:
        said = str(error)
        if verdict != REFUSED:
            return f"is refused: {said}"
        named = [argument, *ALSO_NAMED.get(argument, ())]
        if not any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", said) for word in named):
            return f"a message that names none of {named}: {said!r}"
        if not re.search(r"[;:]|\b(must|give|use|need|needs)\b", said, re.I):
            return f"a message without a remedy: {said!r}"
        return ""
    except Exception as error:  # the point of the table: nothing else may come
        return f"{type(error).__name__}: {str(error)[:200]!r}"
    if verdict == REFUSED:
        return "is accepted"
    undefined = np.isnan(expected) if found.shape == expected.shape else False
    if not (np.isfinite(found) | undefined).all():  # what no input defines, such as a correlation
        return "a result that is not finite"
    if verdict == SAME:
        if found.shape != expected.shape:
            return f"{found.size} numbers in place of {expected.size}"
        scale = np.nanmax(np.abs(expected), initial=0.0)
        gap = np.nanmax(np.abs(found - expected), initial=0.0)
        if gap > row.close * scale:
            return f"a result off by {gap / scale:.2g}"
    return ""


def public(modules: Sequence[str]) -> dict[str, Callable[..., Any]]:
    """Return every function of these modules that a caller may use, by its dotted name."""
    found = {}
    for name in modules:
        module = importlib.import_module(f"distill_lessons.{name}")
        for key, value in vars(module).items():
            own = getattr(value, "__module__", None) == module.__name__
            if inspect.isfunction(value) and own and not key.startswith("_"):
                found[f"{name}.{key}"] = value
    return found


def missing_arguments(row: Row) -> list[str]:
    """Return the parameters of a function for which its row says nothing."""
    given = {name.lstrip("*") for name in row.kinds}
    return [
        name
        for name, parameter in inspect.signature(row.call).parameters.items()
        if name not in given and parameter.kind is not parameter.VAR_KEYWORD
    ]


def table_tests(
    table: Mapping[str, Row], unchecked: Mapping[str, str], modules: Sequence[str]
) -> tuple[Callable[..., None], Callable[..., None], Callable[..., None]]:
    """Return the tests of a table: of each argument, of each function, and of each row.

    Args:
        table: the rows, by the dotted names of the functions.
        unchecked: the functions that have no row, and why.
        modules: whose public functions the two must name.
    """
    pairs = [(name, argument) for name, row in table.items() for argument in row.kinds]

    @pytest.mark.parametrize(("name", "argument"), pairs, ids=[".".join(pair) for pair in pairs])
    def argument_is_taken_or_refused(name: str, argument: str) -> None:
        assert complaints(table[name], argument) == []

    def every_function_is_known() -> None:
        assert set(table) | set(unchecked) == set(public(modules))
        assert not set(table) & set(unchecked)

    @pytest.mark.parametrize("name", table)
    def every_argument_is_known(name: str) -> None:
        assert missing_arguments(table[name]) == []

    return argument_is_taken_or_refused, every_function_is_known, every_argument_is_known
