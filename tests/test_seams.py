"""One training loop for all: text, tables, targets of several parts, losses that see the model."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import ExponentialLR

from distill_lessons import data, evaluation, models
from distill_lessons.data import UNLABELLED, Split
from distill_lessons.distillation import distill, join, teacher_logits
from distill_lessons.objectives import Batch, cross_entropy, of_logits
from distill_lessons.training import fit


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def images(n: int = 60, seed: int = 0) -> Split:
    """Images of 1×4×4 that are brighter the higher their class."""
    y = torch.arange(n) % 3
    return Split(0.5 * draw(n, 1, 4, 4, seed=seed) + y[:, None, None, None] / 6, y)


def table(n: int = 120, seed: int = 0) -> Split:
    """Five columns; the class is the sign of the first, the other four are noise."""
    x = 2 * draw(n, 5, seed=seed) - 1
    return Split(x, (x[:, 0] > 0).long())


def text(n: int = 120, seed: int = 0) -> Split:
    """Six tokens of 9, some masked; the class says whether token 7 is among those that count."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 9, (n, 6), generator=generator)
    mask = torch.arange(6) < torch.randint(2, 7, (n, 1), generator=generator)
    return Split(tokens, ((tokens == 7) & mask).any(1).long(), mask)


class Reader(nn.Module):
    """Embeds tokens and sums those that the mask lets count."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(9, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = self.head((self.embed(tokens) * mask[..., None]).sum(1))
        return logits


def reader(seed: int = 0) -> nn.Module:
    return models.seeded(Reader, seed)


def column_net(seed: int = 0) -> nn.Module:
    return models.seeded(lambda: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2)), seed)


def image_net(seed: int = 0) -> nn.Sequential:
    return models.mlp((1, 4, 4), 3, (8,), seed=seed)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


# ---- What a split may hold -----------------------------------------------------------------------


def test_a_table_trains_and_is_measured_as_images_are() -> None:
    net = column_net()
    history = fit(net, table(), epochs=60, valid=table(seed=1), lr=0.02, batch_size=32)
    assert history.rows[-1]["valid_accuracy"] > 0.9
    assert evaluation.evaluate(net, table(seed=2))["accuracy"] > 0.9
    assert evaluation.calibration(net, table(seed=2))[1] < 0.2


def test_a_text_trains_with_its_mask() -> None:
    net = reader()
    history = fit(net, text(), epochs=80, valid=text(200, seed=1), lr=0.03, batch_size=32)
    assert history.rows[-1]["valid_accuracy"] > 0.95
    # With another mask the same tokens are another text.
    whole = text(200, seed=1)
    seen = Split(whole.x, whole.y, torch.ones_like(whole.mask))
    assert evaluation.evaluate(net, seen)["accuracy"] < 0.9


def test_a_student_of_texts_is_distilled_with_its_mask() -> None:
    split, teacher, student = text(), reader(), reader(seed=1)
    fit(teacher, split, epochs=40, lr=0.03)
    z = teacher_logits(teacher, *split.inputs)
    first = distill(student, split.without_labels(), z, epochs=40, lr=0.03).rows
    assert first[-1]["train_loss"] < 0.2 * first[0]["train_loss"]
    guesses = [evaluation.predict(net, *split.inputs).argmax(1) for net in (teacher, student)]
    assert (guesses[0] == guesses[1]).float().mean() > 0.95


def test_predict_in_parts_keeps_mask_and_tokens_together() -> None:
    split = text()
    z = evaluation.predict(reader(), *split.inputs, batch_size=7)
    torch.testing.assert_close(z, reader()(split.x, split.mask))


def test_everything_a_split_can_do_keeps_its_rows_together() -> None:
    split = Split(
        torch.arange(12).reshape(4, 3),
        {"box": torch.arange(16.0).reshape(4, 2, 2), "kind": torch.tensor([0, 1, 2, 0])},
        torch.tensor([[True, False, True]] * 3 + [[True] * 3]),
    )
    taken = split.take([3, 0])
    assert taken.x[:, 0].tolist() == [9, 0]
    assert taken.y["box"][:, 0, 0].tolist() == [12, 0]
    assert taken.y["kind"].tolist() == [0, 0]
    assert taken.mask.all(1).tolist() == [True, False]
    again = join(split, taken)
    assert again.x[:, 0].tolist() == [0, 3, 6, 9, 9, 0]
    assert again.y["box"][:, 0, 0].tolist() == [0, 4, 8, 12, 12, 0]
    assert again.mask.shape == (6, 3)
    moved = split.to("meta")
    assert {moved.x.device, moved.mask.device, moved.y["box"].device} == {torch.device("meta")}
    hidden = split.without_labels()
    assert hidden.y.tolist() == [UNLABELLED] * 4
    assert torch.equal(hidden.mask, split.mask)


def test_parts_in_a_tuple_are_taken_and_joined_too() -> None:
    split = Split(draw(3, 2), (torch.tensor([4, 5, 6]), draw(3, 2, 2)))
    both = join(split.take([2]), split)
    assert isinstance(both.y, tuple)
    assert both.y[0].tolist() == [6, 4, 5, 6]
    assert torch.equal(both.y[1][1:], split.y[1])


MISFITS = {
    "tables of other widths": (Split(draw(2, 3), torch.zeros(2).long()), "images of shapes"),
    "another target": (Split(draw(2, 5), draw(2, 2)), r"y int64 \(\) on cpu; x .*, y float \(2,\)"),
    "tokens": (
        Split(torch.zeros(2, 5).long(), torch.zeros(2).long()),
        r"x float \(5,\) .*; x int64 \(5,\)",
    ),
    "a mask": (Split(draw(2, 5), torch.zeros(2).long(), draw(2, 5)), r"mask float \(5,\) on cpu\)"),
}


@pytest.mark.parametrize(("other", "expected"), MISFITS.values(), ids=MISFITS)
def test_splits_of_different_forms_are_not_joined(other: Split, expected: str) -> None:
    with pytest.raises(ValueError, match=f"^splits .*{expected}.*; join those of one"):
        join(table(), other)


# ---- What a target may be ------------------------------------------------------------------------


class TwoHeads(nn.Module):
    """Says a class, and where the brightest pixel is: a toy of detection."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.ReLU())
        self.kind, self.box = nn.Linear(32, 3), nn.Linear(32, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = self.trunk(x)
        return {"kind": self.kind(h), "box": self.box(h)}


@pytest.mark.parametrize("form", ["dict", "tuple"])
def test_a_target_of_two_parts_trains_through_fit(form: str) -> None:
    plain = images()
    place = plain.x.flatten(1).argmax(1)
    box = torch.stack([place // 4, place % 4], 1) / 3  # (N, 2)
    y = {"kind": plain.y, "box": box} if form == "dict" else (plain.y, box)
    split, net = Split(plain.x, y), models.seeded(TwoHeads, 0)

    def objective(model: nn.Module, batch: Batch) -> Tensor:
        said = model(batch.x)
        kind, where = (batch.y["kind"], batch.y["box"]) if form == "dict" else batch.y
        return F.cross_entropy(said["kind"], kind) + F.mse_loss(said["box"], where)

    history = fit(net, split, objective=objective, epochs=100, lr=0.01)
    assert history.rows[-1]["train_loss"] < 0.2 * history.rows[0]["train_loss"]
    said = net(split.x)
    assert (said["kind"].argmax(1) == plain.y).float().mean() > 0.9
    assert F.mse_loss(said["box"], box) < 0.5 * box.var(0).mean()


def test_soft_targets_are_a_target_also_with_the_graph_that_made_them() -> None:
    teacher, split = image_net(seed=9), images()
    fit(teacher, split, epochs=30, lr=0.03)
    before = weights(teacher)
    students = [image_net(), image_net()]
    for student, soft in zip(
        students,
        (teacher(split.x).softmax(1), teacher_logits(teacher, split.x).softmax(1)),
        strict=True,
    ):
        fit(
            student, Split(split.x, soft), lambda z, p, i: F.cross_entropy(z, p), epochs=60, lr=0.03
        )
    torch.testing.assert_close(*map(weights, students))
    assert torch.equal(weights(teacher), before)
    z_student, z_teacher = (teacher_logits(net, split.x) for net in (students[0], teacher))
    assert (z_student.argmax(1) == z_teacher.argmax(1)).float().mean() > 0.9


NEED_LABELS = {
    "fit": lambda split: fit(image_net(), split, epochs=1),
    "valid": lambda split: fit(image_net(), images(), epochs=1, valid=split),
    "evaluate": lambda split: evaluation.evaluate(image_net(), split),
    "calibration": lambda split: evaluation.calibration(image_net(), split),
    "stratified_subset": lambda split: data.stratified_subset(split, 6, seed=0),
    "without_class": lambda split: split.without_class(0),
    "distill": lambda split: distill(image_net(), split, torch.zeros(len(split), 3), epochs=1),
}


@pytest.mark.parametrize("use", NEED_LABELS.values(), ids=NEED_LABELS)
def test_what_needs_labels_refuses_another_target_by_name(use) -> None:
    plain = images()
    for y, said in (
        ({"kind": plain.y, "box": draw(60, 4)}, r"y\['kind'\] \(60,\), y\['box'\] \(60, 4\)"),
        (F.one_hot(plain.y), r"y \(60, 3\)"),
    ):
        expected = rf"(split|valid|transfer)\.y is another target than class labels \({said}\)"
        with pytest.raises(ValueError, match=rf"^{expected}.* one label per example.*argmax\(1\)"):
            use(Split(plain.x, y))


# ---- What a loss may see -------------------------------------------------------------------------


def test_the_objective_sees_the_model_and_the_batch() -> None:
    split, net, seen = images(), image_net(), []

    def objective(model: nn.Module, batch: Batch) -> Tensor:
        assert model is net
        assert model.training
        assert torch.equal(batch.x, split.x[batch.index])
        assert torch.equal(batch.y, split.y[batch.index])
        assert batch.mask is None
        seen.append(batch.index)
        hidden = model[:3](batch.x)  # a hint: it sees what no loss of the logits could
        return F.cross_entropy(model[3](hidden), batch.y) + 0.01 * hidden.square().mean()

    fit(net, split, objective=objective, epochs=2, batch_size=32)
    assert torch.cat(seen[:2]).sort().values.tolist() == list(range(60))
    assert len(seen) == 4


def test_the_short_form_is_an_objective_of_the_logits() -> None:
    short, general = image_net(), image_net()
    fit(short, images(), epochs=3, seed=2)
    objective = of_logits(cross_entropy)
    fit(general, images(), objective=objective, epochs=3, seed=2)
    assert torch.equal(weights(short), weights(general))


def test_an_objective_may_ask_for_gradients_of_the_images() -> None:
    def attacked(model: nn.Module, batch: Batch) -> Tensor:  # a step of the sign of the gradient
        x = batch.x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(model(x), batch.y), x)
        return F.cross_entropy(model((x + 0.1 * slope.sign()).detach()), batch.y)

    robust, split = image_net(), images()
    everything = Batch(split.x, split.y, torch.arange(60))
    before = attacked(robust, everything)
    fit(robust, split, objective=attacked, epochs=20, lr=0.01)
    assert attacked(robust, everything) < before - 0.02


def test_augmented_images_are_those_that_the_objective_sees() -> None:
    seen = []

    def objective(model: nn.Module, batch: Batch) -> Tensor:
        seen.append(batch.x)
        return model(batch.x).square().mean()

    fit(image_net(), images(), objective=objective, augment=lambda x, _: 0 * x, epochs=1)
    assert all((x == 0).all() for x in seen)


def test_a_projectors_weights_move_with_the_students() -> None:
    teacher, student = image_net(seed=9), models.mlp((1, 4, 4), 3, (4,), seed=1)
    projector = models.seeded(lambda: nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1)), 0)
    projector.eval()
    before, student_before = weights(projector), weights(student)

    def hint(model: nn.Module, batch: Batch) -> Tensor:
        assert projector.training
        with torch.no_grad():
            wanted = teacher[:3](batch.x)
        return F.mse_loss(projector(model[:3](batch.x)), wanted)

    history = fit(student, images(), objective=hint, also=[projector], epochs=40, lr=0.01)
    assert not torch.equal(weights(projector), before)
    assert not torch.equal(weights(student), student_before)
    assert history.rows[-1]["train_loss"] < 0.5 * history.rows[0]["train_loss"]
    assert not any(module.training for module in projector.modules())
    # Without `also` it would stay as it was drawn.
    still = models.seeded(lambda: nn.Linear(4, 8), 0)
    stays = weights(still)
    fit(
        student,
        images(),
        objective=lambda m, b: F.mse_loss(still(m[:3](b.x)), teacher[:3](b.x).detach()),
        epochs=1,
    )
    assert torch.equal(weights(still), stays)


def test_a_weight_in_two_modules_is_trained_once() -> None:
    alone, twice = image_net(), image_net()
    fit(alone, images(), epochs=2)
    fit(twice, images(), epochs=2, also=[twice[3]])
    assert torch.equal(weights(alone), weights(twice))


def test_a_schedule_moves_the_learning_rate_at_every_step() -> None:
    scheduled, expected = image_net(), image_net()
    rates: list[float] = []

    def schedule(optimizer: torch.optim.Optimizer) -> ExponentialLR:
        optimizer.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
        return ExponentialLR(optimizer, 0.5)

    fit(scheduled, images(), steps=4, lr=0.1, schedule=schedule, batch_size=60)
    assert rates == pytest.approx([0.1, 0.05, 0.025, 0.0125])
    optimizer = torch.optim.AdamW(expected.parameters(), lr=0.1, weight_decay=0, fused=True)
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        F.cross_entropy(expected(images().x), images().y).backward()
        optimizer.step()
    torch.testing.assert_close(weights(scheduled), weights(expected), atol=1e-5, rtol=0)


def test_loss_and_objective_are_not_both_given() -> None:
    with pytest.raises(ValueError, match="^loss= and objective= both say what to minimise"):
        fit(
            image_net(),
            images(),
            lambda z, y, index: z.mean(),
            objective=lambda model, batch: model(batch.x).mean(),
            epochs=1,
        )


BAD_LOSSES = {
    "one a row": (lambda z, y, i: F.cross_entropy(z, y, reduction="none"), r"is shape \(60,\); r"),
    "a number": (lambda z, y, i: 0.5, r"is 0.5; return one number, a tensor"),
    "nothing": (lambda z, y, i: None, "is None; return one number"),
    "detached": (lambda z, y, i: z.detach().mean(), "does not depend on a weight that is trained"),
}


@pytest.mark.parametrize(("loss", "expected"), BAD_LOSSES.values(), ids=BAD_LOSSES)
def test_what_is_no_loss(loss, expected: str) -> None:
    with pytest.raises(ValueError, match=f"^the loss (of a batch )?{expected}"):
        fit(image_net(), images(), loss, epochs=1, batch_size=60)
