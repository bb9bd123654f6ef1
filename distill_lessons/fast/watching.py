"""Whether a step does the same each time: what a captured graph can stand for, and what not.

A graph repeats the operations that a device was given, and nothing that Python does between them.
So two steps are watched: which operations they ran, and what they left changed in the objects that
they use. Knows nothing about training.
"""

from __future__ import annotations

import functools
import random
import types
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_CONTAINERS = (dict, list, tuple, set, frozenset, deque)
_MOST = 50_000  # objects that one look follows; a net of a hundred layers has some 2,000

# Operations whose indices may be masks; then the size of the result depends on the numbers.
_INDEXING = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}


class Trace(TorchDispatchMode):
    """The operations of a block, forward and backward, on one device.

    Attributes:
        calls: what was called with which shapes, types and Python numbers.
        generators: the random generators that were handed to an operation.
        fixed: False once an operation was seen that a graph cannot hold.
    """

    def __init__(self, device: torch.device) -> None:
        """Prepare a trace; use it as a context."""
        super().__init__()
        self.device = device
        self.calls: list[tuple[Any, list[Any]]] = []
        self.generators: list[torch.Generator] = []
        self.fixed = True

    def __torch_dispatch__(
        self, func: Any, _: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and note it."""
        if func.namespace == "profiler":  # what torch's optimisers say to a profiler
            return func(*args, **(kwargs or {}))
        given = tree_flatten((args, kwargs or {}))[0]
        self.calls.append((func, [self._told(value) for value in given]))
        out = func(*args, **(kwargs or {}))
        self.fixed &= self._holds(func, given, tree_flatten(out)[0])
        for value in given:
            if isinstance(value, torch.Generator) and value not in self.generators:
                self.generators.append(value)
        return out

    def _told(self, value: Any) -> Any:
        """Return what must be the same at every step: of a tensor its form, else the value."""
        if not isinstance(value, Tensor):
            return value
        if value.ndim == 0 and value.device != self.device:
            return value.item()  # a graph keeps such a number as it is
        return value.shape, value.dtype, value.device

    def _holds(self, func: Any, given: Iterable[Any], made: Iterable[Any]) -> bool:
        name, tags = func._schema.name, func.tags
        tensors = [value for value in given if isinstance(value, Tensor)]
        if name in _INDEXING:
            if any(t.dtype in (torch.bool, torch.uint8) for t in tensors[1:]):
                return False
        elif torch.Tag.data_dependent_output in tags or torch.Tag.dynamic_output_shape in tags:
            return False
        tensors += [value for value in made if isinstance(value, Tensor)]
        if name == "aten::lift_fresh" and any(t.device == self.device for t in tensors):
            return False  # made of Python's numbers
        away = [t for t in tensors if t.device != self.device]
        if away and torch.Tag.nondeterministic_seeded in tags:
            return False
        generators = [value for value in given if isinstance(value, torch.Generator)]
        same_kind = all(g.device.type == self.device.type for g in generators)
        return same_kind and all(t.ndim == 0 for t in away)


def state(*roots: object) -> list[object] | None:
    """Return every Python object that `roots` lead to, in one order, to be compared later.

    Functions lead to what they close over and to the globals they name, other objects to their
    attributes. Tensors are ends, since a graph changes them as the step does. The list keeps the
    objects alive, so that another one cannot be taken for them.

    Returns:
        None if that cannot be told: there are too many, or one is an iterator, whose place no one
        sees.
    """
    draws = random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002 (a learner's)
    found: list[object] = [repr(draws)]
    seen: set[int] = set()
    waiting = deque(roots)
    while waiting:
        one = waiting.popleft()
        found.append(one)
        if isinstance(one, Iterator) or len(found) > _MOST:
            return None
        if id(one) not in seen:
            seen.add(id(one))
            waiting.extend(_parts(one))
    return found


def unchanged(before: list[object] | None, after: list[object] | None) -> bool:
    """Say whether two results of `state` are the same; False where either is None."""
    if before is None or after is None or len(before) != len(after):
        return False
    return all(map(_same, before, after))


def _same(a: object, b: object) -> bool:
    if type(a) is not type(b):
        return False
    # Of containers, the content stands further on in the list.
    return a is b or isinstance(a, _CONTAINERS) or (isinstance(a, _PLAIN) and a == b)


def _parts(one: Any) -> Iterable[object]:
    if isinstance(one, (*_PLAIN, Tensor, torch.Generator, types.ModuleType, type)):
        return ()
    if isinstance(one, dict):
        return (*one.keys(), *one.values())
    if isinstance(one, _CONTAINERS):
        return tuple(one)
    if isinstance(one, types.FunctionType):
        return _parts_of_function(one)
    if isinstance(one, types.MethodType):
        return one.__self__, one.__func__
    if isinstance(one, functools.partial):
        return one.func, one.args, one.keywords
    return tuple(getattr(one, "__dict__", {}).values())


def _parts_of_function(function: types.FunctionType) -> Iterator[object]:
    library = (function.__module__ or "").partition(".")[0]
    if library in ("torch", "numpy"):
        return
    yield from function.__dict__.values()
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not yet filled
            continue
    if library != "distill_lessons":  # which keeps nothing of a step in its modules
        for name in _names(function.__code__):
            if name in function.__globals__:
                yield function.__globals__[name]


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
