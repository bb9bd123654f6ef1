"""Memory stays bounded: the bytes of all tensors alive at once are counted while a work is done.

A system's own account of a process depends on its allocator and on what ran before; this count is
the same everywhere. The same work without its limit must come out far higher, or the bound would
say nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from distill_lessons import models, seeds
from distill_lessons.data import Split
from distill_lessons.explain import forward, groups, shapley
from distill_lessons.explain.permutation import permutation_importance
from distill_lessons.fast.stacking import fit_many, predict_many

MIB = 2**20
SHAPE = (1, 8, 8)


class _Counted(TorchDispatchMode):
    """Counts the memory of what operations make, from its making until nothing refers to it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = {t.untyped_storage()._cdata for t in tree_iter((args, kwargs)) if _is_tensor(t)}
        out = func(*args, **kwargs)
        for storage in (t.untyped_storage() for t in tree_iter(out) if _is_tensor(t)):
            key, size = storage._cdata, storage.nbytes()
            if key not in given | self.known:
                self.known.add(key)
                self.now += size
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self._freed, key, size)
        return out

    def _freed(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)


def held(work: Callable[[], object]) -> float:
    """Return the most MiB that tensors made by a work took up at once."""
    with _Counted() as counted:
        work()
    return counted.most / MIB


def images(n: int) -> Tensor:
    return torch.rand(n, *SHAPE, generator=seeds.generator(0))


def test_the_count_knows_what_is_alive_at_once() -> None:
    def chain() -> None:
        x = torch.ones(MIB)  # 4 MiB
        for _ in range(5):
            y = x.view(2, -1)[1:]  # no memory of its own
            x = x + 1  # the old and the new one
            y.mul_(2)
            del y

    assert held(chain) == 8
    kept: list[Tensor] = []
    assert held(lambda: kept.extend(torch.ones(MIB) for _ in range(5))) == 20


@pytest.mark.parametrize("chunk", [64, 1024])
def test_students_are_trained_in_chunks(chunk: int) -> None:
    """64 nets of 2410 weights take 0.6 MiB, and as much for gradients and each part of Adam."""
    split = Split(images(64), torch.arange(64) % 10)
    students = [models.mlp(SHAPE, 10, (32,), seed=s) for s in range(256)]
    limit = {} if chunk == 64 else {"chunk": chunk}  # 64 is what it is without asking
    found = held(lambda: fit_many(students, split, torch.zeros(64, 10), steps=1, **limit))
    assert (found < 6) == (chunk == 64), found
    assert (found > 12) == (chunk > 256), found


def test_logits_of_many_students_take_images_in_pieces() -> None:
    students = [models.cnn(SHAPE, 10, width=8, seed=s) for s in range(5)]
    few, many = images(1000), images(4000)
    assert held(lambda: predict_many(students, many)) < 12
    assert held(lambda: predict_many(students, many, batch_size=10**9)) > 60
    assert held(lambda: predict_many(students, few, batch_size=200)) < 2  # the logits take 0.2
    assert held(lambda: predict_many(students, few, batch_size=10**9)) > 15


@pytest.mark.parametrize("fast", [True, False])
def test_permutations_run_in_pieces(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, net = images(4000), torch.arange(4000) % 10, models.mlp(SHAPE, 10, (64,))

    def importance() -> None:
        permutation_importance(net, x, y, groups=[np.arange(10)], repeats=6, fast=fast, memory=4.0)

    assert held(importance) < 6  # of which x is 1
    monkeypatch.setattr(forward, "rows_per_chunk", lambda *sizes, **limits: 10**9)
    assert held(importance) > 10


@pytest.mark.parametrize(("classes", "hidden", "opaque"), [(10, 2048, False), (200, 16, True)])
def test_exact_values_of_many_images_respect_the_limit(
    classes: int, hidden: int, opaque: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, regions = images(240), groups.patches(SHAPE, (4, 2))  # 8 regions, 256 coalitions
    x, background = x[:5], x[40:]
    net = models.mlp(SHAPE, classes, (hidden,))
    if opaque:
        net.append(nn.Flatten())  # and is no plain stack any more

    def explain() -> None:
        shapley.exact(net, x, background, regions, memory=16.0)

    results = 2 * 5 * 8 * classes * 8 / MIB  # in pieces, and joined
    assert held(explain) < 16 + results
    monkeypatch.setattr(forward, "rows_per_chunk", lambda *sizes, **limits: 10**9)
    assert held(explain) > 1.5 * (16 + results)
