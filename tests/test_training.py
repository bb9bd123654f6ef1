"""The training loop against a loop written out by hand, and the promises of its docstrings."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
import tqdm
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import evaluation, models, progress, training
from distill_lessons.augmentation import jitter
from distill_lessons.data import UNLABELLED, Split
from distill_lessons.evaluation import calibration, evaluate, predict
from distill_lessons.objectives import Loss, cross_entropy
from distill_lessons.sources.catalogue import SOURCES
from distill_lessons.training import fit


def toy(n: int = 50, k: int = 3, seed: int = 0) -> Split:
    """Images of 1×4×4 whose class shows in their brightness, so that little training helps."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % k
    x = 0.5 * torch.rand(n, 1, 4, 4, generator=g) + 0.5 * y[:, None, None, None] / k
    return Split(x, y)


def net(seed: int = 0, dropout: float = 0.0) -> nn.Sequential:
    return models.mlp((1, 4, 4), 3, (8,), dropout=dropout, seed=seed)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([t.detach().double().flatten() for t in model.state_dict().values()])


def trained(model: nn.Module | None = None, **arguments) -> Tensor:
    model = net() if model is None else model
    arguments.setdefault("batch_size", 16)
    fit(model, toy(), **arguments)
    return weights(model)


# ---- Oracle --------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_fit_equals_a_loop_written_out(weight_decay: float) -> None:
    split, model, expected = toy(), net(), net()
    history = fit(model, split, epochs=3, batch_size=16, lr=0.01, weight_decay=weight_decay, seed=5)

    # Fused: the same algorithm in one call, which rounds otherwise in the last bit.
    optimizer = torch.optim.AdamW(
        expected.parameters(), lr=0.01, weight_decay=weight_decay, fused=True
    )
    generator = torch.Generator().manual_seed(5)
    means = []
    for _ in range(3):
        order, summed = torch.randperm(50, generator=generator), 0.0
        for start in range(0, 50, 16):  # batches of 16, 16, 16 and 2
            index = order[start : start + 16]
            loss = F.cross_entropy(expected(split.x[index]), split.y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            summed += loss.item() * len(index)
        means.append(summed / 50)

    assert torch.equal(weights(model), weights(expected))
    assert history.frame()["train_loss"].tolist() == pytest.approx(means, rel=1e-6)
    assert history.frame()["step"].tolist() == [4, 8, 12]
    assert history.frame()["epoch"].tolist() == [1, 2, 3]
    assert history.message.startswith("Trained for 12 steps; final training loss ")
    assert history.accepted is None
    assert not history.interrupted


def test_training_lowers_the_loss_and_tells_of_validation() -> None:
    split, valid, model = toy(), toy(seed=1), net()
    frame = fit(model, split, epochs=30, valid=valid, lr=0.01).frame()
    assert frame["train_loss"].iloc[-1] < 0.8 * frame["train_loss"].iloc[0]
    last = evaluate(model, valid)
    assert frame.iloc[-1][["valid_loss", "valid_accuracy"]].tolist() == list(last.values())


def test_steps_and_epochs_are_two_ways_to_say_the_same() -> None:
    # 50 images in batches of 16 are 4 steps an epoch.
    assert torch.equal(trained(steps=8), trained(epochs=2))


def test_steps_may_end_within_an_epoch() -> None:
    model = net()
    history = fit(model, toy(), steps=6, batch_size=16)
    assert history.frame()["step"].tolist() == [4, 6]
    assert torch.equal(weights(model), trained(steps=6))
    assert not torch.equal(weights(model), trained(epochs=2))


def test_loss_is_given_the_indices_of_its_images() -> None:
    split, seen = toy(), []

    def loss(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        assert torch.equal(labels, split.y[index])
        seen.append(index)
        return F.cross_entropy(logits, labels)

    fit(net(), split, loss, epochs=1, batch_size=16)
    assert [len(index) for index in seen] == [16, 16, 16, 2]
    assert torch.cat(seen).sort().values.tolist() == list(range(50))
    assert torch.cat(seen).tolist() != list(range(50))


# ---- Randomness ----------------------------------------------------------------------------------


def test_what_is_done_to_an_image_does_not_depend_on_its_place_in_the_order() -> None:
    """In the first epoch order and augmentation once came from one stream of random numbers."""
    met: list[tuple[torch.Tensor, torch.Tensor]] = []

    def noted(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        met.append((x[:, 0], torch.randint(10, (len(x),), generator=generator)))
        return x

    place = torch.arange(10.0)[:, None]
    for seed in range(300):
        split = Split(place, torch.arange(10) % 2)
        fit(nn.Linear(1, 2), split, epochs=1, batch_size=10, seed=seed, augment=noted)
    index, drawn = (torch.cat(part) for part in zip(*met, strict=True))
    assert float((index == drawn).float().mean()) == pytest.approx(0.1, abs=0.02)


def test_same_seed_gives_exactly_the_same_weights_whatever_the_global_state() -> None:
    train = partial(trained, epochs=2, augment=jitter(1))
    torch.manual_seed(1)
    first = train(net(dropout=0.5), seed=3)
    torch.manual_seed(2)
    assert torch.equal(first, train(net(dropout=0.5), seed=3))
    assert not torch.equal(first, train(net(dropout=0.5), seed=4))


def test_seed_decides_order_dropout_and_augmentation_each() -> None:
    full = partial(trained, epochs=2, batch_size=50)  # one batch: only rounding knows the order
    assert torch.allclose(full(seed=0), full(seed=1), atol=1e-6)
    assert not torch.allclose(full(net(dropout=0.5), seed=0), full(net(dropout=0.5), seed=1))
    assert not torch.allclose(full(augment=jitter(1), seed=0), full(augment=jitter(1), seed=1))
    assert not torch.allclose(trained(steps=2, seed=0), trained(steps=2, seed=1))


def test_augmentation_draws_from_the_seed_alone() -> None:
    draws: dict[int, list[float]] = {}
    for seed in (3, 4, 3):

        def augment(x: Tensor, generator: torch.Generator, seed: int = seed) -> Tensor:
            draws.setdefault(seed, []).append(torch.rand(1, generator=generator).item())
            return x

        fit(net(), toy(), steps=2, augment=augment, seed=seed)
    assert draws[3][:2] == draws[3][2:]
    assert draws[3][0] != draws[3][1]
    assert draws[3][0] != draws[4][0]


def test_no_global_random_state_is_touched() -> None:
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    model = net(dropout=0.5)
    fit(model, toy(), epochs=2, augment=jitter(1), valid=toy())
    predict(model, toy().x)
    assert torch.equal(torch.get_rng_state(), torch_before)
    numpy_after = np.random.get_state()  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(numpy_before, numpy_after, strict=True))


# ---- Modes ---------------------------------------------------------------------------------------


def net_with_frozen_norm() -> nn.Sequential:
    norm = nn.BatchNorm1d(8).eval()
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), norm, nn.Dropout(0.5), nn.Linear(8, 3))


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


USES: dict[str, Callable[[nn.Module], object]] = {
    "fit": lambda m: fit(m, toy(), steps=2, valid=toy()),
    "predict": lambda m: predict(m, toy().x),
    "evaluate": lambda m: evaluate(m, toy()),
    "calibration": lambda m: calibration(m, toy()),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("training", [True, False])
def test_every_part_of_the_model_ends_in_its_own_mode(use, training: bool) -> None:
    model = net_with_frozen_norm()
    if not training:
        model.eval()
        model[3].train()
    before = modes(model)
    assert len(set(before)) == 2
    use(model)
    assert modes(model) == before


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_modes_come_back_after_an_error_too(error: type[BaseException]) -> None:
    def fail(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        raise error

    model = net_with_frozen_norm()
    before, state = modes(model), torch.get_rng_state()
    try:
        fit(model, toy(), fail, steps=2)
    except RuntimeError:
        assert error is RuntimeError
    assert modes(model) == before
    assert torch.equal(torch.get_rng_state(), state)


def test_model_trains_in_train_mode_and_is_judged_in_eval_mode() -> None:
    seen = []
    model = net()
    model.register_forward_hook(lambda module, x, z: seen.append(module.training))
    model.eval()
    fit(model, toy(), epochs=1, batch_size=16, valid=toy())
    assert seen[-5:] == [True] * 4 + [False]


# ---- Acceptance ----------------------------------------------------------------------------------


def test_training_ends_at_the_first_epoch_that_is_good_enough() -> None:
    losses = fit(net(), toy(), epochs=10, valid=toy(seed=1), lr=0.01).frame()["valid_loss"]
    assert losses.is_monotonic_decreasing
    threshold = float(losses[4])
    model = net()
    history = fit(
        model, toy(), epochs=10, valid=toy(seed=1), lr=0.01, accept_loss=round(threshold, 4) + 1e-4
    )
    assert history.accepted is True
    assert len(history.rows) == 5
    assert history.message == (
        f"Accepted after epoch 5: validation loss {threshold:.4f} is at most "
        f"{round(threshold, 4) + 1e-4}."
    )
    assert evaluate(model, toy(seed=1))["loss"] == threshold


def test_every_data_set_has_a_threshold_below_the_loss_of_ignorance() -> None:
    for name in SOURCES:
        assert 0 < training.threshold(name, 10) < math.log(10)
    assert training.threshold("folder:fruit", 4) == 0.69  # half of log 4 = 1.386


def test_a_loss_equal_to_the_threshold_is_accepted() -> None:
    first = fit(net(), toy(), epochs=1, valid=toy()).rows[0]["valid_loss"]
    assert len(fit(net(), toy(), epochs=3, valid=toy(), accept_loss=first).rows) == 1


def test_a_threshold_that_is_never_reached_is_reported_clearly() -> None:
    history = fit(net(), toy(), epochs=3, valid=toy(), accept_loss=0.001)
    best = history.frame()["valid_loss"].min()
    assert history.accepted is False
    assert len(history.rows) == 3
    assert history.message.startswith(
        f"NOT accepted: the best validation loss was {best:.4f} (epoch 3 of 3), above 0.001. "
    )
    assert "Train longer" in history.message
    assert "do not raise the threshold" in history.message


# ---- Interruption --------------------------------------------------------------------------------


def interrupting(call: int) -> Loss:
    calls = 0

    def loss(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return F.cross_entropy(logits, labels)

    return loss


def test_interruption_keeps_the_weights_and_the_history(capsys) -> None:
    model = net()
    history = fit(model, toy(), interrupting(call=7), epochs=5, batch_size=16, valid=toy())
    assert history.interrupted
    assert history.message == "Interrupted after 6 steps (1 whole epochs); the model is usable."
    assert capsys.readouterr().out == history.message + "\n"
    assert history.frame()["step"].tolist() == [4]
    assert torch.equal(weights(model), trained(steps=6))
    assert math.isfinite(evaluate(model, toy())["loss"])


def test_interruption_in_the_augmentation_and_before_the_first_step(capsys) -> None:
    def augment(x: Tensor, generator: torch.Generator) -> Tensor:
        raise KeyboardInterrupt

    model = net()
    history = fit(model, toy(), epochs=5, augment=augment)
    assert history.interrupted
    assert history.message.startswith("Interrupted after 0 steps (0 whole epochs)")
    assert history.frame().empty
    assert torch.equal(weights(model), weights(net()))


def test_an_interrupted_model_has_not_been_accepted(capsys) -> None:
    history = fit(net(), toy(), interrupting(call=3), epochs=5, valid=toy(), accept_loss=0.001)
    assert history.interrupted
    assert history.accepted is False


# ---- Measuring -----------------------------------------------------------------------------------


class Fixed(nn.Module):
    """Returns the logits it is told, whatever the images."""

    def __init__(self, z: Tensor) -> None:
        super().__init__()
        self.z = z

    def forward(self, x: Tensor) -> Tensor:
        return self.z[: len(x)]


def test_evaluate_a_hand_worked_example() -> None:
    # p = (3, 1)/4, (1, 3)/4, (3, 1)/4, (1, 1)/2; labels 0, 1, 1, 0 (a tie goes to the first).
    z = torch.tensor([[3.0, 1.0], [1.0, 3.0], [3.0, 1.0], [1.0, 1.0]]).log()
    found = evaluate(Fixed(z), Split(torch.zeros(4, 1, 2, 2), torch.tensor([0, 1, 1, 0])))
    assert found["accuracy"] == 0.75
    expected = (2 * math.log(4 / 3) + math.log(4) + math.log(2)) / 4
    assert found["loss"] == pytest.approx(expected)


def test_calibration_of_a_hand_worked_example() -> None:
    # Five images, two classes, guesses all 0. Confidences .6 .6 | .8 .8 | .95; four bins of a
    # quarter: (.5, .75) holds the first two, (.75, 1) the other three. Right: yes no | yes yes yes.
    p = torch.tensor([0.6, 0.6, 0.8, 0.8, 0.95])
    z = torch.stack([p, 1 - p], 1).log()
    split = Split(torch.zeros(5, 1, 2, 2), torch.tensor([0, 1, 0, 0, 0]))
    table, error = calibration(Fixed(z), split, bins=4)
    assert table.index.tolist() == [2, 3]
    assert table["images"].tolist() == [2, 3]
    assert table["confidence"].tolist() == pytest.approx([0.6, 0.85])
    assert table["accuracy"].tolist() == pytest.approx([0.5, 1.0])
    # (2 |.6 - .5| + 3 |.85 - 1|) / 5 = (.2 + .45) / 5
    assert error == pytest.approx(0.13)


def test_certainty_falls_into_the_last_bin() -> None:
    split = Split(torch.zeros(2, 1, 2, 2), torch.tensor([0, 0]))
    table, error = calibration(Fixed(torch.tensor([[1e3, 0.0]] * 2)), split, bins=10)
    assert table.index.tolist() == [9]
    assert error == 0


def test_predict_in_parts_equals_predict_at_once() -> None:
    x = toy().x
    torch.testing.assert_close(predict(net(), x, batch_size=7), net()(x))
    assert not predict(net(), x).requires_grad


def test_predicted_logits_may_enter_a_backward_pass() -> None:
    z = predict(net(), toy().x)
    assert not z.is_inference()
    student = net(seed=1)
    F.mse_loss(student(toy().x), z).backward()  # mse_loss saves both its arguments
    assert student[1].weight.grad is not None


# ---- Jitter --------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    st.integers(0, 4), st.integers(1, 4), st.integers(1, 3), st.integers(3, 7), st.integers(0, 99)
)
def test_jitter_shifts_each_image_as_a_whole(pixels, n, channels, height, seed) -> None:
    width = height + 2
    x = torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(seed)) + 0.1
    shifted = jitter(pixels)(x, torch.Generator().manual_seed(seed))
    assert shifted.shape == x.shape
    for before, after in zip(x, shifted, strict=True):
        candidates = (
            slow_shift(before, down, right)
            for down in range(-pixels, pixels + 1)
            for right in range(-pixels, pixels + 1)
        )
        assert any(torch.equal(candidate, after) for candidate in candidates)


def slow_shift(image: Tensor, down: int, right: int) -> Tensor:
    moved = torch.zeros_like(image)
    _, height, width = image.shape
    for i in range(height):
        for j in range(width):
            if 0 <= i - down < height and 0 <= j - right < width:
                moved[:, i, j] = image[:, i - down, j - right]
    return moved


def test_jitter_reaches_every_shift_and_images_move_apart() -> None:
    x = torch.zeros(400, 1, 5, 5)
    x[:, :, 2, 2] = 1
    shifted = jitter(2)(x, torch.Generator().manual_seed(0))
    places = {tuple(p) for p in shifted[:, 0].nonzero()[:, 1:].tolist()}
    assert places == {(i, j) for i in range(5) for j in range(5)}
    assert torch.equal(jitter(0)(x, torch.Generator()), x)


# ---- Progress ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [True, False])
def test_progress_bars_obey_the_setting(monkeypatch, capsys, shown: bool) -> None:
    def impatient(*args, delay, **kwargs):  # the real bar waits for two seconds
        return tqdm.std.tqdm(*args, **kwargs)

    monkeypatch.setattr(tqdm, "tqdm", impatient)
    monkeypatch.setenv("DISTILL_LIVE", "1" if shown else "0")
    assert list(progress.progress(range(3), "counting")) == [0, 1, 2]
    with progress.ticking(2, "working") as tick:
        tick()
        tick()
    text = capsys.readouterr().err
    assert ("counting" in text and "working" in text) if shown else text == ""


# ---- Bad input -----------------------------------------------------------------------------------

FIT_ERRORS = {
    "no budget": ({}, "epochs=None and steps=None: give exactly one of them"),
    "two budgets": ({"epochs": 1, "steps": 2}, "epochs=1 and steps=2: give exactly one of them"),
    "no epochs": ({"epochs": 0}, "epochs=0 must be at least 1"),
    "negative steps": ({"steps": -1}, "steps=-1 must be at least 1"),
    "batch size": ({"epochs": 1, "batch_size": 0}, "batch_size=0 must be at least 1"),
    "learning rate": ({"epochs": 1, "lr": 0.0}, "lr=0.0 must be a positive number; 1e-3 suits"),
    "NaN rate": ({"epochs": 1, "lr": math.nan}, "lr=nan must be a positive number"),
    "accept unseen": ({"epochs": 1, "accept_loss": 0.1}, "accept_loss=0.1 needs valid=: a model"),
    "accept zero": (
        {"epochs": 1, "accept_loss": 0.0, "valid": toy()},
        "accept_loss=0.0 must be positive: no loss is below zero",
    ),
    "unlabelled validation": (
        {"epochs": 1, "valid": toy().without_labels()},
        "valid holds images without labels; accuracy needs all of them",
    ),
}


@pytest.mark.parametrize(("arguments", "expected"), FIT_ERRORS.values(), ids=FIT_ERRORS)
def test_bad_arguments_of_fit_are_refused_before_training(arguments, expected: str) -> None:
    model = net()
    with pytest.raises(ValueError, match=f"^{expected}"):
        fit(model, toy(), **arguments)
    assert torch.equal(weights(model), weights(net()))


def test_cross_entropy_refuses_images_without_labels() -> None:
    split = toy()
    split.y[3] = UNLABELLED
    with pytest.raises(ValueError, match="split holds images without labels, .* give labelled"):
        fit(net(), split, epochs=1)


@pytest.mark.parametrize("label", [3, -1])
@pytest.mark.parametrize("use", ["fit", "evaluate", "calibration"])
def test_labels_that_the_model_does_not_know(use: str, label: int) -> None:
    split = toy()
    split.y[7] = label
    with pytest.raises(ValueError, match=f"split.y holds {label}; with 3 classes labels go from 0"):
        fit(net(), split, epochs=1) if use == "fit" else getattr(evaluation, use)(net(), split)


@pytest.mark.parametrize("measure", [evaluate, calibration])
def test_measuring_without_labels(measure) -> None:
    with pytest.raises(ValueError, match="split holds images without labels; accuracy needs all"):
        measure(net(), toy().without_labels())


@pytest.mark.parametrize("bins", [0, -2])
def test_calibration_without_bins(bins: int) -> None:
    with pytest.raises(ValueError, match=f"bins={bins} must be at least 1"):
        calibration(net(), toy(), bins=bins)


def test_a_loss_that_stops_being_finite_is_named_with_its_remedy() -> None:
    def loss(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        return cross_entropy(logits, labels, index) * math.inf

    with pytest.raises(ValueError, match=r"the loss became inf in epoch 1 with lr=0.01; try a ten"):
        fit(net(), toy(), loss, epochs=2, lr=0.01)


def test_negative_jitter() -> None:
    with pytest.raises(ValueError, match="^pixels=-1 must be at least 0"):
        jitter(-1)
