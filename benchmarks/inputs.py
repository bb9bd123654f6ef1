"""What the works are done on: MNIST where it is, else noise in its shape; and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.datasets import MNIST
from torchvision.transforms import Compose, Normalize, ToTensor

from distill_lessons import models, training
from distill_lessons.data import Split
from distill_lessons.sources.catalogue import SOURCES

SHAPE, N_IMAGES = (1, 28, 28), 60_000
MEAN, STD = 0.1307, 0.3081  # of MNIST's pixels; every tutorial has these two numbers


@dataclass(frozen=True)
class Sizes:
    """How much work each row does."""

    tutorial_images: int = 6_400
    floor_images: int = N_IMAGES
    teacher_steps: int = 200
    students: int = 64
    student_steps: int = 100
    shuffled_images: int = 2_000
    shuffles: int = 10
    explained: int = 100
    background: int = 100
    patch: int = 7  # pixels: 16 regions
    exact_images: int = 10
    exact_background: int = 50
    phrases: int = 2_000
    scenes: int = 2_000


# For tests, and to see in seconds whether every row works; the times mean nothing.
TOY = Sizes(
    tutorial_images=192,
    floor_images=256,
    teacher_steps=8,
    students=4,
    student_steps=4,
    shuffled_images=12,
    shuffles=2,
    explained=3,
    background=4,
    patch=14,
    exact_images=2,
    exact_background=3,
    phrases=30,
    scenes=30,
)


class Noise(Dataset[tuple[Any, int]]):
    """Random images that go the way of `torchvision.datasets.MNIST`: a PIL image per sample."""

    def __init__(self, n: int, transform: Any, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.data = torch.randint(0, 256, (n, 28, 28), dtype=torch.uint8, generator=generator)
        self.targets = torch.randint(0, 10, (n,), generator=generator)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image, label = self.data[index], int(self.targets[index])
        return self.transform(Image.fromarray(image.numpy(), mode="L")), label


@dataclass(frozen=True)
class Setup:
    """What all rows share.

    Attributes:
        dataset: images one by one, as a tutorial has them.
        train: the same images as a tensor, normalised in the same way, on the device.
        real: whether they are MNIST.
        sizes: how much work each row does.
        device: where it is done.
        threads: of torch.
    """

    dataset: Dataset[tuple[Any, int]]
    train: Split
    real: bool
    sizes: Sizes
    device: torch.device
    threads: int = 1

    @property
    def images(self) -> str:
        return "MNIST" if self.real else "noise of MNIST's size"

    def first(self, n: int) -> Split:
        """Return the first n images."""
        return Split(self.train.x[:n], self.train.y[:n])

    def trained(self, hidden: tuple[int, ...], seed: int = 1) -> nn.Sequential:
        """Return a net that has seen some of the images: its logits are not those of noise."""
        net = models.mlp(SHAPE, 10, hidden, seed=seed).to(self.device)
        split = self.first(min(len(self.train), 6_400))
        training.fit(net, split, steps=self.sizes.teacher_steps, seed=seed)
        return net.eval()


def prepare(sizes: Sizes, root: Path, device: torch.device, threads: int = 1) -> Setup:
    """Read MNIST from `root` in torchvision's layout, or make noise where it is not."""
    transform = Compose([ToTensor(), Normalize((MEAN,), (STD,))])
    n = max(sizes.tutorial_images, sizes.floor_images, sizes.shuffled_images)
    real = not SOURCES["mnist"].problems(root)
    dataset = MNIST(str(root), train=True, transform=transform) if real else Noise(n, transform)
    x = normalised(dataset.data[:n])
    train = Split(x, dataset.targets[:n].long()).to(device)
    return Setup(dataset, train, real, sizes, device, threads)


def normalised(pixels: Tensor) -> Tensor:
    """Do to all images at once, `(N, 28, 28)` bytes, what the tutorial does to each."""
    return (pixels[:, None].float() / 255 - MEAN) / STD
