"""A net in whole numbers, as the arithmetic of a small device has it, simulated in floats.

A weight w becomes a whole number q with w ≈ scale · q; so does every activation, with a zero point
of its own, since activations are not symmetric. The scales of activations have to be known before
the first image arrives: they are *calibrated* on images. What is returned is a net of torch that
computes with numbers of these grids only, so everything that takes a net takes it too.

Source: Jacob et al. (2018), Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, arXiv:1712.05877, section 2.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from distill_lessons import evaluation
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_finite, check_numbers, check_type

WEIGHTED = (nn.Linear, nn.Conv2d)
POOLED = (nn.AvgPool2d,)
IDLE = (nn.Flatten, nn.ReLU, nn.Identity, nn.Dropout)


def round_weights(weight: Tensor, *, bits: int = 8, per_channel: bool = True) -> Tensor:
    """Return weights rounded to ``2**bits - 1`` values that lie evenly around zero.

    Args:
        weight: any shape; the first axis counts the outputs.
        bits: of one weight, 2 to 16.
        per_channel: a scale for each output, as most devices allow; else one for all.

    Returns:
        The same shape: scale times a whole number. The scale takes the largest weight to the
        largest whole number, so that no weight moves by more than half of it.

    Raises:
        TypeError: if `weight` is no tensor.
        ValueError: if `bits` is out of range, or a weight is not finite.

    >>> round_weights(torch.tensor([[0.5, -1.0, 0.2]]), bits=2)
    tensor([[ 0., -1.,  0.]])
    """
    check_numbers("weight", weight)
    check_finite("weight", weight, "weight")
    most = 2 ** (_bits(bits) - 1) - 1
    size = weight.abs()
    if per_channel and weight.ndim > 1:
        largest = size.flatten(1).amax(1).reshape(-1, *[1] * (weight.ndim - 1))
    else:
        largest = size.amax()
    scale = (largest / most).clamp_min(torch.finfo(weight.dtype).tiny)
    rounded: Tensor = (weight / scale).round() * scale  # a half goes to the even number
    return rounded


class Grid(nn.Module):
    """Rounds activations to 256 values between two ends; what lies outside goes to the nearer end.

    Args:
        low: the smallest value that was seen.
        high: the largest. The grid is widened to hold 0, which padding and a ReLU need exactly.
    """

    def __init__(self, low: Tensor, high: Tensor) -> None:
        """Find the scale and the whole number that stands for zero."""
        super().__init__()
        low, high = low.clamp(max=0), high.clamp(min=0)
        scale = ((high - low) / 255).clamp_min(torch.finfo(low.dtype).tiny)
        self.register_buffer("scale", scale)
        self.register_buffer("zero", (-low / scale).round())
        self.scale: Tensor
        self.zero: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return the nearest values of the grid, in the shape of `x`."""
        whole = ((x / self.scale).round() + self.zero).clamp(0, 255)
        return (whole - self.zero) * self.scale


def quantised(
    net: nn.Module, x: Tensor, *, bits: int = 8, per_channel: bool = True
) -> nn.Sequential:
    """Return a copy of a net that computes with whole numbers only, times a scale.

    Args:
        net: an `nn.Sequential` of Linear, Conv2d, ReLU, AvgPool2d, Flatten and Dropout; left as it
            was.
        x: images ``(N, C, H, W)`` for calibration: the grids of all activations span what these
            images lead to. None of them should be a test image.
        bits: of a weight, 2 to 16. Activations have 8, and biases stay as they are: a device adds
            them in 32 bits.
        per_channel: see `round_weights`.

    Returns:
        A net for the same images, in eval mode. Its derivatives are zero almost everywhere, since
        those of rounding are.

    Raises:
        TypeError: if `net` is no module, or `x` no tensor.
        ValueError: if a layer has no whole-number form here, there is no image, or the net cannot
            take them.
    """
    layers = layers_of(net)
    x = calibration_images(net, x)
    made: list[nn.Module] = []
    with torch.no_grad():
        h = x

        def rounded(h: Tensor) -> Tensor:
            grid = Grid(h.amin(), h.amax())
            made.append(grid)
            return h  # calibrated on what the net itself has at this place, not on rounded inputs

        h = rounded(h)
        for layer, next_ in zip(layers, [*layers[1:], None], strict=True):
            changed = copy.deepcopy(layer).eval().requires_grad_(False)
            h = changed(h)
            if isinstance(changed, WEIGHTED):
                changed.weight.copy_(
                    round_weights(changed.weight, bits=bits, per_channel=per_channel)
                )
            made.append(changed)
            computes = isinstance(changed, (*WEIGHTED, *POOLED))
            # A device rounds once, after the ReLU.
            if isinstance(changed, nn.ReLU) or (computes and not isinstance(next_, nn.ReLU)):
                h = rounded(h)
    return nn.Sequential(*made).eval()


def layers_of(net: nn.Module) -> list[nn.Module]:
    """Return the layers of a net in the order in which they run.

    Raises:
        TypeError: if it is no module.
        ValueError: if it is no `nn.Sequential`, or a layer has no whole-number form here.
    """
    evaluation.check_built(net)
    if type(net) is not nn.Sequential:
        raise ValueError(
            f"net is a {type(net).__name__}; give an nn.Sequential, whose layers run one after "
            "another, such as models.mlp(...)."
        )
    known = (*WEIGHTED, *POOLED, *IDLE)
    for name, layer in _leaves(net):
        if type(layer) not in known:
            raise ValueError(
                f"layer {name!r} ({type(layer).__name__}) has no whole-number form here; use "
                f"{', '.join(kind.__name__ for kind in known)}."
            )
    return [layer for _, layer in _leaves(net)]


def calibration_images(net: nn.Module, x: Tensor) -> Tensor:
    """Return images in the precision of a net, if there is one at least.

    Raises:
        TypeError: if `x` is no tensor.
        ValueError: if there is none, a pixel is not finite, or the net cannot take them.
    """
    x = evaluation.as_input(net, x).detach()
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(
            f"x has shape {tuple(x.shape)}: without images nothing says how large activations "
            "get; give some training images, (N, C, H, W)."
        )
    check_finite("x", x, "image")
    evaluation.predict(net, x[:1])  # refuses what the net cannot take
    return x


def _leaves(net: nn.Sequential) -> Iterator[tuple[str, nn.Module]]:
    for name, layer in net.named_children():
        if type(layer) is nn.Sequential:
            yield from ((f"{name}.{inner}", leaf) for inner, leaf in _leaves(layer))
        else:
            yield name, layer


def _bits(bits: int) -> int:
    check_type("bits", bits, int, "a whole number, such as 8")
    if not 2 <= whole_number("bits", bits) <= 16:
        raise ValueError(f"bits={bits} must be from 2 to 16: one bit has no zero.")
    return bits
