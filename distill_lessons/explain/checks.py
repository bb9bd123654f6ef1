"""Which parts of a model would deep SHAP get wrong? Asked before anything is explained.

`shap.DeepExplainer` hooks modules and replaces the gradient of each activation module. What it
cannot hook, it treats as if it were linear, without a word: `F.relu`, a ReLU module used twice, a
product of two activations. Here the model runs once, and each operation on the way is looked at.
Knows nothing about attributions.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name

from distill_lessons import seeds
from distill_lessons.explain import forward

# What DeepExplainer has a rule for.
NONLINEAR = {
    *("ReLU", "LeakyReLU", "ELU", "SELU", "GELU", "Sigmoid", "Tanh", "Softplus", "Softmax"),
    *("MaxPool1d", "MaxPool2d", "MaxPool3d"),
}
LINEAR = {
    *("Linear", "Conv1d", "Conv2d", "Conv3d"),
    *("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"),
    *("AvgPool1d", "AvgPool2d", "AvgPool3d"),
    *("AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d"),
    *("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "Flatten", "Unflatten", "Identity"),
    *("Dropout", "Dropout2d", "Dropout3d", "AlphaDropout", "ZeroPad2d", "PixelShuffle"),
}
# Operations between modules that are linear in the activations, whatever their arguments.
LINEAR_CALLS = {
    *("add", "sub", "rsub", "neg", "cat", "concat", "stack", "hstack", "vstack", "sum", "mean"),
    *("flatten", "view", "reshape", "permute", "transpose", "movedim", "squeeze", "unsqueeze"),
    *("expand", "repeat", "contiguous", "clone", "to", "float", "double", "getitem", "select"),
    *("chunk", "split", "unbind", "narrow", "roll", "flip", "pad", "dropout", "t", "swapaxes"),
    *("avg_pool1d", "avg_pool2d", "adaptive_avg_pool2d", "interpolate", "expand_as", "view_as"),
    *("positive", "identity", "unflatten", "index_select", "T", "mT", "iadd", "isub", "radd"),
}
# Linear as long as only one factor depends on the input.
PRODUCTS = {
    *("mul", "imul", "rmul", "multiply", "div", "truediv", "itruediv", "divide", "matmul", "mm"),
    *("bmm", "einsum", "linear", "conv1d", "conv2d", "addmm", "baddbmm", "rmatmul", "dot", "lerp"),
    *("addcmul", "bilinear", "scaled_dot_product_attention"),
}
DIVISIONS = {"div", "truediv", "itruediv", "divide"}


def check_explainable(model: nn.Module, x_shape: tuple[int, ...]) -> list[str]:
    """List what deep SHAP would get wrong, or fail on, in this model.

    The model runs once, on a copy, on two random inputs.

    Args:
        model: any model.
        x_shape: shape of one input, for example `(C, H, W)`.

    Returns:
        One sentence per problem, naming layer and remedy; empty if there is none. A model without
        problems still needs the additivity check, which `shap_values` always makes.

    >>> check_explainable(nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True)), (2,))
    ["layer '1' (ReLU) works in place, on which DeepExplainer fails; give it inplace=False."]
    """
    net = forward.private_copy(model)  # frozen, so what requires a gradient depends on the input
    names = {module: name or "the model" for name, module in net.named_modules()}
    leaves = [module for module in names if not list(module.children())]
    problems = [text for leaf in leaves for text in _layer_problems(names[leaf], leaf)]

    calls: Counter[nn.Module] = Counter()
    watch = _Watch()

    def enter(module: nn.Module, args: object) -> None:
        calls[module] += 1
        watch.depth += 1

    def leave(module: nn.Module, args: object, out: object) -> None:
        watch.depth -= 1

    for leaf in leaves:
        leaf.register_forward_pre_hook(enter)
        leaf.register_forward_hook(leave)
    reference = next(net.parameters(), torch.zeros(()))
    with seeds.fork_rng(0, reference.device), torch.inference_mode(False), torch.enable_grad():
        x = torch.rand(2, *x_shape, dtype=reference.dtype, device=reference.device)
        with watch:
            net(x.requires_grad_())
    for leaf, count in calls.items():
        if count > 1 and type(leaf).__name__ in NONLINEAR:
            problems.append(
                f"layer '{names[leaf]}' ({type(leaf).__name__}) is used {count} times, and only "
                "one use is remembered; give each use a module of its own."
            )
    return problems + [_call_problem(name) for name in dict.fromkeys(watch.found)]


def _layer_problems(name: str, layer: nn.Module) -> list[str]:
    kind, made = type(layer).__name__, []
    if getattr(layer, "inplace", False) and not kind.endswith("Dropout"):
        made.append(
            f"layer '{name}' ({kind}) works in place, on which DeepExplainer fails; "
            "give it inplace=False."
        )
    if kind.startswith("MaxPool"):
        kernel, stride = _sizes(layer.kernel_size), _sizes(layer.stride)
        if any(s < k for s, k in zip(stride * 3, kernel * 3, strict=False)):
            made.append(
                f"layer '{name}' ({kind}) has overlapping windows (kernel {layer.kernel_size}, "
                f"stride {layer.stride}), where attribution is lost; use stride >= kernel, or "
                "AvgPool."
            )
    if kind not in NONLINEAR | LINEAR:
        made.append(
            f"layer '{name}' ({kind}) is unknown to DeepExplainer and would count as linear; "
            "build it from known layers, or use method='permutation'."
        )
    return made


def _sizes(value: Any) -> list[int]:
    return list(value) if isinstance(value, tuple | list) else [int(value)]


def _call_problem(name: str) -> str:
    if name in PRODUCTS:
        return (
            f"forward() multiplies or divides activations ({name}), as a gate or attention does; "
            "DeepExplainer has no rule for products. Use method='permutation' or 'kernel'."
        )
    return (
        f"forward() calls {name} as a function, which DeepExplainer cannot see; "
        "use a module (nn.ReLU() for F.relu), a new one for each use."
    )


class _Watch(TorchFunctionMode):
    """Notes operations outside of layers that are not linear in what depends on the input."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0  # > 0 inside a layer, which is judged by its type
        self.found: list[str] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        # Counted before the call, because an operation in place may change its argument.
        depends = sum(_depends(a) for a in (*args, *(kwargs or {}).values()))
        out = func(*args, **(kwargs or {}))
        if self.depth == 0 and depends and _depends(out):
            name = _plain_name(func)
            divisor = name in DIVISIONS and len(args) > 1 and _depends(args[1])
            one_factor = name in PRODUCTS and depends < 2 and not divisor
            if name not in LINEAR_CALLS and not one_factor:
                self.found.append(name)
        return out


def _depends(value: Any) -> int:
    """Return how many tensors in `value` depend on the input."""
    if isinstance(value, Tensor):
        return int(value.requires_grad)
    return sum(map(_depends, value)) if isinstance(value, tuple | list) else 0


def _plain_name(func: Any) -> str:
    parts = (resolve_name(func) or getattr(func, "__name__", str(func))).split(".")
    name = parts[-2] if parts[-1] in ("__get__", "__set__") else parts[-1]
    return str(name).strip("_")
