"""Boxes, grids and scores against hand-worked cases, torchvision and, where it is, pycocotools."""

from __future__ import annotations

import contextlib
import functools
import io
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR
from torchvision import ops

from distill_lessons import data, evaluation, training
from distill_lessons.data import UNLABELLED, Split
from distill_lessons.detection import boxes, grid, losses, nets, reasons, scenes, scoring
from distill_lessons.detection.grid import Detections
from distill_lessons.detection.scenes import Scenes


def some_boxes(n: int, seed: int, canvas: float = 20.0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    low = (canvas - 9) * torch.rand(n, 2, generator=rng)
    return torch.cat([low, low + 3 + 6 * torch.rand(n, 2, generator=rng)], 1)


def few_scenes(n: int = 12, seed: int = 0, **how: Any) -> Scenes:
    return scenes.make(data.load("digits").train, n, seed=seed, **how)


def cells_of(scene: Scenes, cells: int) -> Tensor:
    return ((scene.boxes[..., :2] + scene.boxes[..., 2:]) / 2 * cells / scene.canvas).long()


def answers_to(scene: Scenes, cells: int, n_classes: int = 10) -> Tensor:
    """Return the answers that are wholly right."""
    wanted = grid.targets(scene, cells)
    kinds = torch.nn.functional.one_hot(wanted["classes"].clamp(min=0), n_classes)
    there = 40 * wanted["objectness"][:, None] - 20
    return torch.cat([there, wanted["boxes"], 40.0 * kinds.movedim(3, 1)], 1)


def found(edges: Any, scores: Any, classes: Any) -> Detections:
    edges, scores, classes = map(torch.as_tensor, (edges, scores, classes))
    return Detections(edges, scores, classes, torch.ones_like(classes, dtype=torch.bool))


# Boxes


def test_iou_by_hand_and_in_torchvision() -> None:
    a, b = (
        torch.tensor([[0.0, 0, 4, 4]]),
        torch.tensor([[2.0, 2, 6, 6], [4, 0, 8, 4], [1, 1, 3, 3]]),
    )
    torch.testing.assert_close(boxes.iou(a, b), torch.tensor([[4 / 28, 0, 0.25]]))
    a, b = some_boxes(30, 0), some_boxes(20, 1)
    torch.testing.assert_close(boxes.iou(a, b), ops.box_iou(a, b))


def test_a_box_without_area_overlaps_nothing() -> None:
    assert boxes.iou(torch.zeros(1, 4), torch.tensor([[0.0, 0, 1, 1]])).item() == 0
    assert boxes.iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.9])
def test_nms_keeps_what_torchvision_keeps(threshold: float) -> None:
    rng = torch.Generator().manual_seed(3)
    edges = torch.stack([some_boxes(25, seed) for seed in range(8)])
    scores, classes = torch.rand(8, 25, generator=rng), torch.randint(3, (8, 25), generator=rng)
    plain = boxes.nms(edges, scores, threshold=threshold)
    per_class = boxes.nms(edges, scores, classes, threshold=threshold)
    for i in range(8):
        theirs = ops.nms(edges[i], scores[i], threshold)
        assert set(theirs.tolist()) == set(plain[i].nonzero().flatten().tolist())
        theirs = ops.batched_nms(edges[i], scores[i], classes[i], threshold)
        assert set(theirs.tolist()) == set(per_class[i].nonzero().flatten().tolist())


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([4.0, 0, 2, 3], "has no area"),
        ([0.0, 0, 2, 0], "has no area"),
        ([0.0, 0, 2, float("nan")], "NaN"),
        ([-1.0, 0, 2, 3], "leaves the canvas of 20"),
        ([1.0, 0, 2, 21], "leaves the canvas of 20"),
    ],
)
def test_a_bad_box_is_refused_by_name(bad: list[float], words: str) -> None:
    edges = torch.tensor([[0.0, 0, 2, 2], bad])
    with pytest.raises(ValueError, match=rf"^here.*box 1.*|^here.*{words}") as refusal:
        boxes.check_boxes("here", edges, 20)
    assert words in str(refusal.value)
    with pytest.raises(ValueError, match="boxes"):
        Scenes(torch.zeros(1, 1, 20, 20), edges[None], torch.zeros(1, 2, dtype=torch.int64))


# Scenes


def test_scenes_hold_what_they_say() -> None:
    made = few_scenes(40)
    assert made.x.shape == (40, 1, 24, 24)
    assert made.x.min() >= 0
    assert made.x.max() <= 1
    assert int(made.there.sum(1).min()) >= 1
    assert int(made.there.sum(1).max()) == 3
    sides = (made.boxes[..., 2:] - made.boxes[..., :2])[made.there]
    assert int(sides.min()) >= 8
    assert int(sides.max()) <= 10
    for edges, there in zip(made.boxes, made.there, strict=True):
        apart = boxes.iou(edges[there], edges[there])
        torch.testing.assert_close(apart, torch.eye(len(apart)))


def test_a_scene_without_scraps_is_dark_outside_of_its_boxes() -> None:
    made = few_scenes(10, scraps=0)
    for x, edges, there in zip(made.x, made.boxes, made.there, strict=True):
        inside = reasons.covered(edges[there], 24).any(0)
        assert x[0][inside].max() > 0.5
        assert x[0][~inside].max() == 0


def test_scenes_follow_their_seed_and_take_colour_and_long_images() -> None:
    assert torch.equal(few_scenes(5).x, few_scenes(5).x)
    assert not torch.equal(few_scenes(5).x, few_scenes(5, seed=1).x)
    images = Split(torch.rand(6, 3, 30, 12), torch.arange(6) % 3)
    made = scenes.make(images, 4, canvas=20)
    sides = (made.boxes[..., 2:] - made.boxes[..., :2])[made.there]
    assert made.x.shape == (4, 3, 20, 20)
    assert (sides[:, 1] > sides[:, 0]).all()


def test_scenes_of_two_kinds_share_no_image() -> None:
    n = 90
    own = torch.linspace(0.2, 1, n)  # every image has a brightness of its own
    part = Split(own[:, None, None, None].expand(n, 1, 8, 8).contiguous(), torch.arange(n) % 3)
    third = n // 3
    parts = [part.take(range(i * third, (i + 1) * third)) for i in range(3)]
    made = scenes.shared_out(
        data.Data("toy", *parts, ("a", "b", "c")), train=60, transfer=60, valid=20, test=40,
        scraps=0,
    )  # fmt: skip
    seen = {name: set(of.x[of.x > 0].mul(1e4).round().int().tolist()) for name, of in made.items()}
    assert list(made) == ["train", "transfer", "valid", "test"]
    assert all(seen[a].isdisjoint(seen[b]) for a in seen for b in seen if a < b)


def test_scenes_without_boxes_or_hidden_labels_are_refused() -> None:
    split = data.load("digits").train
    with pytest.raises(ValueError, match=r"images\.y hides labels"):
        scenes.make(split.without_labels(), 3)
    with pytest.raises(ValueError, match="canvas=9 is smaller"):
        scenes.make(split, 3, canvas=9)
    empty = Scenes(torch.zeros(1, 1, 20, 20), torch.zeros(1, 1, 4), torch.full((1, 1), UNLABELLED))
    said = found([[[0.0, 0, 2, 2]]], [[0.5]], [[0]])
    with pytest.raises(ValueError, match="scenes shows nothing at all"):
        scoring.mean_ap(said, empty)


# The grid


def test_a_target_by_hand() -> None:
    scene = Scenes(
        torch.zeros(1, 1, 20, 20), torch.tensor([[[6.0, 2, 14, 12]]]), torch.tensor([[7]])
    )
    wanted = grid.targets(scene, 5)
    assert wanted["objectness"].nonzero().tolist() == [[0, 1, 2]]
    assert wanted["classes"][0, 1, 2] == 7
    assert (wanted["classes"] == UNLABELLED).sum() == 24
    numbers = torch.tensor([0.0, 0.25, np.log(2), np.log(2.5)], dtype=torch.float32)
    torch.testing.assert_close(wanted["boxes"][0, :, 1, 2], numbers)


@pytest.mark.parametrize(("canvas", "cells"), [(20, 5), (24, 6), (24, 12)])
def test_right_answers_become_the_boxes_that_are_there(canvas: int, cells: int) -> None:
    made = few_scenes(15, canvas=canvas)
    said = grid.decode(answers_to(made, cells), canvas)
    for i in range(len(made)):
        sure = said.keep[i] & (said.scores[i] > 0.5)
        assert sure.sum() == made.there[i].sum()
        apart = boxes.iou(said.boxes[i][sure], made.boxes[i][made.there[i]])
        assert (apart.amax(1) > 0.999).all()
        kinds = said.classes[i][sure]
        assert torch.equal(kinds, made.classes[i][made.there[i]][apart.argmax(1)])
    for area in (scoring.mean_ap(said, made), scoring.any_class_ap(said, made)):
        assert area == pytest.approx(1.0)


def test_two_centres_in_one_cell_are_refused() -> None:
    edges = torch.tensor([[[0.0, 0, 4, 4], [1, 1, 5, 5]]])
    scene = Scenes(torch.zeros(1, 1, 20, 20), edges, torch.zeros(1, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="two boxes with their centre in one"):
        grid.targets(scene, 5)


def test_nan_answers_are_refused() -> None:
    z = torch.zeros(3, 15, 5, 5)
    z[1, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="z holds NaN in scene 1"):
        grid.decode(z, 20)


def test_pseudo_boxes_of_right_answers_are_the_boxes() -> None:
    made = few_scenes(15, canvas=20)
    drawn = grid.as_labels(made.x, grid.decode(answers_to(made, 5), 20), cells=5)
    ours, theirs = grid.targets(drawn, 5), grid.targets(made, 5)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-4, rtol=1e-4)


def test_pseudo_boxes_of_any_answers_fit_the_grid() -> None:
    z = 3 * torch.randn(30, 15, 5, 5, generator=torch.Generator().manual_seed(0))
    x = torch.zeros(30, 1, 20, 20)
    drawn = grid.as_labels(x, grid.decode(z, 20), least=0.0, cells=5)
    grid.targets(drawn, 5)
    assert int(drawn.there.sum()) > 30
    nothing = grid.as_labels(x, grid.decode(z, 20), least=1.0, cells=5)
    assert int(nothing.there.sum()) == 0


# The score


def test_average_precision_by_hand() -> None:
    # Hit, false alarm, hit, hit; five boxes. Precision 1, 1/2, 2/3, 3/4; the last counts for two.
    hits = [True, False, True, True]
    area = scoring.average_precision([0.9, 0.8, 0.7, 0.5], hits, 5)
    assert area == pytest.approx((1 + 0.75 + 0.75) / 5)
    # At 0, 0.01, ... 0.2 of recall the best precision is 1, up to 0.6 it is 3/4, beyond it is 0.
    by_points = scoring.average_precision([0.9, 0.8, 0.7, 0.5], hits, 5, points=101)
    assert by_points == pytest.approx((21 + 40 * 0.75) / 101)
    assert scoring.average_precision([], [], 3) == 0.0
    assert scoring.average_precision([0.1], [True], 1, points=101) == 1.0


def test_a_box_that_is_found_twice_is_a_false_alarm() -> None:
    scene = Scenes(torch.zeros(1, 1, 20, 20), torch.tensor([[[0.0, 0, 8, 8]]]), torch.tensor([[1]]))
    edges = [[[0.0, 0, 8, 8], [0, 1, 8, 9], [0, 0, 8, 8], [0, 0, 8, 3]]]
    said = found(edges, [[0.5, 0.9, 0.95, 0.4]], [[1, 1, 0, 1]])
    assert scoring.matched(said, scene).tolist() == [[False, True, False, False]]
    # The class apart, the box of the wrong class comes first, and finds it; the others overlap it.
    assert scoring.matched(said, scene, classes=False).tolist() == [[False, False, True, False]]
    assert scoring.any_class_ap(said, scene) == 1.0
    assert scoring.class_ap(said, scene, 1) == 1.0
    with pytest.raises(ValueError, match="label=0 is a class without scenes"):
        scoring.class_ap(said, scene, 0)


def slow_mean_ap(said: Detections, made: Scenes) -> float:
    """The same, detection by detection and class by class."""
    areas = []
    for label in sorted(set(made.classes[made.there].tolist())):
        listed = [
            (float(said.scores[i, j]), i, j)
            for i, j in said.keep.nonzero().tolist()
            if said.classes[i, j] == label
        ]
        taken: set[tuple[int, int]] = set()
        hits = []
        for _, i, j in sorted(listed, reverse=True):
            fits = [
                (float(boxes.iou(said.boxes[i, j][None], made.boxes[i, m][None])), m)
                for m in range(made.classes.shape[1])
                if made.classes[i, m] == label and (i, m) not in taken
            ]
            best = max(fits, default=(0.0, 0))
            hits.append(best[0] >= 0.5)
            taken |= {(i, best[1])} if hits[-1] else set()
        n = int((made.classes == label).sum())
        precision = [sum(hits[: k + 1]) / (k + 1) for k in range(len(hits))]
        areas.append(sum(max(precision[k:]) for k, hit in enumerate(hits) if hit) / n)
    return float(np.mean(areas))


def noisy_answers(made: Scenes, seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    z = answers_to(made, 5)
    z[:, 0], z[:, 5:] = z[:, 0] / 10, z[:, 5:] / 10
    spread = torch.tensor([1.5, *[0.2] * 4, *[2.0] * 10]).reshape(1, -1, 1, 1)
    return z + torch.randn(z.shape, generator=rng) * spread


@pytest.mark.parametrize("seed", range(3))
def test_map_is_that_of_a_plain_loop(seed: int) -> None:
    made = few_scenes(40, seed=seed, canvas=20)
    said = grid.decode(noisy_answers(made, seed), 20)
    area = scoring.mean_ap(said, made)
    assert 0.05 < area < 0.98
    assert area == pytest.approx(slow_mean_ap(said, made), abs=1e-9)


def test_map_is_that_of_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    made = few_scenes(60, canvas=20)
    said = grid.decode(noisy_answers(made, 0), 20)

    def as_size(edges: Tensor) -> list[float]:
        x1, y1, x2, y2 = edges.tolist()
        return [x1, y1, x2 - x1, y2 - y1]

    truth = [
        {"image_id": i, "category_id": int(made.classes[i, m]) + 1, "iscrowd": 0, "ignore": 0,
         "bbox": (size := as_size(made.boxes[i, m])), "area": size[2] * size[3]}
        for i, m in made.there.nonzero().tolist()
    ]  # fmt: skip
    claims = [
        {"image_id": i, "category_id": int(said.classes[i, j]) + 1,
         "bbox": as_size(said.boxes[i, j]), "score": float(said.scores[i, j])}
        for i, j in said.keep.nonzero().tolist()
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        base = coco.COCO()
        base.dataset = {
            "images": [{"id": i} for i in range(len(made))],
            "categories": [{"id": k + 1} for k in range(10)],
            "annotations": [{"id": n + 1, **one} for n, one in enumerate(truth)],
        }
        base.createIndex()
        judge = cocoeval.COCOeval(base, base.loadRes(claims), "bbox")
        judge.params.iouThrs, judge.params.areaRng = np.array([0.5]), [[0, 1e10]]
        judge.params.areaRngLbl, judge.params.maxDets = ["all"], [100]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"]
    theirs = precision[precision > -1].mean()
    assert scoring.mean_ap(said, made, points=101) == pytest.approx(theirs, abs=1e-6)


# Losses


def test_right_answers_cost_nothing_and_empty_cells_do_not_count() -> None:
    made = few_scenes(10, canvas=20)
    wanted, z = grid.targets(made, 5), answers_to(made, 5)
    assert losses.labelled(z, wanted).item() < 1e-4
    elsewhere = (wanted["objectness"] == 0)[:, None] * torch.ones(1, 15, 1, 1)
    elsewhere[:, 0] = 0  # objectness counts everywhere
    torch.testing.assert_close(losses.labelled(z + 5 * elsewhere, wanted),
                               losses.labelled(z, wanted))  # fmt: skip
    torch.testing.assert_close(
        losses.distilled(z + 5 * elsewhere, z), losses.distilled(z, z), atol=1e-3, rtol=1e-3
    )


def test_the_class_term_of_a_sure_teacher_pushes_T_times_as_hard_as_a_label() -> None:
    made = few_scenes(10, canvas=20)
    wanted, teacher = grid.targets(made, 5), answers_to(made, 5) * 10
    slopes = {}
    for T in (1.0, 2.0, 4.0):
        z = torch.zeros_like(teacher, requires_grad=True)
        losses.distilled(z, teacher, ["classes"], T=T).backward()
        slopes[T] = z.grad[:, 5:].clone()
    z = torch.zeros_like(teacher, requires_grad=True)
    losses.labelled(z, wanted, box_weight=0.0).backward()
    for T, slope in slopes.items():
        torch.testing.assert_close(slope, T * z.grad[:, 5:], atol=1e-5, rtol=1e-3)


def test_each_map_moves_its_own_part_only() -> None:
    z, teacher = torch.randn(2, 3, 15, 5, 5, generator=torch.Generator().manual_seed(0))
    for name, part in grid.PARTS.items():
        own = z.clone().requires_grad_()
        losses.distilled(own, teacher, [name]).backward()
        other = own.grad.clone()
        assert other[:, part].abs().sum() > 0
        other[:, part] = 0
        assert other.abs().sum() == 0


# Reasons


def test_reasons_add_up_and_leave_the_net_as_it_was() -> None:
    made = few_scenes(6, canvas=20)
    net = nets.detector(1, 10, (4, 8, 8), seed=0).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    cells, kinds = cells_of(made, 5)[:, 0].flip(1), made.classes[:, 0]
    for of in (None, kinds):
        maps = reasons.of_cell(net, made.x, cells, of, steps=200)
        ends = [
            reasons.answer_of(evaluation.predict(net, x), cells, of)
            for x in (made.x, torch.zeros_like(made.x))
        ]
        torch.testing.assert_close(maps.sum((1, 2)), ends[0] - ends[1], atol=0.03, rtol=0.03)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_share_inside_by_hand() -> None:
    maps = torch.zeros(2, 4, 4)
    maps[0, 1, 2], maps[0, 3, 3] = -3.0, 1.0
    shares = reasons.inside(maps, torch.tensor([[2.0, 1, 3, 2], [0, 0, 4, 4]]))
    assert shares[0] == 0.75
    assert shares[1].isnan()


# The lesson in small


def test_the_class_map_is_what_a_student_of_few_labels_lacks() -> None:
    """One repeat, few steps: naming gains more from the class map than from the two others."""
    world = scenes.shared_out(
        data.load("digits"), train=600, transfer=600, valid=10, test=150, canvas=20
    )

    def score(net: torch.nn.Module) -> float:
        return scoring.mean_ap(grid.decode(evaluation.predict(net, world["test"].x), 20),
                               world["test"])  # fmt: skip

    def fit(net: torch.nn.Module, seen: Scenes, objective: Any) -> torch.nn.Module:
        once = functools.partial(OneCycleLR, max_lr=1e-2, total_steps=200, pct_start=0.25)
        training.fit(net, Split(seen.x, grid.targets(seen, 5)), objective=objective, steps=200,
                     batch_size=32, lr=1e-2, schedule=once)  # fmt: skip
        return net

    teacher = fit(nets.detector(1, 10, (16, 48, 96)), world["train"],
                  lambda net, b: losses.labelled(net(b.x), b.y))  # fmt: skip
    few, seen = world["transfer"].take(slice(0, 40)), world["transfer"]
    z, y = evaluation.predict(teacher, seen.x), grid.targets(few, 5)
    gained = {}
    for part in grid.PARTS:

        def both(net: torch.nn.Module, batch: Any, part: str = part) -> Tensor:
            mine, other = batch.index[:16] % 40, batch.index[:16]
            said = net(torch.cat([few.x[mine], batch.x[:16]]))
            known = {name: of[mine] for name, of in y.items()}
            return losses.labelled(said[: len(mine)], known) + losses.distilled(
                said[len(mine) :], z[other], [part]
            )

        gained[part] = score(fit(nets.detector(1, 10, (8, 16, 24), seed=1), seen, both))
    assert score(teacher) > 0.3
    assert gained["classes"] > 0.1 + max(gained["objectness"], gained["boxes"])
