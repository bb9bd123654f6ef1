"""Models with fresh random weights: the control that shows what a model that learnt nothing shows.

Knows nothing about explanations; `quality.randomisation_check` puts them to use.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.nn.utils import parametrize

from distill_lessons import seeds
from distill_lessons.evaluation import check_built
from distill_lessons.explain import forward
from distill_lessons.settings import one_of
from distill_lessons.tensors import check_type

_REMOVE = (
    "Remove what computes the weight first: parametrize.remove_parametrizations, prune.remove, "
    "remove_weight_norm or remove_spectral_norm of torch.nn.utils."
)


def randomised(model: nn.Module, seed: int, *, layers: Iterable[str] | None = None) -> nn.Module:
    """Return a copy of a model with fresh random weights: what a model that learnt nothing shows.

    Each layer is initialised by its own `reset_parameters`, as when it was built. The copy has the
    model's mode and device; the weights depend on `seed` alone.

    Args:
        model: any model whose layers can reset themselves (torch's own can).
        seed: of the new weights.
        layers: names of the layers to reset, as in `resettable_layers`; by default all of them.

    Raises:
        TypeError: if `model` is not a module, or `layers` not a list.
        ValueError: for no layer, an unknown one, or one that does not draw all of its weights anew.
    """
    check_built(model)
    twin = forward.deep_copy(model)
    modules = dict(twin.named_modules())
    known = resettable_layers(model)
    if layers is not None:
        check_type("layers", layers, Iterable, "a list of names, or None for all layers")
    wanted = known if layers is None else [one_of("layers", name, known) for name in layers]
    if not wanted:
        raise ValueError(f"layers is empty; name some of {known}, or leave it out for all of them.")
    # Reset on the CPU from torch's CPU generator alone, so that the weights and the state of the
    # other generators do not depend on the device.
    with seeds.fork_rng(seed):
        for name in wanted:
            device = next(iter(modules[name].state_dict().values())).device
            modules[name].to("cpu")
            _reset(name, modules[name])
            modules[name].to(device)
    return twin


def resettable_layers(model: nn.Module) -> list[str]:
    """Return the names of all layers that hold what was learnt, in the order of the model.

    That is weights, and the running statistics of norms.

    Raises:
        ValueError: if there is none, or one of them cannot reset itself.
    """
    check_built(model)
    names: list[str] = []
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module):
            hidden = ", ".join(map(repr, module.parametrizations))
            raise ValueError(
                f"layer {name!r} ({forward.kind_of(module)}) computes {hidden} from other tensors, "
                f"which its reset_parameters() does not reach. {_REMOVE}"
            )
        weights = next(module.parameters(recurse=False), None) is not None
        if weights and _resetter(module) is None:
            raise ValueError(
                f"layer {name!r} ({type(module).__name__}) has weights but no "
                "reset_parameters(); give it one that draws them anew."
            )
        statistics = next(module.buffers(recurse=False), None) is not None
        if weights or (statistics and _resetter(module) is not None):
            names.append(name)
    if not names:
        raise ValueError(f"model={type(model).__name__} has no weights to randomise.")
    return names


def _resetter(module: nn.Module) -> Any:
    # nn.MultiheadAttention spells it with an underscore
    return getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))


def _reset(name: str, layer: nn.Module) -> None:
    """Let a layer draw its weights anew, and make sure that it did so for every one of them."""
    own = {n: p for n, p in layer.named_parameters(recurse=False) if p.is_floating_point()}
    for parameter in own.values():
        parameter.data.fill_(float("nan"))
    _resetter(layer)()
    kept = [n for n, p in layer.named_parameters(recurse=False) if p.isnan().any()]
    if kept:
        raise ValueError(
            f"layer {name!r} ({type(layer).__name__}) keeps {', '.join(map(repr, kept))} through "
            "reset_parameters(), which must draw every weight anew. If the layer is pruned or has "
            f"a weight or spectral norm: {_REMOVE}"
        )
