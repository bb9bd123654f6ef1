"""Running a model fast and without a trace: copies, layer lists, chunk sizes, the long-run notice.

What `permutation`, `shapley` and `shap_adapters` share. Two facts about plain nets make them fast:
a linear first layer is a sum over features, so only the features that changed need to be added
again; and a linear last layer may be applied after an average instead of before it.
Knows nothing about importance or attribution.
"""

from __future__ import annotations

import copy
import functools
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm
from torch.overrides import TorchFunctionMode

from distill_lessons import seeds, settings
from distill_lessons.evaluation import check_built
from distill_lessons.settings import number

SILENT_IN_EVAL = (nn.Dropout, nn.Identity)  # do nothing in eval mode
MIB = 2**20
CACHE = 2 * MIB  # activations of a chunk that stay near the processor
MIN_ROWS = 64  # below this the cost of calling torch outweighs the cache


def deep_copy(model: nn.Module) -> nn.Module:
    """Return a copy that shares nothing with the model, also straight after a training step.

    `copy.deepcopy` alone refuses a tensor with a history. Many a model keeps one: the weight that
    pruning or weight norm computed at the last call, or activations kept for a look at them.
    """
    check_built(model)
    with _DetachedCopies():
        return copy.deepcopy(model)


class _DetachedCopies(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is Tensor.__deepcopy__ and (args[0].grad_fn is not None or args[0].is_inference()):
            tensor, memo = args
            return memo.setdefault(id(tensor), tensor.detach().clone())
        return func(*args, **(kwargs or {}))


def private_copy(model: nn.Module) -> nn.Module:
    """Return a frozen copy in eval mode: whatever is done to it, the original is safe."""
    return deep_copy(model).eval().requires_grad_(False)


def kind_of(layer: nn.Module) -> str:
    """Return the name of a layer's class, as it was before torch parametrised it."""
    return parametrize.type_before_parametrizations(layer).__name__


def compute_weights(layer: nn.Module) -> None:
    """Bring `layer.weight` up to date where torch computes it from others before each call.

    Pruning and the older weight and spectral norm leave the tensor of the last call behind.
    """
    for hook in layer._forward_pre_hooks.values():
        if isinstance(hook, BasePruningMethod | SpectralNorm | WeightNorm):
            hook(layer, ())


def plain_layers(model: nn.Module) -> list[nn.Module] | None:
    """Return the layers of a (nested) `nn.Sequential` in order, or None if it is another module.

    Layers that do nothing in eval mode are left out. A layer with hooks, such as one whose weight
    is pruned, or with a `forward` put on it from outside, counts as another module.
    """
    layers: list[nn.Module] = []
    # __bool__ of the hook dictionaries: nn.Module offers no public question for it
    if model._forward_hooks or model._forward_pre_hooks or model._backward_hooks:
        return None
    if "forward" in vars(model):
        return None
    if type(model) is nn.Sequential:
        # _modules keeps a module that stands twice; children() would drop the second one
        for child in model._modules.values():
            inner = plain_layers(child) if child is not None else None
            if inner is None:
                return None
            layers += inner
        return layers
    if type(model) in SILENT_IN_EVAL:
        return []
    return None if list(model.children()) else [model]


def split_linear(model: nn.Module, x: Tensor) -> tuple[nn.Linear, list[nn.Module]] | None:
    """Return the first linear layer and the layers after it, if the model begins with one.

    Args:
        model: any model.
        x: a batch; unless it is flat, a Flatten must come first.

    Returns:
        None where the model is not a plain stack that begins with Linear.
    """
    layers = plain_layers(model)
    if not layers:
        return None
    flatten = type(layers[0]) is nn.Flatten and (layers[0].start_dim, layers[0].end_dim) == (1, -1)
    if flatten:
        layers = layers[1:]
    if not layers or type(layers[0]) is not nn.Linear or not (flatten or x.ndim == 2):
        return None
    return layers[0], layers[1:]


def run_layers(layers: Sequence[nn.Module], h: Tensor) -> Tensor:
    """Run `h (M, H)` through layers and return `(M, K)`. Overwrites `h`."""
    for layer in layers:
        if type(layer) is nn.ReLU:
            h = h.relu_()
        elif type(layer) is nn.Linear and h.ndim == 2 and layer.out_features < 64:
            # Few outputs: W h^T is about twice as fast as h W^T, and its columns reduce faster.
            bias = layer.weight.new_zeros(1) if layer.bias is None else layer.bias[:, None]
            h = torch.addmm(bias, layer.weight, h.T).T
        else:
            h = layer(h)
    return h


@functools.cache
def home_of_doubles(device: torch.device) -> torch.device:
    """Return the device on which to add up in double precision: the CPU where `device` has none.

    Apple's GPUs know no float64.
    """
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return torch.device("cpu")
    return device


def widened(tensor: Tensor) -> Tensor:
    """Return a tensor in double precision, on the device that has it."""
    return tensor.to(home_of_doubles(tensor.device)).double()


def bytes_per_row(model: nn.Module, x: Tensor) -> int:
    """Measure the memory that one input's activations take, all layers counted."""
    total = [x[0].numel() * x.element_size()]

    def count(module: nn.Module, args: object, out: object) -> None:
        if isinstance(out, Tensor):
            total[0] += out.numel() * out.element_size()

    leaves = [module for module in model.modules() if not list(module.children())]
    handles = [leaf.register_forward_hook(count) for leaf in dict.fromkeys(leaves)]
    try:
        with torch.no_grad():
            model(x[:1].clone())
    finally:
        for handle in handles:
            handle.remove()
    return total[0]


def check_memory(memory: float) -> None:
    """Raise an error unless `memory` is a limit in MiB."""
    if not 0 < number("memory", memory) < float("inf"):
        raise ValueError(f"memory={memory} must be a number of MiB > 0, such as 256.")


def rows_per_chunk(
    row_bytes: int, memory: float, *, cache: int = CACHE, least: int = MIN_ROWS
) -> int:
    """Return how many rows to run at once: as many as fit the cache, never more than the limit.

    Args:
        row_bytes: memory of one row's activations.
        memory: limit in MiB.
        cache: bytes that pay; more of them would only move data in and out.
        least: rows that pay even beyond the cache, because each call to torch has a cost.

    Raises:
        ValueError: if the limit is not even enough for one row.
    """
    limit = int(memory * MIB) // row_bytes
    if limit < 1:
        raise ValueError(
            f"memory={memory:g} MiB is less than one input takes; "
            f"give at least {row_bytes / MIB:.2g} MiB."
        )
    return max(1, min(limit, max(least, cache // row_bytes)))


def evaluate(model: nn.Module, x: Tensor, memory: float) -> Tensor:
    """Return logits `(N, K)` for all of `x`, in pieces that respect the limit in MiB.

    A piece is a copy, since a net that works on its input in place would change the data.
    """
    rows = max(1, int(memory * MIB) // bytes_per_row(model, x))
    with torch.no_grad():
        return torch.cat([model(part.clone()) for part in x.split(rows)])


def announce(work: str, rows: int, seconds: float) -> bool:
    """Say how long a run will take, if that is more than two seconds.

    Args:
        work: what is run.
        rows: inputs that will go through the model.
        seconds: the estimate.

    Returns:
        Whether something was printed. `DISTILL_LIVE=0` keeps it quiet.
    """
    long = seconds > 2 and settings.load().live
    if long:
        print(f"{work}: {rows:,} rows through the model, about {seconds:.0f} s.")
    return long


def announce_rows(work: str, net: nn.Module, x: Tensor, rows: int, passes: float = 1.0) -> None:
    """Time the model on a few inputs and say how long `rows` of them will take.

    Only where the work may be long at all; `passes` counts a backward pass as two forward ones.
    """
    if rows < 20_000:
        return
    batch = x[:1].repeat(64, *[1] * (x.ndim - 1))
    with torch.no_grad():
        net(batch)
        start = time.perf_counter()
        net(batch)
    announce(work, rows, (time.perf_counter() - start) / len(batch) * rows * passes)


@contextmanager
def private_randomness(seed: int, device: str | torch.device = "cpu") -> Iterator[None]:
    """Run code that uses global random states, and put Python's, NumPy's and torch's back after.

    Gradients are switched on inside, for explainers that need them under the caller's no_grad.
    """
    seed = seeds.checked(seed)
    with seeds.fork_rng(seed, device), torch.inference_mode(False), torch.enable_grad():
        python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
        try:
            np.random.seed(seed % 2**32)  # noqa: NPY002
            random.seed(seed)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
