"""The zoo: plain nets that take images and return logits, and what they cost.

Every activation is a module of its own, used once, because explainers hook modules. No net ends in
a softmax. Knows nothing about data or training.
"""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from distill_lessons import seeds

Shape = tuple[int, int, int]


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a module with initial weights that depend on `seed` alone.

    torch initialises from its global generator; this sets it, builds, and puts it back.

    Raises:
        TypeError: if the seed is no whole number.
    """
    with seeds.fork_rng(seed, torch.get_default_device()):
        return build()


def mlp(
    image_shape: Shape,
    n_classes: int,
    hidden: Sequence[int] = (512, 512),
    *,
    dropout: float = 0.0,
    seed: int = 0,
) -> nn.Sequential:
    """Build a fully connected net with ReLUs.

    Args:
        image_shape: ``(C, H, W)`` of the inputs.
        n_classes: K, the number of logits.
        hidden: units of each hidden layer; empty for a linear model.
        dropout: probability of dropping a hidden unit while training; 0 for none.
        seed: of the initial weights.

    Returns:
        Flatten, then Linear and ReLU (and Dropout) for each hidden layer, then Linear to K logits.

    Raises:
        ValueError: if a size is not positive, or `dropout` is outside [0, 1).

    >>> mlp((1, 8, 8), 10, hidden=(32,))
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): Linear(in_features=64, out_features=32, bias=True)
      (2): ReLU()
      (3): Linear(in_features=32, out_features=10, bias=True)
    )
    """
    _check_sizes(image_shape, n_classes)
    _check_hidden(hidden)
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout={dropout} must be a probability in [0, 1).")
    sizes = [math.prod(image_shape), *hidden]

    def build() -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        for n_in, n_out in itertools.pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
            layers += [nn.Dropout(dropout)] if dropout else []
        return nn.Sequential(*layers, nn.Linear(sizes[-1], n_classes))

    net = seeded(build, seed)
    assert isinstance(net, nn.Sequential)
    return net


def cnn(image_shape: Shape, n_classes: int, *, width: int = 16, seed: int = 0) -> nn.Sequential:
    """Build a small convolutional net: two 3×3 convolutions, each with average pooling.

    Average pooling without overlap, since explainers handle it exactly.

    Args:
        image_shape: ``(C, H, W)`` of the inputs, H and W at least 4.
        n_classes: K, the number of logits.
        width: channels of the first convolution; the second has twice as many.
        seed: of the initial weights.

    Raises:
        ValueError: if a size is not positive or the image is smaller than 4×4.
    """
    _check_sizes(image_shape, n_classes)
    if width < 1:
        raise ValueError(f"width={width}: every layer needs at least one channel.")
    channels, height, breadth = image_shape
    if min(height, breadth) < 4:
        raise ValueError(f"image_shape={image_shape}: two poolings need images of at least 4×4.")
    n_flat = 2 * width * (height // 4) * (breadth // 4)

    def build() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(n_flat, n_classes),
        )

    net = seeded(build, seed)
    assert isinstance(net, nn.Sequential)
    return net


def suited(
    image_shape: Shape, n_classes: int, hidden: Sequence[int] = (512, 512), *, seed: int = 0
) -> nn.Sequential:
    """Build the net that suits the images: a small `cnn` for colour, else an `mlp`.

    Args:
        image_shape: ``(C, H, W)``; three channels count as colour.
        n_classes: K, the number of logits.
        hidden: units of each hidden layer of an `mlp`. For a `cnn` the first layer's decide: its
            width is the root of half of them, so 512 units become 16 channels and 32 become 4.
            Without hidden units the net is linear for all images.
        seed: of the initial weights.

    Raises:
        ValueError: as `mlp` and `cnn`.

    >>> [type(layer).__name__ for layer in suited((3, 8, 8), 10, (32,))][:3]
    ['Conv2d', 'ReLU', 'AvgPool2d']
    """
    _check_hidden(hidden)
    if image_shape[0] == 3 and len(hidden) > 0:
        return cnn(image_shape, n_classes, width=max(1, math.isqrt(hidden[0] // 2)), seed=seed)
    return mlp(image_shape, n_classes, hidden, seed=seed)


def _check_sizes(image_shape: Shape, n_classes: int) -> None:
    if len(image_shape) != 3 or min(image_shape) < 1:
        raise ValueError(f"image_shape={image_shape} must be (C, H, W), all positive.")
    if n_classes < 2:
        raise ValueError(f"n_classes={n_classes}: a classifier needs at least two classes.")


def _check_hidden(hidden: Sequence[int]) -> None:
    if any(units < 1 for units in hidden):
        raise ValueError(f"hidden={tuple(hidden)}: every layer needs at least one unit.")


def count_parameters(model: nn.Module) -> int:
    """Return the number of weights and biases."""
    return sum(p.numel() for p in model.parameters())


def count_multiply_adds(model: nn.Module, image_shape: Shape) -> int:
    """Return the multiply-adds of one image's forward pass, as torch's own counter has them.

    A multiply-add is one multiplication and one addition, half of what is called two FLOPs.
    """
    from torch.utils.flop_counter import FlopCounterMode

    device = next(model.parameters()).device
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        copy.deepcopy(model).eval()(torch.zeros(1, *image_shape, device=device))
    return int(counter.get_total_flops()) // 2


def latency(model: nn.Module, x: Tensor, *, repeats: int = 50) -> float:
    """Measure the median time of one forward pass over `x`, in milliseconds.

    The number belongs to this machine at this moment: compare it only with others measured beside
    it.

    Args:
        model: any net; its mode is restored.
        x: a batch ``(N, C, H, W)``; one image gives the latency, many the throughput.
        repeats: how many passes are timed, after five that are not; at least 1.
    """
    from distill_lessons.evaluation import evaluating

    if repeats < 1:
        raise ValueError(f"repeats={repeats} must be at least 1.")

    def synchronise() -> None:
        if x.device.type == "cuda":
            torch.cuda.synchronize()  # the device works on after the call has returned

    times = []
    with torch.inference_mode(), evaluating(model):
        for i in range(repeats + 5):
            synchronise()
            start = time.perf_counter()
            model(x)
            synchronise()
            if i >= 5:
                times.append(time.perf_counter() - start)
    return 1000 * sorted(times)[len(times) // 2]
