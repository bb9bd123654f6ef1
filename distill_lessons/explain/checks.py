"""Which parts of a model would deep SHAP get wrong? Asked before anything is explained.

`shap.DeepExplainer` hooks modules and replaces the gradient of each activation module. What it
cannot hook, it treats as if it were linear, without a word: `F.relu`, a ReLU module used twice, a
product of two activations, a mask. Here the model runs once, and each operation on the way is
looked at (`tracing`). Knows nothing about attributions.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from distill_lessons import seeds
from distill_lessons.explain import forward
from distill_lessons.explain.admission import needs_statistics
from distill_lessons.explain.tracing import Remark, Trace
from distill_lessons.tensors import check_numbers

# What DeepExplainer has a rule for that holds; its rule for Softmax, output by output, does not.
NONLINEAR = {
    *("ReLU", "LeakyReLU", "ELU", "SELU", "GELU", "Sigmoid", "Tanh", "Softplus"),
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


def check_explainable(model: nn.Module, x_shape: tuple[int, ...]) -> list[str]:
    """List what deep SHAP would get wrong, or fail on, in this model.

    The model runs once, on a copy, on two random inputs.

    Args:
        model: any model.
        x_shape: shape of one input, for example `(C, H, W)`.

    Returns:
        One sentence per problem, naming layer and remedy; empty if there is none. A model without
        problems still needs the additivity check, which `shap_values` always makes.

    Raises:
        ValueError: if such inputs do not go through the model.

    >>> check_explainable(nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True)), (2,))
    ["layer '1' (ReLU) works in place, on which DeepExplainer fails; give it inplace=False."]
    """
    net = forward.private_copy(model)
    names = {module: name or "the model" for name, module in net.named_modules()}
    judged = [module for module in names if _judged_by_type(module)]
    problems = [text for layer in judged for text in _layer_problems(names[layer], layer)]
    calls: Counter[nn.Module] = Counter()
    trace = Trace()
    for module in names:
        _watch(trace, module, names[module], module in judged, calls)
    out = _run(net, x_shape, trace, type(model).__name__)
    for layer, count in calls.items():
        kind = forward.kind_of(layer)
        if count > 1 and kind in NONLINEAR:
            problems.append(
                f"layer '{names[layer]}' ({kind}) is used {count} times, and only one use is "
                "remembered; give each use a module of its own."
            )
    return problems + list(dict.fromkeys(map(_in_words, trace.remarks(out))))


def _run(net: nn.Module, x_shape: tuple[int, ...], trace: Trace, kind: str) -> Any:
    """Run two random inputs through a net and follow them."""
    whole = isinstance(x_shape, tuple | list) and all(isinstance(n, int) for n in x_shape)
    if not whole or not x_shape or min(x_shape) < 1:
        raise ValueError(f"x_shape={x_shape} must be the shape of one input, such as (1, 28, 28).")
    reference = next(net.parameters(), torch.zeros(()))
    check_numbers("the model", reference)
    with seeds.fork_rng(0, reference.device), torch.inference_mode(False), torch.enable_grad():
        x = torch.rand(2, *x_shape, dtype=reference.dtype, device=reference.device)
        x = x.requires_grad_().clone()  # a model may write into it
        try:
            with trace:
                trace.start(x)
                return net(x)
        except RuntimeError as error:
            raise ValueError(
                f"x_shape={tuple(x_shape)} does not go through model={kind}: {error}. Give the "
                "shape of one input that the model was built for."
            ) from error


def _judged_by_type(module: nn.Module) -> bool:
    """Say whether a module is a layer that DeepExplainer knows by name, or one of torch's own.

    Into all others, such as a Flatten or an activation of one's own, the trace looks.
    """
    if list(module.children()) and not parametrize.is_parametrized(module):
        return False
    kind = parametrize.type_before_parametrizations(module)
    return kind.__name__ in NONLINEAR or kind.__module__.startswith("torch.nn.modules.")


def _watch(
    trace: Trace, module: nn.Module, name: str, judged: bool, calls: Counter[nn.Module]
) -> None:
    def before(_: nn.Module, args: object) -> None:
        if judged:
            calls[module] += 1
            trace.enter()
        else:
            label = "" if name == "the model" else f" of '{name}' ({type(module).__name__})"
            trace.forwards.append(label)

    def after(_: nn.Module, args: object, out: object) -> None:
        if judged:
            trace.leave(name, out)
        else:
            trace.forwards.pop()

    module.register_forward_pre_hook(before)
    module.register_forward_hook(after)


def _layer_problems(name: str, layer: nn.Module) -> list[str]:
    kind, remarks = forward.kind_of(layer), []
    if getattr(layer, "inplace", False) and not kind.endswith("Dropout"):
        remarks.append(
            f"layer '{name}' ({kind}) works in place, on which DeepExplainer fails; "
            "give it inplace=False."
        )
    if kind.startswith("MaxPool"):
        kernel, stride = _sizes(layer.kernel_size), _sizes(layer.stride)
        if any(s < k for s, k in zip(stride * 3, kernel * 3, strict=False)):
            remarks.append(
                f"layer '{name}' ({kind}) has overlapping windows (kernel {layer.kernel_size}, "
                f"stride {layer.stride}), where attribution is lost; use stride >= kernel, or "
                "AvgPool."
            )
    if kind == "Softmax":
        remarks.append(
            f"layer '{name}' ({kind}) is an activation whose outputs depend on one another, which "
            "DeepExplainer's rule for it leaves out. At the end of the model drop it: logits are "
            "explained. Inside, use method='permutation'."
        )
    elif (text := needs_statistics(name, layer)) is not None:
        remarks.append(text)
    elif kind not in NONLINEAR | LINEAR:
        remarks.append(
            f"layer '{name}' ({kind}) is unknown to DeepExplainer and would count as linear; "
            "build it from known layers, or use method='permutation'."
        )
    return remarks


def _sizes(value: Any) -> list[int]:
    return list(value) if isinstance(value, tuple | list) else [int(value)]


def _in_words(remark: Remark) -> str:
    kind, name, where, layer = remark
    if kind == "product":
        return (
            f"forward(){where} multiplies or divides activations ({name}), as a gate or attention "
            "does; DeepExplainer has no rule for products. Use method='permutation' or 'kernel'."
        )
    if kind == "no gradient":
        return (
            f"forward(){where} loses the gradient ({name}), by which DeepExplainer works; leave "
            "out detach and no_grad, or use method='permutation'."
        )
    if kind == "exit":
        return (
            f"forward(){where} reads numbers out of an activation ({name}), and what becomes of "
            "them cannot be seen; compute with tensors, or use method='permutation'."
        )
    if kind == "in place":
        return (
            f"forward(){where} changes {'the output of ' * layer.startswith('layer')}{layer} in "
            f"place ({name}), on which DeepExplainer fails; write h = h + x for h += x, or clone "
            "it first."
        )
    return (
        f"forward(){where} calls {name} as a function, which DeepExplainer cannot see; "
        "use a module (nn.ReLU() for F.relu), a new one for each use."
    )
