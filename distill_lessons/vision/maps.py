"""Feature maps of a net's stages, and how far the attention of two layers agrees."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.googlenet import GoogLeNet
from torchvision.models.resnet import ResNet
from torchvision.models.vgg import VGG

from distill_lessons import evaluation, losses
from distill_lessons.settings import one_of
from distill_lessons.tensors import check_tensor, check_type


def stages(net: nn.Module) -> list[str]:
    """Return the names of the layers at the ends of a net's stages, first to last.

    What they put out are the feature maps that the next stage sees, before a pooling.

    Args:
        net: one of `nets`.

    Raises:
        TypeError: if it is not a module.
        ValueError: if it is another net.
    """
    check_type("net", net, nn.Module, "a net, such as nets.small((3, 16, 16), 10)")
    modules = dict(net.named_modules())
    if isinstance(net, ResNet):
        names = [f"layer{i}" for i in range(1, 5)]
    elif isinstance(net, GoogLeNet):
        names = ["inception3b", "inception4e", "inception5a", "inception5b"]
    else:  # a pooling closes a stage; before it stands the activation
        prefix = "features." if isinstance(net, VGG) else ""
        layers = [
            name for name in modules if name and name.startswith(prefix) and name[-1].isdigit()
        ]
        names = [name for name in layers if isinstance(modules[name], nn.ReLU)]
        if isinstance(net, VGG):
            after = dict(itertools.pairwise(layers))
            names = [name for name in names if isinstance(modules[after[name]], nn.MaxPool2d)]
    names = [name for name in names if not isinstance(modules.get(name), nn.Identity)]
    if not names or any(name not in modules for name in names):
        raise ValueError(
            f"net={type(net).__name__} has no stages known here; use one of vision.nets."
        )
    return names


def features(model: nn.Module, x: Tensor, layer: str) -> Tensor:
    """Return what a layer puts out for every image, ``(N, C, h, w)``, without gradients.

    Args:
        model: any net; it runs in eval mode and is left as it was.
        x: images ``(N, C, H, W)``.
        layer: its name in `model.named_modules()`.

    Raises:
        TypeError: if the model is not a module, or x is not a tensor.
        ValueError: if the layer is unknown, is never called, or its output is no map.
    """
    evaluation.check_built(model)
    check_tensor("x", x)
    modules = dict(model.named_modules())
    name = one_of("layer", layer, [name for name in modules if name])
    found: list[Tensor] = []
    handle = modules[name].register_forward_hook(lambda _, __, out: found.append(out.clone()))
    try:
        evaluation.predict(model, x)
    finally:
        handle.remove()
    if not found or found[0].ndim != 4:
        what = tuple(found[0].shape) if found else "nothing: it is never called"
        raise ValueError(f"layer={name!r} gives {what}; name one that gives maps (N, C, h, w).")
    return torch.cat(found)


def agreement(a: Tensor, b: Tensor) -> Tensor:
    """Return how far two layers look at the same places, one number per image, ``(N,)``.

    It is the correlation, over places, of the two attention maps: 1 where they rise and fall
    together, 0 where they have nothing to do with each other or one is the same everywhere. A
    cosine would not do, since maps of positive numbers have a large one whatever they show.

    Args:
        a: feature maps ``(N, C, h, w)``; their squares are summed over the channels.
        b: those of another layer or net for the same images, of any size. The larger map is
            averaged down to the smaller.

    Raises:
        TypeError: if one is not a tensor.
        ValueError: if they have other shapes, or answer to unequally many images.
    """
    for name, h in {"a": a, "b": b}.items():
        check_tensor(name, h)
        if h.ndim != 4 or not h.is_floating_point():
            raise ValueError(f"{name} has shape {tuple(h.shape)}; maps are floats (N, C, h, w).")
    if len(a) != len(b):
        raise ValueError(f"a has {len(a)} images and b has {len(b)}; give maps of the same images.")
    size = (min(a.shape[2], b.shape[2]), min(a.shape[3], b.shape[3]))
    flat = [F.adaptive_avg_pool2d(_attention(h), size).flatten(1) for h in (a, b)]
    return (_direction(flat[0]) * _direction(flat[1])).sum(1)


def _direction(rows: Tensor) -> Tensor:
    """Return deviations from each row's mean, of length 1; zeros where all places are alike."""
    deviation = rows - rows.mean(1, keepdim=True)
    length = deviation.norm(dim=1, keepdim=True)
    direction: Tensor = deviation / length.clamp_min(1e-6) * (length > 1e-6)
    return direction


def _attention(h: Tensor) -> Tensor:
    flat: Tensor = losses.attention_map(h)
    return flat.reshape(len(h), 1, h.shape[2], h.shape[3])
