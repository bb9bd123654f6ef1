"""What nets, shapes, views and the recipe of lesson 11 refuse: by name, with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from distill_lessons.data import Split
from distill_lessons.vision import fitting, maps, nets, shapes, views, weights

S = (3, 16, 16)
X = torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(0))
SPLIT = Split(X, torch.arange(12) % 3)
Z = torch.zeros(12, 3)
DICE = torch.Generator().manual_seed(0)


def net(**how: Any) -> torch.nn.Module:
    return nets.small((3, 8, 8), 3, width=2, **how)


def run(**how: Any) -> Any:
    return fitting.fit(net(), SPLIT, steps=2, **how)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    # nets: sizes, and images smaller than the stem and the stages allow
    "two axes": (lambda: nets.small((16, 16), 10), r"image_shape=\(16, 16\) must be"),
    "no shape": (lambda: nets.small(16, 10), "image_shape is int"),
    "no channel": (lambda: nets.small((0, 16, 16), 10), "image_shape=0 must be at least 1"),
    "a fraction": (lambda: nets.resnet((3, 16.5, 16), 10), "image_shape=16.5 must be"),
    "small for the student": (lambda: nets.small((3, 3, 16), 10), "at least 4×4"),
    "small for a ResNet": (lambda: nets.resnet((3, 7, 16), 10), "at least 8×8, or fewer stages"),
    "small for a VGG": (lambda: nets.vgg((3, 16, 16), 10), "at least 32×32, or fewer stages"),
    "small for a GoogLeNet": (lambda: nets.googlenet((3, 16, 7), 10), "at least 8×8"),
    "one class": (lambda: nets.resnet(S, 1), "n_classes=1 must be at least 2"),
    "no width": (lambda: nets.vgg((3, 32, 32), 10, width=0), "width=0 must be at least 1"),
    "no stage": (lambda: nets.resnet(S, 10, blocks=()), r"blocks=\(\) must name"),
    "five stages": (lambda: nets.resnet(S, 10, blocks=(1,) * 5), "one to four stages"),
    "an empty stage": (lambda: nets.resnet(S, 10, blocks=(1, 0)), "blocks=0 must be at least 1"),
    "blocks a number": (lambda: nets.resnet(S, 10, blocks=2), "blocks is int"),
    "no stages": (lambda: nets.vgg(S, 10, stages=()), r"stages=\(\): a net needs a stage"),
    "a stage of nothing": (lambda: nets.vgg(S, 10, stages=((1,), ())), "a stage a convolution"),
    "stages flat": (lambda: nets.vgg(S, 10, stages=(1, 2)), "stages is int"),
    "stages a number": (lambda: nets.vgg(S, 10, stages=3), "stages is int"),
    "no net": (lambda: maps.stages("resnet"), "net is str"),
    # shapes
    "too few shapes": (lambda: shapes.made(9, seed=0), "n=9 leaves some of the 10 shapes out"),
    "too small": (lambda: shapes.made(10, 7, seed=0), "side=7 is too small"),
    "half an image": (lambda: shapes.made(10.5, seed=0), "n=10.5 must be a whole number"),
    "few in a class": (lambda: shapes.load(16, 5), "per_class=5 must be at least 6"),
    # views
    "rows": (lambda: views.view(X.flatten(1), 0), r"x has shape \(12, 192\); only images"),
    "no tensor": (lambda: views.view(None, 0), "x"),
    "view ten": (lambda: views.view(X, 10), "v=10: the views are numbered from 0 to 9"),
    "view minus one": (lambda: views.view(X, -1), "v=-1 must be at least 0"),
    "half a view": (lambda: views.view(X, torch.zeros(12)), "v holds torch.float32"),
    "views of others": (lambda: views.view(X, torch.arange(3)), r"v has shape \(3,\) for 12"),
    "no side": (lambda: views.step(0), "side=0 must be at least 1"),
    "none drawn": (lambda: views.drawn(0, DICE), "n=0 must be at least 1"),
    # the recipe
    "no steps": (lambda: fitting.fit(net(), SPLIT, steps=0), "steps=0 must be at least 1"),
    "no split": (lambda: fitting.fit(net(), X, steps=1), "split is Tensor"),
    "cold": (lambda: run(T=0.0), "T=0"),
    "nothing to learn": (
        lambda: fitting.fit(net(), SPLIT.without_labels(), steps=1),
        "split holds images without labels; give z= or teacher=",
    ),
    "two sources": (lambda: run(z=Z, teacher=net()), "z= and teacher= are both given"),
    "answers of others": (lambda: run(z=Z[1:]), r"z has shape \(11, 3\).*teacher_logits"),
    "answers to one view": (lambda: run(z=Z, views=True), r"in every view.*views.kept_logits"),
    "answers to all views": (lambda: run(z=Z.expand(10, -1, -1)), r"as they are: z must be"),
    "NaN": (lambda: run(z=Z / 0), "z"),
    "z a list": (lambda: run(z=Z.tolist()), "z"),
    "no data": (lambda: fitting.parts(SPLIT, 2), "found is Split"),
    "no repeat": (lambda: fitting.parts(shapes.load(8, 6), 0), "n_repeats=0 must be"),
    "few of no split": (lambda: fitting.few(X, 3, seed=0), "split is Tensor"),
    "too few": (lambda: fitting.few(SPLIT, 2, seed=0), "n=2 leaves some of the 3 classes empty"),
    # maps
    "unknown layer": (lambda: maps.features(net(), X, "9"), "layer='9' is unknown"),
    "no maps": (lambda: maps.features(net(), X, "8"), r"layer='8' gives \(12, 3\); name one"),
    "maps of vectors": (lambda: maps.agreement(X, Z), r"b has shape \(12, 3\); maps are floats"),
    "whole numbers": (lambda: maps.agreement(X.long(), X), "a has shape"),
    "other images": (lambda: maps.agreement(X, X[1:]), "a has 12 images and b has 11"),
    # weights
    "weights of no net": (lambda: weights.load(None, ".", "resnet18"), "net is NoneType"),
    "no name": (lambda: weights.load(net(), ".", 18), "name is int"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_by_name(case: str) -> None:
    call, words = REFUSED[case]
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        call()
    assert str(caught.value).endswith((".", "...)"))


def test_a_layer_that_is_never_called_is_refused() -> None:
    class Idle(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = torch.nn.Linear(192, 3), torch.nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(self.used(x.flatten(1)))

    with pytest.raises(ValueError, match="nothing: it is never called"):
        maps.features(Idle(), X, "idle")


def test_the_message_names_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        weights.load(net(), tmp_path, "resnet18")
    assert str(tmp_path) not in str(caught.value)
