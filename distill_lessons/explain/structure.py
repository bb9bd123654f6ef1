"""Structure explanations, the whole: the layers of a model, what feeds what, and what each costs.

The layer graph as a table, read off one forward pass by hooks. Single units are in `units`. Knows
nothing about training; nothing here says why a *prediction* came out as it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from distill_lessons.evaluation import as_input, refusing
from distill_lessons.explain import forward
from distill_lessons.models import multiply_adds

JOINS = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Cat": "concatenate", "Stack": "stack"}
NO_MULTIPLY_ADDS = (nn.Embedding, nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)


@contextmanager
def _weights_made(model: nn.Module) -> Iterator[None]:
    """Compute parametrised weights beforehand: that is no work of the layer that uses them."""
    with parametrize.cached():
        for module in model.modules():
            if parametrize.is_parametrized(module):
                for name in module.parametrizations:  # type: ignore[union-attr]
                    getattr(module, name)
        yield


def layers(model: nn.Module, x: Tensor) -> pd.DataFrame:
    """Run one input through a model and list its layers in the order in which they are called.

    A layer is a module without children, or a compound one of torch itself, such as
    `nn.MultiheadAttention`. Which layer feeds which is read from autograd's graph, so that branches
    and sums written in `forward` are found too.

    Args:
        model: any model that takes one tensor. A copy of it is run.
        x: a batch; only its first input is used.

    Returns:
        One row per call: `layer` (its name, with "#2" for a second call), `kind`, `output_shape`
        (without N), `parameters` (counted at the first call), `multiply_adds` per input, as
        `models.multiply_adds` counts them (NaN where it counts none though there are weights; norms
        and activations count 0), `inputs` (names of the layers that feed it)
        and `joined_by` (the operation that brought several inputs together). The first row is the
        input; a last row "output" appears where `forward` joins layers at its end. Parameters that
        belong to no layer, such as a free `nn.Parameter`, are not listed.

    Raises:
        TypeError: if `model` is not a module, or x not a tensor.
        ValueError: if x holds no input, the model cannot take it, or no layer is called.
    """
    x = as_input(model, x)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError("x holds no input; give at least one, its shape decides the layers'.")
    twin = forward.deep_copy(model).eval()
    for parameter in twin.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    rows: list[dict[str, Any]] = []
    made: dict[Any, int] = {}  # autograd node -> row that produced it; keeps the nodes alive
    counted: set[nn.Parameter] = set()
    calls: dict[str, int] = {}
    start_count = 0  # multiply-adds before the layer that runs

    def record(
        name: str, kind: str, out: Tensor, sources: Sequence[int], join: str, **costs: float
    ) -> None:
        calls[name] = calls.get(name, 0) + 1
        rows.append(
            {
                "layer": name if calls[name] == 1 else f"{name}#{calls[name]}",
                "kind": kind,
                "output_shape": tuple(out.shape[1:]),
                "parameters": 0,
                "multiply_adds": 0,
                "inputs": tuple(rows[i]["layer"] for i in sources),
                "joined_by": join,
                **costs,
            }
        )

    def before(layer: nn.Module, args: Any) -> None:
        nonlocal start_count
        start_count = count()

    def hook(name: str) -> Callable[..., Any]:
        def after(layer: nn.Module, args: Any, kwargs: Any, out: Any) -> Any:
            sources, join = _sources([*_tensors(args), *_tensors(kwargs)], made)
            new = [p for p in layer.parameters() if p not in counted]
            counted.update(new)
            spent = count() - start_count
            free = isinstance(layer, NO_MULTIPLY_ADDS) or not list(layer.parameters())
            cost = {
                "parameters": sum(p.numel() for p in new),
                "multiply_adds": spent if spent or free else float("nan"),
            }
            # clone: an autograd node of its own, also for layers that pass their input through
            out = _clone(out)
            record(name, forward.kind_of(layer), _tensors(out)[0], sources, join, **cost)
            made.update((t.grad_fn, len(rows) - 1) for t in _tensors(out) if t.grad_fn is not None)
            return out

        return after

    for name, module in _layers_of(twin):
        module.register_forward_pre_hook(before)
        module.register_forward_hook(hook(name), with_kwargs=True)
    start = x[:1].detach()
    with torch.enable_grad(), _weights_made(twin), multiply_adds() as count:
        start = (start.requires_grad_() if start.is_floating_point() else start).clone()
        record("input", "Input", start, [], "")
        if start.grad_fn is not None:
            made[start.grad_fn] = 0
        with refusing(x):
            out = twin(start)
    if len(rows) == 1:
        raise ValueError(f"model={type(model).__name__} calls no layer; give one made of modules.")
    sources, join = _sources(_tensors(out), made)
    if sources != [len(rows) - 1]:
        record("output", "Output", _tensors(out)[0], sources, join)
    return pd.DataFrame(rows)


def _layers_of(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the named modules that count as layers, none inside another."""
    found: list[tuple[str, nn.Module]] = []
    for name, module in model.named_modules():
        torchs = type(module).__module__.startswith("torch.nn.modules")
        holder = isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)
        inside = any(name.startswith(f"{outer}.") for outer, _ in found)
        computed = parametrize.is_parametrized(module)  # its children make its weight
        if not inside and (not list(module.children()) or computed or (torchs and not holder)):
            found.append((name or type(module).__name__, module))
    return found


def _sources(tensors: Sequence[Tensor], made: dict[Any, int]) -> tuple[list[int], str]:
    """Walk autograd's graph back to the rows that made these tensors; name the join on the way."""
    found: set[int] = set()
    joins: list[str] = []
    seen: set[Any] = set()
    stack = [t.grad_fn for t in tensors]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node in made:
            found.add(made[node])
            continue
        parents = [parent for parent, _ in node.next_functions if parent is not None]
        if len(parents) > 1:
            joins += [word for start, word in JOINS.items() if node.name().startswith(start)]
        stack += parents
    # A tensor without history, such as token numbers, comes from the input.
    return sorted(found) or [0], joins[-1] if len(found) > 1 and joins else ""


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return (
        [t for part in parts for t in _tensors(part)]
        if isinstance(value, tuple | list | dict)
        else []
    )


def _clone(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    return type(value)(_clone(part) for part in value) if type(value) in (tuple, list) else value
