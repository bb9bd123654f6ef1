"""The zoo: plain nets that take images and return logits, and what they cost.

Every activation is a module of its own, used once, because explainers hook modules. No net ends in
a softmax. Knows nothing about data or training.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from distill_lessons import seeds
from distill_lessons.settings import number, whole_number
from distill_lessons.tensors import check_type

Shape = tuple[int, int, int]


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a module with initial weights that depend on `seed` alone.

    torch initialises from its global generator; this sets it, builds, and puts it back.

    Args:
        build: makes the module, a function without arguments.
        seed: same seed, same weights.

    Raises:
        TypeError: if the seed is not a whole number, or `build` does not make a module.
    """
    if not callable(build):
        raise TypeError(f"build={build!r} must be a function that makes a net: lambda: Net().")
    with seeds.fork_rng(seed, torch.get_default_device()):
        net = build()
    check_type("what build returns", net, nn.Module, "a net")
    return net


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
        TypeError: if a size is not a whole number.
        ValueError: if a size is not positive, or `dropout` is outside [0, 1).

    >>> mlp((1, 8, 8), 10, hidden=(32,))
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): Linear(in_features=64, out_features=32, bias=True)
      (2): ReLU()
      (3): Linear(in_features=32, out_features=10, bias=True)
    )
    """
    image_shape, n_classes = _check_sizes(image_shape, n_classes)
    hidden = _check_hidden(hidden)
    if not 0 <= number("dropout", dropout) < 1:
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
        TypeError: if a size is not a whole number.
        ValueError: if a size is not positive or the image is smaller than 4×4.
    """
    image_shape, n_classes = _check_sizes(image_shape, n_classes)
    if whole_number("width", width, least=None) < 1:
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
        TypeError: as `mlp` and `cnn`.
        ValueError: as `mlp` and `cnn`.

    >>> [type(layer).__name__ for layer in suited((3, 8, 8), 10, (32,))][:3]
    ['Conv2d', 'ReLU', 'AvgPool2d']
    """
    image_shape, n_classes = _check_sizes(image_shape, n_classes)
    hidden = _check_hidden(hidden)
    if image_shape[0] == 3 and len(hidden) > 0:
        return cnn(image_shape, n_classes, width=max(1, math.isqrt(hidden[0] // 2)), seed=seed)
    return mlp(image_shape, n_classes, hidden, seed=seed)


def _check_sizes(image_shape: Shape, n_classes: int) -> tuple[Shape, int]:
    image_shape = _check_shape(image_shape)
    n_classes = whole_number("n_classes", n_classes, least=None)
    if n_classes < 2:
        raise ValueError(f"n_classes={n_classes}: a classifier needs at least two classes.")
    return image_shape, n_classes


def _check_shape(image_shape: Shape) -> Shape:
    check_type("image_shape", image_shape, Sequence, "(C, H, W), such as (1, 8, 8)")
    sizes = tuple(whole_number("image_shape", size, least=None) for size in image_shape)
    if len(sizes) != 3 or min(sizes) < 1:
        raise ValueError(f"image_shape={sizes} must be (C, H, W), all positive.")
    channels, height, width = sizes
    return channels, height, width


def _check_hidden(hidden: Sequence[int]) -> list[int]:
    check_type("hidden", hidden, Sequence, "a list of units, (32,) for one hidden layer")
    sizes = [whole_number("hidden", units, least=None) for units in hidden]
    if any(units < 1 for units in sizes):
        raise ValueError(f"hidden={tuple(sizes)}: every layer needs at least one unit.")
    return sizes


def count_parameters(model: nn.Module) -> int:
    """Return the number of weights and biases.

    Raises:
        TypeError: if `model` is not a module.
        ValueError: if a layer has no weights yet.
    """
    from distill_lessons.evaluation import check_built  # pandas, which comes with it, is slow

    check_built(model)
    return sum(p.numel() for p in model.parameters())


def count_multiply_adds(model: nn.Module, image_shape: Shape) -> int:
    """Return the multiply-adds of one image's forward pass, as torch's own counter has them.

    Args:
        model: any net; its mode is restored.
        image_shape: ``(C, H, W)`` of the inputs.

    Raises:
        TypeError: if `model` is not a module.
        ValueError: if the model cannot take such an image.
    """
    from distill_lessons.evaluation import check_built, predict

    image_shape = _check_shape(image_shape)
    check_built(model)
    device = next((p.device for p in model.parameters()), None)
    with multiply_adds() as count:
        predict(model, torch.zeros(1, *image_shape, device=device))
    return count()


@contextmanager
def multiply_adds() -> Iterator[Callable[[], int]]:
    """Count the multiply-adds of what runs inside; what is yielded returns the count so far.

    A multiply-add is one multiplication and one addition, half of what is called two FLOPs. Matrix
    products and convolutions are counted, sums and activations are not.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with _step_by_step(), FlopCounterMode(display=False) as counter:
        yield lambda: int(counter.get_total_flops()) // 2


@contextmanager
def _step_by_step() -> Iterator[None]:
    """Switch off the kernels that do a whole LSTM or attention: not every counter knows them."""
    from torch.backends import cudnn, mha, mkldnn
    from torch.nn.attention import SDPBackend, sdpa_kernel

    before = mha.get_fastpath_enabled(), mkldnn.enabled, cudnn.enabled
    mha.set_fastpath_enabled(False)
    mkldnn.enabled = cudnn.enabled = False  # type: ignore[assignment]
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        mha.set_fastpath_enabled(before[0])
        mkldnn.enabled, cudnn.enabled = before[1:]


def latency(model: nn.Module, x: Tensor, *, repeats: int = 50) -> float:
    """Measure the median time of one forward pass over `x`, in milliseconds.

    The number belongs to this machine at this moment: compare it only with others measured beside
    it.

    Args:
        model: any net; its mode is restored.
        x: a batch ``(N, C, H, W)``; one image gives the latency, many the throughput.
        repeats: how many passes are timed, after five that are not; at least 1.

    Raises:
        TypeError: if `model` is not a module, or `x` is not a tensor.
        ValueError: if the model cannot take `x`, or `repeats` is not positive.
    """
    from distill_lessons.evaluation import as_input, evaluating, predict

    repeats = whole_number("repeats", repeats)
    x = as_input(model, x).clone()  # a net that works on its input in place changes the copy
    if len(x) == 0:
        raise ValueError("x holds no image; give at least one.")
    predict(model, x, batch_size=len(x))  # refuses what the model cannot take
    times = []
    with torch.no_grad(), evaluating(model):
        for i in range(repeats + 5):
            _wait_for(x.device)
            start = time.perf_counter()
            model(x)
            _wait_for(x.device)
            if i >= 5:
                times.append(time.perf_counter() - start)
    return 1000 * sorted(times)[len(times) // 2]


def _wait_for(device: torch.device) -> None:
    """Wait until a device is done: a GPU works on after the call has returned."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
