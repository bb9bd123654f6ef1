"""A stand-in for CUDA's graphs on the CPU: it records operations and repeats these, not Python.

As on a GPU, recording leaves no trace in the tensors, a number cannot be read while it goes on, and
what Python does in a step is not done again when the tape is played. All that it recorded is held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


class CannotRecord(RuntimeError):
    """An operation was met that needs a number from the device."""


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_flatten(tree)[0] if isinstance(leaf, Tensor)]


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.tape: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Tensor]]] = []
        self.made: set[int] = set()
        self.before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func.namespace == "profiler":
            return func(*args, **kwargs)
        if torch.Tag.data_dependent_output in func.tags:
            raise CannotRecord(f"{func} reads a number while the step is captured")
        for tensor in self._overwritten(func, args, kwargs):
            key = _place(tensor)
            if key not in self.made and key not in self.before:
                self.before[key] = tensor, tensor.detach().clone()
        out = func(*args, **kwargs)
        self.tape.append((func, args, kwargs, _tensors(out)))  # held, so that no place is reused
        if _returns_new(func):
            self.made |= set(map(_place, _tensors(out)))
        return out

    @staticmethod
    def _overwritten(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
        found: list[Tensor] = []
        for place, argument in enumerate(func._schema.arguments):
            alias = argument.alias_info
            # The first two are what batch normalisation overwrites without saying so.
            if argument.name in ("running_mean", "running_var") or (alias and alias.is_write):
                given = args[place] if place < len(args) else kwargs.get(argument.name)
                found += _tensors(given)
        return found


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _returns_new(func: Any) -> bool:
    return all(out.alias_info is None for out in func._schema.returns)


class Tape:
    """An engine for `fast.captured`; it counts what it does."""

    def __init__(self) -> None:
        self.captured = 0
        self.replayed = 0
        self.entered = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        self.entered += 1
        yield

    def capture(
        self, work: Callable[[], Tensor], generators: Sequence[torch.Generator]
    ) -> Callable[[], Tensor]:
        drawing = [torch.default_generator, *generators]
        states = [generator.get_state() for generator in drawing]
        recorder = _Recorder()
        try:
            with recorder:
                out = work()
        finally:
            with torch.no_grad():
                for tensor, before in recorder.before.values():
                    tensor.copy_(before)
            for generator, state in zip(drawing, states, strict=True):
                generator.set_state(state)
        self.captured += 1

        def replay() -> Tensor:
            self.replayed += 1
            with torch.no_grad():
                for func, args, kwargs, made in recorder.tape:
                    again = func(*args, **kwargs)
                    if _returns_new(func):
                        for old, new in zip(made, _tensors(again), strict=True):
                            old.copy_(new)
            return out

        return replay
