"""torchvision's ResNet, VGG and GoogLeNet fitted to small images, and a small student.

Made for images of 224×224, these nets shrink an image to a quarter of its side before their first
block. Of 16 pixels 4 would be left. So the stem is a 3×3 convolution that moves by one pixel, and
the early pooling is gone; the blocks, the order in which they run and the names of the layers are
torchvision's. `width` scales all channels; 64 is the published size. Knows nothing about training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.googlenet import BasicConv2d, GoogLeNet, Inception
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.models.vgg import VGG, make_layers

from distill_lessons.models import Shape, seeded
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_type

# Convolutions of VGG-11's stages, in widths: each stage ends in a pooling.
VGG_11 = ((1,), (2,), (4, 4), (8, 8), (8, 8))
# A slim one: one convolution a stage.
VGG_SLIM = ((1,), (2,), (4,), (8,))


class _ResNet(ResNet):  # type: ignore[misc]
    """torchvision's ResNet of basic blocks: its `_make_layer` and its forward, another stem."""

    def __init__(self, channels: int, n_classes: int, width: int, blocks: Sequence[int]) -> None:
        nn.Module.__init__(self)  # not ResNet's, which builds the stem of a large image
        self._norm_layer = nn.BatchNorm2d
        self.inplanes, self.dilation, self.groups, self.base_width = width, 1, 1, 64
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(width), nn.ReLU()
        self.maxpool = nn.Identity()
        for i in range(4):
            there = i < len(blocks)
            made = (
                self._make_layer(BasicBlock, width * 2**i, blocks[i], 1 if i == 0 else 2)
                if there
                else nn.Identity()
            )
            setattr(self, f"layer{i + 1}", made)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width * 2 ** (len(blocks) - 1), n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class _GoogLeNet(GoogLeNet):  # type: ignore[misc]
    """torchvision's GoogLeNet: its inception blocks and its forward, another stem."""

    def __init__(self, channels: int, n_classes: int, width: int, short: bool) -> None:
        nn.Module.__init__(self)
        self.aux_logits, self.transform_input = False, False
        self.aux1 = self.aux2 = None

        def scaled(*sizes: int) -> list[int]:
            return [max(1, size * width // 64) for size in sizes]

        self.conv1 = BasicConv2d(channels, scaled(64)[0], kernel_size=3, padding=1)
        self.maxpool1 = nn.Identity()
        self.conv2 = BasicConv2d(scaled(64)[0], scaled(64)[0], kernel_size=1)
        self.conv3 = BasicConv2d(scaled(64)[0], scaled(192)[0], kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(2) if short else nn.Identity()
        at = scaled(192)[0]
        for name, sizes in _INCEPTIONS.items():
            if short and name in ("4b", "4c", "4d", "5b"):
                setattr(self, f"inception{name}", nn.Identity())
                continue
            some = scaled(*sizes)
            setattr(self, f"inception{name}", Inception(at, *some))
            at = some[0] + some[2] + some[4] + some[5]
        self.maxpool3 = nn.MaxPool2d(2, ceil_mode=True)
        self.maxpool4 = nn.MaxPool2d(2, ceil_mode=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(at, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(N, K)``; torchvision's own forward returns auxiliary ones beside."""
        z: Tensor = self._forward(x)[0]
        return z


# Channels of the four branches of each block, as torchvision has them.
_INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def resnet(
    image_shape: Shape,
    n_classes: int,
    *,
    width: int = 64,
    blocks: Sequence[int] = (2, 2, 2, 2),
    seed: int = 0,
) -> nn.Module:
    """Build a residual net for small images: ResNet-18 as it stands, or a slim one.

    Args:
        image_shape: ``(C, H, W)`` of the inputs; each stage after the first halves H and W.
        n_classes: K, the number of logits.
        width: channels of the first stage; each further stage has twice as many.
        blocks: basic blocks in each of one to four stages; two in each of four are ResNet-18.
        seed: of the initial weights.

    Raises:
        TypeError: if a size is not a whole number.
        ValueError: if a size is not positive, or the image is smaller than the stages allow.

    Source: He et al. (2016), arXiv:1512.03385, table 1 and section 4.2.

    >>> net = resnet((3, 16, 16), 10, width=8, blocks=(1, 1, 1, 1))
    >>> sum(p.numel() for p in net.parameters())
    78002
    """
    check_type("blocks", blocks, Sequence, "a list of blocks per stage, such as (2, 2, 2, 2)")
    some = [whole_number("blocks", n) for n in blocks]
    if not 1 <= len(some) <= 4:
        raise ValueError(f"blocks={tuple(some)} must name the blocks of one to four stages.")
    shape, k, width = _checked(image_shape, n_classes, width, 2 ** (len(some) - 1))
    return seeded(lambda: _without_in_place(_ResNet(shape[0], k, width, some)), seed)


def vgg(
    image_shape: Shape,
    n_classes: int,
    *,
    width: int = 64,
    stages: Sequence[Sequence[int]] = VGG_11,
    seed: int = 0,
) -> nn.Module:
    """Build a plain stack of convolutions for small images: VGG-11 with norms, or a shorter one.

    In place of three layers of up to 4096 units, a mean over all places and one linear layer.

    Args:
        image_shape: ``(C, H, W)`` of the inputs; each stage halves H and W.
        n_classes: K, the number of logits.
        width: channels of the first stage.
        stages: for each stage the channels of its convolutions, in widths.
        seed: of the initial weights.

    Raises:
        TypeError: if a size is not a whole number.
        ValueError: if a size is not positive, or the image is smaller than the stages allow.

    Source: Simonyan and Zisserman (2015), arXiv:1409.1556, table 1, column A.
    """
    check_type("stages", stages, Sequence, "a list of stages, such as ((1,), (2,))")
    for stage in stages:
        check_type("stages", stage, Sequence, "a list of stages, such as ((1,), (2,))")
    some = [[whole_number("stages", times) for times in stage] for stage in stages]
    if not some or not all(some):
        raise ValueError(f"stages={stages!r}: a net needs a stage, and a stage a convolution.")
    shape, k, width = _checked(image_shape, n_classes, width, 2 ** len(some))
    sizes: list[str | int] = []
    for stage in some:
        sizes += [times * width for times in stage] + ["M"]

    def build() -> nn.Module:
        features = make_layers(sizes, batch_norm=True)
        if shape[0] != 3:
            features[0] = nn.Conv2d(shape[0], some[0][0] * width, 3, padding=1)
        net = _bare_vgg(features)
        net.classifier = nn.Linear(some[-1][-1] * width, k)
        return _without_in_place(net)

    return seeded(build, seed)


def _bare_vgg(features: nn.Module) -> VGG:
    """Return a VGG without its three large layers, with torchvision's forward."""
    net = VGG.__new__(VGG)
    nn.Module.__init__(net)
    net.features, net.avgpool = features, nn.AdaptiveAvgPool2d(1)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    return net


def googlenet(
    image_shape: Shape, n_classes: int, *, width: int = 64, short: bool = False, seed: int = 0
) -> nn.Module:
    """Build a net of inception blocks for small images: GoogLeNet as it stands, or a slim one.

    Without the two auxiliary classifiers.

    Args:
        image_shape: ``(C, H, W)`` of the inputs, H and W at least 8.
        n_classes: K, the number of logits.
        width: 64 for the published channels; others scale all of them.
        short: with five of the nine blocks, and one pooling more before the first.
        seed: of the initial weights.

    Raises:
        TypeError: if a size is not a whole number.
        ValueError: if a size is not positive, or the image is too small.

    Source: Szegedy et al. (2015), arXiv:1409.4842, table 1.
    """
    shape, k, width = _checked(image_shape, n_classes, width, 8)
    return seeded(lambda: _without_in_place(_GoogLeNet(shape[0], k, width, short)), seed)


def small(image_shape: Shape, n_classes: int, *, width: int = 8, seed: int = 0) -> nn.Sequential:
    """Build a small student: two convolutions with norms, one pooling, one linear layer.

    The first convolution moves by two pixels, so that most of the work is done on a quarter of the
    places.

    Args:
        image_shape: ``(C, H, W)`` of the inputs, H and W at least 4.
        n_classes: K, the number of logits.
        width: channels of the first convolution; the second has twice as many.
        seed: of the initial weights.

    Raises:
        TypeError: if a size is not a whole number.
        ValueError: if a size is not positive or the image is smaller than 4×4.
    """
    (channels, height, breadth), k, width = _checked(image_shape, n_classes, width, 4)
    places = ((height + 1) // 2 // 2) * ((breadth + 1) // 2 // 2)

    def build() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(2 * width * places, k),
        )

    net = seeded(build, seed)
    assert isinstance(net, nn.Sequential)
    return net


def _checked(image_shape: Shape, n_classes: int, width: int, least: int) -> tuple[Shape, int, int]:
    check_type("image_shape", image_shape, Sequence, "(C, H, W), such as (3, 16, 16)")
    sizes = tuple(whole_number("image_shape", size) for size in image_shape)
    if len(sizes) != 3:
        raise ValueError(f"image_shape={sizes} must be (C, H, W), such as (3, 16, 16).")
    channels, height, breadth = sizes
    if min(height, breadth) < least:
        raise ValueError(
            f"image_shape={sizes}: this net halves an image until nothing would be left; give "
            f"images of at least {least}×{least}, or fewer stages."
        )
    n_classes = whole_number("n_classes", n_classes, least=2)
    return (channels, height, breadth), n_classes, whole_number("width", width)


def _without_in_place(net: nn.Module) -> nn.Module:
    """Let no activation overwrite its input: explainers keep what a layer has put out."""
    for module in net.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
