"""A learner's function while it is asked: are its arguments left as they were, is it its own work?

Judges no value. What it finds is raised as `NotCounted`, which says what to do.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from types import CodeType, FrameType
from typing import Any

import numpy as np


class NotCounted(Exception):
    """An answer that does not count, whatever it returns; the message is for the learner."""


def watched(
    answer: Callable[..., Any],
    *,
    may_change: Collection[int] = (),
    not_by: Sequence[Callable[..., Any]] = (),
) -> Callable[..., Any]:
    """Return the answer, watched at every call.

    Args:
        answer: a learner's function.
        may_change: places of the arguments that it may change in place, from 0.
        not_by: functions of the package that do what the exercise asks to write.

    Returns:
        A function that does the same, and raises `NotCounted`.
    """

    def runs(*arguments: Any) -> Any:
        before = [_contents(argument) for argument in arguments]
        with _calls_of(not_by) as called:
            result = answer(*arguments)
        if called:
            raise NotCounted(
                f"your code calls {called[0]}, which does what you are asked to write here. Write "
                "it yourself, and use that one afterwards."
            )
        for place, argument in enumerate(arguments):
            if place not in may_change and _contents(argument) != before[place]:
                name = _name(answer, place)
                raise NotCounted(
                    f"your function changes {name} itself, and whoever calls it still needs "
                    f"{name} as it was. {_copy_of(argument)}"
                )
        return result

    return runs


def _known_as(function: Callable[..., Any]) -> str:
    """Return a function's name behind that of the outermost package or module that offers it."""
    name, path = function.__name__, function.__module__.split(".")
    fronts = (".".join(path[: end + 1]) for end in range(len(path)))
    offering = (at for at in fronts if getattr(sys.modules.get(at), name, None) is function)
    return f"{next(offering, function.__module__).rpartition('.')[2]}.{name}"


def same_code(answer: Any, source: str) -> bool:
    """Say whether a function is what a source defines, whatever its comments and spaces.

    Args:
        answer: a learner's function.
        source: of one function.
    """
    code = getattr(answer, "__code__", None)
    defined = compile(source, "given", "exec").co_consts
    return code is not None and any(
        _does(code) == _does(given) for given in defined if isinstance(given, CodeType)
    )


def _does(code: CodeType) -> Any:
    inner = [_does(one) if isinstance(one, CodeType) else one for one in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, inner


def raised(error: BaseException, answer: Any) -> str:
    """Say what a learner's function raised, and in which of its lines."""
    code = getattr(answer, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    where = ""
    if own and own[-1].line:
        where = f", at the line `{own[-1].line}`"
    return f"your code raised {type(error).__name__}: {error}{where}"


def _contents(value: Any) -> Any:
    """Return the numbers in an argument, to be compared; None for what holds none.

    Of a net these are its weights and buffers: whether it trains and which weights have gradients
    is for an exercise to look at.
    """
    if hasattr(value, "state_dict") and hasattr(value, "parameters"):
        value = dict(value.state_dict())
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, dict):
        return {key: _contents(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_contents(part) for part in value]
    return repr(value) if isinstance(value, int | float | str) else None  # NaN equals NaN


def _copy_of(argument: Any) -> str:
    if hasattr(argument, "detach") or isinstance(argument, np.ndarray):
        return (
            "Work on a copy (`clone`): `view`, `flatten`, slices and `numpy()` share the memory of "
            "their tensor."
        )
    return "Work on a copy (`copy.deepcopy`)."


def _name(answer: Callable[..., Any], place: int) -> str:
    """Return how an answer calls its argument."""
    try:
        parameter = list(inspect.signature(answer).parameters.values())[place]
    except (IndexError, TypeError, ValueError):  # a function without a signature
        parameter = None
    if parameter is None or parameter.kind == parameter.VAR_POSITIONAL:
        return f"argument {place + 1}"
    return parameter.name


@contextlib.contextmanager
def _calls_of(functions: Sequence[Callable[..., Any]]) -> Iterator[list[str]]:
    """Note which of some functions are called, under whatever name and however deep."""
    called: list[str] = []
    if not functions:
        yield called
        return
    names: dict[CodeType, str] = {}
    for function in functions:
        plain = inspect.unwrap(function)
        whose = "torch's" if plain.__module__.startswith("torch") else "the course's own"
        names[plain.__code__] = f"{whose} `{_known_as(plain)}`"

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in names:
            called.append(names[frame.f_code])

    theirs = sys.getprofile()
    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(theirs)
