"""Nets for small images, made shapes, counted views, one recipe, and weights from a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models as published
from torchvision.transforms.functional import to_pil_image

from distill_lessons import distillation, evaluation, losses, models
from distill_lessons.data import Split
from distill_lessons.explain.randomisation import randomised
from distill_lessons.vision import fitting, maps, nets, shapes, views, weights

SMALL = (3, 16, 16)


def slim(seed: int = 0) -> nn.Module:
    return nets.vgg(SMALL, 10, width=4, stages=nets.VGG_SLIM, seed=seed)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ---- nets, against torchvision's own -------------------------------------------------------------


def test_resnet_18_differs_from_torchvisions_in_the_stem_alone() -> None:
    ours, theirs = nets.resnet((3, 32, 32), 10), published.resnet18(weights=None, num_classes=10)
    a, b = ours.state_dict(), theirs.state_dict()
    assert a.keys() == b.keys()
    assert [name for name in a if a[name].shape != b[name].shape] == ["conv1.weight"]
    stem = 64 * 3 * (7 * 7 - 3 * 3)
    assert models.count_parameters(theirs) - models.count_parameters(ours) == stem


def test_resnet_18_computes_what_torchvisions_does_with_this_stem() -> None:
    ours, theirs = nets.resnet((3, 32, 32), 10), published.resnet18(weights=None, num_classes=10)
    theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    theirs.maxpool = nn.Identity()
    theirs.load_state_dict(ours.state_dict())
    x = torch.rand(2, 3, 32, 32, generator=rng())
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_vgg_11_has_torchvisions_features() -> None:
    ours, theirs = nets.vgg((3, 32, 32), 10), published.vgg11_bn(weights=None)
    theirs.features.load_state_dict(ours.features.state_dict())  # type: ignore[union-attr]
    x = torch.rand(2, 3, 32, 32, generator=rng())
    features = theirs.features.eval()(x)
    torch.testing.assert_close(ours.eval().features(x), features)  # type: ignore[operator]
    torch.testing.assert_close(ours(x), ours.classifier(features.mean((2, 3))))  # type: ignore[operator]


def test_googlenet_computes_what_torchvisions_does_with_this_stem() -> None:
    ours = nets.googlenet((3, 32, 32), 10)
    theirs = published.googlenet(weights=None, num_classes=10, aux_logits=False, init_weights=False)
    a, b = ours.state_dict(), theirs.state_dict()
    assert a.keys() == b.keys()
    assert [k for k in a if a[k].shape != b[k].shape] == ["conv1.conv.weight"]
    theirs.conv1 = type(theirs.conv1)(3, 64, kernel_size=3, padding=1)
    theirs.maxpool1 = theirs.maxpool2 = nn.Identity()
    theirs.maxpool4 = theirs.maxpool3 = nn.MaxPool2d(2, ceil_mode=True)
    theirs.load_state_dict(a)
    x = torch.rand(2, 3, 32, 32, generator=rng())
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


NETS: list[Any] = [
    lambda seed: nets.resnet(SMALL, 5, width=4, blocks=(1, 1), seed=seed),
    lambda seed: nets.resnet((1, 9, 10), 5, width=4, blocks=(1, 1, 1, 1), seed=seed),
    lambda seed: slim(seed),
    lambda seed: nets.vgg((1, 8, 8), 5, width=4, stages=((1,), (2, 2)), seed=seed),
    lambda seed: nets.googlenet((3, 9, 8), 5, width=8, seed=seed),
    lambda seed: nets.googlenet((3, 8, 9), 5, width=8, short=True, seed=seed),
    lambda seed: nets.small((3, 9, 11), 5, width=3, seed=seed),
]
SHAPES = [SMALL, (1, 9, 10), SMALL, (1, 8, 8), (3, 9, 8), (3, 8, 9), (3, 9, 11)]


@pytest.mark.parametrize(("build", "shape"), list(zip(NETS, SHAPES, strict=True)))
def test_every_net_answers_depends_on_its_seed_alone_and_can_be_explained(
    build: Any, shape: tuple[int, int, int]
) -> None:
    net, x = build(0).eval(), torch.rand(2, *shape, generator=rng())
    z = net(x)
    assert z.shape[0] == 2
    assert torch.isfinite(z).all()
    assert torch.equal(z, build(0).eval()(x))
    assert not torch.equal(z, build(1).eval()(x))
    assert not any(getattr(module, "inplace", False) for module in net.modules())
    kept = [maps.features(net, x, layer) for layer in maps.stages(net)]
    assert all(h.ndim == 4 for h in kept)
    sides = [h.shape[2] for h in kept]
    assert sides == sorted(sides, reverse=True)
    randomised(net, 0)  # every layer can be drawn anew, which controls need


def test_the_lessons_student_has_a_twentieth_of_each_teachers_weights() -> None:
    student = models.count_parameters(nets.small(SMALL, 10, width=8))
    teachers = [
        nets.vgg(SMALL, 10, width=16, stages=nets.VGG_SLIM),
        nets.resnet(SMALL, 10, width=9, blocks=(1, 1, 1, 1)),
        nets.googlenet(SMALL, 10, width=12, short=True),
    ]
    for teacher in teachers:
        assert student <= models.count_parameters(teacher) / 20
    wide = models.count_parameters(nets.small((3, 32, 32), 10, width=32))
    assert wide <= models.count_parameters(nets.resnet((3, 32, 32), 10)) / 20


def test_stages_of_an_unknown_net_are_refused() -> None:
    with pytest.raises(ValueError, match="Linear has no stages"):
        maps.stages(nn.Linear(2, 2))


# ---- shapes --------------------------------------------------------------------------------------


def test_shapes_are_images_of_ten_classes_that_depend_on_the_seed_alone() -> None:
    one, again, other = (shapes.made(50, 12, seed=seed) for seed in (3, 3, 4))
    assert one.x.shape == (50, 3, 12, 12)
    assert 0 <= float(one.x.min()) <= float(one.x.max()) <= 1
    assert one.y.bincount().tolist() == [5] * 10
    assert torch.equal(one.x, again.x)
    assert not torch.equal(one.x, other.x)


def test_neither_colour_nor_place_tells_the_class() -> None:
    """What is left when the outline is gone, a mean colour, says next to nothing."""
    made = shapes.made(2000, seed=0)
    grey = made.x.mean((1, 2, 3))
    total = grey.var()
    within = torch.stack([grey[made.y == k].var() for k in range(10)]).mean()
    # Shapes of unequal area brighten an image unequally; colours and light drown that.
    assert within > 0.75 * total
    hue = (made.x - made.x.mean(1, keepdim=True)).mean((2, 3))  # which channel is strong
    means = torch.stack([hue[made.y == k].mean(0) for k in range(10)])
    assert float(means.std(0).max()) < 0.1 * float(hue.std(0).min())


def test_a_teacher_reads_shapes_that_no_mean_image_reads() -> None:
    found = shapes.load(16, 60)
    net = fitting.fit(nets.small(SMALL, 10, width=16), found.train, steps=250, views=True)
    means = torch.stack([found.train.x[found.train.y == k].mean(0) for k in range(10)])
    nearest = torch.cdist(found.test.x.flatten(1), means.flatten(1)).argmin(1)
    by_mean = float((nearest == found.test.y).float().mean())
    assert evaluation.evaluate(net, found.test)["accuracy"] > by_mean + 0.1


# ---- views ---------------------------------------------------------------------------------------


def test_views_are_ten_and_the_first_is_the_image() -> None:
    x = torch.rand(2, 3, 6, 5, generator=rng())
    before = x.clone()
    all_views = torch.stack([views.view(x, v) for v in range(views.N_VIEWS)])
    assert torch.equal(all_views[0], x)
    assert torch.equal(all_views[5], x.flip(-1))
    assert torch.equal(all_views[2][:, :, 1:], x[:, :, :-1])  # down: the first row is repeated
    assert torch.equal(all_views[2][:, :, 0], x[:, :, 0])
    assert torch.equal(all_views[3][..., :-1], x[..., 1:])  # left
    assert len(all_views.flatten(1).unique(dim=0)) == views.N_VIEWS
    assert torch.equal(x, before)


def test_each_image_has_its_own_view() -> None:
    x, v = torch.rand(7, 3, 6, 6, generator=rng()), torch.tensor([0, 9, 3, 3, 7, 1, 5])
    together = views.view(x, v)
    for i, number in enumerate(v.tolist()):
        assert torch.equal(together[i : i + 1], views.view(x[i : i + 1], number))


def test_a_view_moves_a_sixteenth_of_the_side() -> None:
    assert [views.step(side) for side in (5, 16, 31, 32, 224)] == [1, 1, 1, 2, 14]


def test_kept_logits_are_those_of_the_teacher_asked_anew() -> None:
    teacher, x = slim().train(), torch.rand(9, *SMALL, generator=rng())
    kept = views.kept_logits(teacher, x)
    assert kept.shape == (views.N_VIEWS, 9, 10)
    assert teacher.training
    v = views.drawn(9, rng(1))
    anew = evaluation.predict(teacher, views.view(x, v))
    torch.testing.assert_close(kept[v, torch.arange(9)], anew, rtol=0, atol=1e-6)


def test_views_drawn_at_random_are_all_as_likely_and_an_augmentation() -> None:
    counts = views.drawn(5000, rng()).bincount(minlength=views.N_VIEWS)
    assert len(counts) == views.N_VIEWS
    assert int(counts.min()) > 400
    x = torch.rand(4, *SMALL, generator=rng())
    assert torch.equal(views.at_random(x, rng(2)), views.view(x, views.drawn(4, rng(2))))


# ---- the recipe ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def split() -> Split:
    return shapes.made(80, seed=1)


def weights_of(net: nn.Module) -> torch.Tensor:
    return torch.cat([w.detach().flatten() for w in net.parameters()])


def trained(split: Split, z: torch.Tensor | None = None, **how: Any) -> torch.Tensor:
    return weights_of(fitting.fit(nets.small(SMALL, 10), split, z, steps=12, **how))


def test_a_student_of_kept_answers_is_that_of_a_teacher_asked_anew(split: Split) -> None:
    teacher = slim()
    anew = trained(split, teacher=teacher, views=True)
    torch.testing.assert_close(
        trained(split, views.kept_logits(teacher, split.x), views=True), anew, rtol=0, atol=1e-5
    )
    mistaken = views.kept_logits(teacher, split.x)[:1].expand(views.N_VIEWS, -1, -1)
    assert float((trained(split, mistaken, views=True) - anew).abs().max()) > 1e-3


def test_kept_answers_without_views_are_those_of_distill(split: Split) -> None:
    z = distillation.teacher_logits(slim(), split.x)
    mine = trained(split, z)
    torch.testing.assert_close(trained(split, teacher=slim()), mine, rtol=0, atol=1e-5)
    batch = split.x[:8]
    net = nets.small(SMALL, 10).eval()
    q = (net(batch) / 4.0).log_softmax(1)
    by_hand = 16 * nn.functional.kl_div(
        q, (z[:8] / 4.0).log_softmax(1), reduction="batchmean", log_target=True
    )
    torch.testing.assert_close(by_hand, losses.kd_loss(net(batch), z[:8], None, T=4.0, alpha=0.0))


def test_the_recipe_repeats_itself_and_depends_on_its_seed(split: Split) -> None:
    one = trained(split, views=True)
    assert torch.equal(one, trained(split, views=True))
    assert not torch.equal(one, trained(split, views=True, seed=1))
    assert not torch.equal(one, trained(split))


def test_views_are_drawn_apart_from_the_order_of_the_images(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, found = views.drawn, []

    def noted(n: int, generator: torch.Generator) -> torch.Tensor:
        found.append(draw(n, generator))
        return found[-1]

    monkeypatch.setattr(views, "drawn", noted)
    trained(split, views=True)  # its seed 0 makes the order
    assert not torch.equal(found[0], draw(len(found[0]), rng()))


def test_soft_targets_never_look_at_a_label(split: Split) -> None:
    z = distillation.teacher_logits(slim(), split.x)
    assert torch.equal(trained(split, z), trained(split.without_labels(), z))


def test_bfloat16_runs_and_stays_near(split: Split) -> None:
    full, half = trained(split), trained(split, half=True)
    assert half.dtype == torch.float32
    assert torch.isfinite(half).all()
    assert 0 < float((full - half).norm()) < 0.5 * float(full.norm())


def test_parts_are_disjoint_share_out_everything_and_change_with_the_repeat() -> None:
    found = shapes.load(8, 12)
    pool = torch.cat([found.train.x, found.valid.x, found.test.x])
    first, second = fitting.parts(found, 2, seed=3)
    assert (first.seed, second.seed) == (6, 7)
    splits = (first.teaching, first.spare, first.valid, first.test)
    together = torch.cat([split.x for split in splits]).flatten(1)
    assert len(together) == len(pool)
    assert len(together.unique(dim=0)) == len(pool)
    assert [len(split) for split in splits] == [60, 60, 20, 60]
    assert all(len(split.y.unique()) == 10 for split in splits)
    assert not torch.equal(first.test.x, second.test.x)


def test_few_are_stratified_and_at_most_all() -> None:
    split = shapes.made(40, 8, seed=0)
    index = fitting.few(split, 20, seed=0)
    assert split.y[index].bincount().tolist() == [2] * 10
    assert len(fitting.few(split, 100, seed=0)) == 40


# ---- maps ----------------------------------------------------------------------------------------


def test_features_are_what_the_layer_puts_out() -> None:
    net, x = nets.small(SMALL, 10).train(), torch.rand(3, *SMALL, generator=rng())
    h = maps.features(net, x, "2")
    assert net.training
    net.eval()
    torch.testing.assert_close(h, net[2](net[1](net[0](x))))


def test_agreement_is_the_correlation_of_the_attention() -> None:
    a, b = torch.rand(4, 3, 5, 6, generator=rng()), torch.rand(4, 2, 5, 6, generator=rng(1))
    found = maps.agreement(a, b)
    for i in range(4):
        rows = torch.stack([h[i].square().sum(0).flatten() for h in (a, b)])
        assert float(found[i]) == pytest.approx(float(torch.corrcoef(rows)[0, 1]), abs=1e-5)
    torch.testing.assert_close(maps.agreement(a, 3 * a), torch.ones(4))
    larger = a.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(maps.agreement(larger, b), found)
    assert maps.agreement(torch.ones(2, 1, 3, 3), b[:2]).tolist() == [0.0, 0.0]


# ---- weights from a folder -----------------------------------------------------------------------


def test_published_weights_fit_all_but_both_ends(tmp_path: Path) -> None:
    theirs = published.resnet18(weights=None)  # a thousand classes, a stem for large images
    save_file(theirs.state_dict(), tmp_path / "resnet18.safetensors")
    net = nets.resnet((3, 16, 16), 7)
    stem = net.conv1.weight.clone()  # type: ignore[union-attr,operator]
    left = weights.load(net, tmp_path, "resnet18")
    assert left == ["conv1.weight", "fc.weight", "fc.bias"]
    assert torch.equal(net.conv1.weight, stem)  # type: ignore[union-attr]
    mine, other = net.state_dict(), theirs.state_dict()
    assert all(torch.equal(mine[name], other[name]) for name in mine if name not in left)


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    wider = nets.resnet(SMALL, 10, width=8).state_dict()
    whole = {name: w.contiguous() for name, w in wider.items()}
    save_file(whole, tmp_path / "resnet18.safetensors")
    net = nets.resnet(SMALL, 10, width=4)
    before = weights_of(net)
    with pytest.raises(ValueError, match=r"do not fit this net \(bn1.weight: \(8,\) there, \(4,\)"):
        weights.load(net, tmp_path, "resnet18")
    assert torch.equal(weights_of(net), before)
    with pytest.raises(ValueError, match="missing there"):
        weights.load(nets.small(SMALL, 10), tmp_path, "resnet18")


def test_a_folder_without_the_file_and_a_file_that_is_none_are_refused(tmp_path: Path) -> None:
    net = nets.resnet(SMALL, 10, width=4)
    with pytest.raises(FileNotFoundError, match="unset DISTILL_WEIGHTS"):
        weights.load(net, tmp_path, "resnet18")
    (tmp_path / "resnet18.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="is no file of safetensors"):
        weights.load(net, tmp_path, "resnet18")


# --- photographs of a learner's own ---------------------------------------------------------------


def test_photographs_go_from_training_to_explanation_in_one_command(tmp_path: Path) -> None:
    made = shapes.load(16, 40, seed=0)
    for k in range(3):
        (tmp_path / "mine" / made.classes[k]).mkdir(parents=True)
        for i, x in enumerate(made.train.x[made.train.y == k]):
            to_pil_image(x).save(tmp_path / "mine" / made.classes[k] / f"{i}.png")
    own = {"DISTILL_DATASET": "folder:mine", "DISTILL_RECORD": "0", "DISTILL_PROFILE": "cpu"}
    done = subprocess.run(
        [sys.executable, "-m", "distill_lessons", "run", "11"],
        cwd=tmp_path,
        env=os.environ | own,
        capture_output=True,
        text=True,
        timeout=600,
    )
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert [line for line in failed if "claim does not hold" not in line] == []
    (ran,) = tmp_path.glob("runs/*/11_image_models.ipynb")
    cells = json.loads(ran.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error"]
    shown = "".join(str(output.get("data", {}).get("text/html", "")) for output in outputs)
    for explained in (
        "Mean correlation of the Grad-CAM maps",
        "Mean correlation of the Shapley maps",
    ):
        assert explained in shown
    assert "Report: runs" in done.stdout
