"""A training that is killed goes on, and ends at exactly the weights of one that was not."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from torch import Tensor, nn
from torch.optim import Optimizer, lr_scheduler

from distill_lessons import checkpoints, models, training
from distill_lessons.data import Split
from distill_lessons.fast.stacking import fit_many
from distill_lessons.objectives import Batch

SPLIT = Split(torch.rand(50, 1, 4, 4, generator=torch.Generator().manual_seed(0)),
              torch.arange(50) % 3)  # fmt: skip
STEPS, BATCH = 24, 8  # three and a half epochs of seven steps, of which the last has two images
Train = Callable[[Path | None], list[Tensor]]


def dropping() -> nn.Sequential:
    """A net with all that a step can change besides weights: statistics, draws of dropout."""
    net = models.mlp((1, 4, 4), 6, (8,), seed=1)
    return nn.Sequential(net, nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Linear(6, 3))


def noisy(x: Tensor, generator: torch.Generator) -> Tensor:
    return x + 0.1 * torch.randn(x.shape, generator=generator)


def everything(checkpoint: Path | None, **options: Any) -> list[Tensor]:
    """Train with dropout, batch normalisation, noise, a schedule and a second module."""
    torch.manual_seed(0)  # for the second module
    model, projector = dropping(), nn.Linear(3, 3)

    def objective(model: nn.Module, batch: Batch) -> Tensor:
        return nn.functional.cross_entropy(projector(model(batch.x)), batch.y)

    def schedule(optimizer: Optimizer) -> lr_scheduler.LRScheduler:
        # One whose state has numbers for keys, and one whose state has lists.
        parts = [lr_scheduler.MultiStepLR(optimizer, [2, 9], 0.5),
                 lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=STEPS)]  # fmt: skip
        return lr_scheduler.SequentialLR(optimizer, parts, [13])

    history = training.fit(
        model, SPLIT, objective=objective, also=[projector], steps=STEPS, batch_size=BATCH,
        valid=SPLIT, weight_decay=0.1, schedule=schedule, augment=noisy, seed=3,
        checkpoint=checkpoint, **options,
    )  # fmt: skip
    rows = [torch.tensor([*row.values()], dtype=torch.float64) for row in history.rows]
    return [*checkpoints.state_of(model, projector).values(), *rows]


def stacked(checkpoint: Path | None) -> list[Tensor]:
    """Train four students side by side, three at once."""
    nets = [models.mlp((1, 4, 4), 3, (8,), seed=s) for s in range(4)]
    fit_many(nets, SPLIT, steps=STEPS, batch_size=BATCH, chunk=3, checkpoint=checkpoint)
    return list(checkpoints.state_of(*nets).values())


def by_momentum(checkpoint: Path | None) -> list[Tensor]:
    """Train three students side by side with SGD, its momentum and a schedule."""
    nets = [models.mlp((1, 4, 4), 3, (8,), seed=s) for s in range(3)]
    fit_many(
        nets, SPLIT, steps=STEPS, batch_size=BATCH, checkpoint=checkpoint,
        optimizer=partial(torch.optim.SGD, momentum=0.9, fused=True), lr=0.05,
        schedule=lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS),
    )  # fmt: skip
    return list(checkpoints.state_of(*nets).values())


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return len(first) == len(second) and all(map(torch.equal, first, second))


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISTILL_CHECKPOINTS", raising=False)
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    monkeypatch.setattr(checkpoints, "PATIENCE", 0.1)


# ---- Killed --------------------------------------------------------------------------------------


def before_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_write", lambda *args: die())


def between_two(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, left = checkpoints._write, iter(range(18))

    def write(*args: Any) -> None:
        if next(left, None) is None:
            die()
        whole(*args)

    monkeypatch.setattr(checkpoints, "_write", write)


def during_one(monkeypatch: pytest.MonkeyPatch) -> None:
    left = iter(range(16))

    def fsync(descriptor: int) -> None:
        if next(left, None) is None:
            os.truncate(descriptor, 100)
            die()

    monkeypatch.setattr(os, "fsync", fsync)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(train: Train, folder: Path, kill: Callable[[pytest.MonkeyPatch], None]) -> None:
    """Train in a process of its own, which is killed."""

    def run() -> None:
        kill(pytest.MonkeyPatch())
        train(folder)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


POINTS = {"before the first": before_the_first, "between two": between_two, "during": during_one}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process to kill it")
@pytest.mark.parametrize("train", [everything, stacked, by_momentum])
@pytest.mark.parametrize("kill", POINTS.values(), ids=POINTS)
def test_a_killed_training_ends_at_the_same_weights_to_the_bit(
    tmp_path: Path, capsys, train: Train, kill: Callable[[pytest.MonkeyPatch], None]
) -> None:
    uninterrupted = train(None)
    killed(train, tmp_path, kill)
    names = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert len([n for n in names if n.startswith("step-")]) == (
        0 if kill is before_the_first else 2
    )
    assert len([n for n in names if n.endswith(".part")]) == (kill is during_one)
    assert same(train(tmp_path), uninterrupted)
    assert ("Going on from step 1" in capsys.readouterr().out) == (kill is not before_the_first)
    assert not list(tmp_path.rglob("*.part"))
    assert same(train(tmp_path), uninterrupted)  # nothing is trained again
    assert f"Over at step {STEPS}" in capsys.readouterr().out


def test_a_training_that_was_accepted_is_not_trained_on(tmp_path: Path) -> None:
    def train() -> tuple[training.History, list[Tensor]]:
        net = models.mlp((1, 4, 4), 3, (8,), seed=0)
        history = training.fit(
            net, SPLIT, epochs=9, valid=SPLIT, accept_loss=1.2, lr=0.01, checkpoint=tmp_path
        )
        return history, list(net.parameters())

    (first, weights), (second, again) = train(), train()
    assert first.accepted
    assert len(first.rows) < 9
    assert first == second
    assert same(weights, again)


def test_ctrl_c_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    def interrupted(x: Tensor, generator: torch.Generator, left=iter(range(10))) -> Tensor:  # noqa: B008
        if next(left, None) is None:
            raise KeyboardInterrupt
        return noisy(x, generator)

    def train(augment: Callable[[Tensor, torch.Generator], Tensor]) -> list[Tensor]:
        net = models.mlp((1, 4, 4), 3, (8,), seed=0)
        training.fit(
            net, SPLIT, steps=STEPS, batch_size=BATCH, augment=augment, checkpoint=tmp_path
        )
        return list(net.parameters())

    train(interrupted)
    resumed = train(noisy)
    for path in tmp_path.glob("step-*"):
        path.unlink()
    assert same(resumed, train(noisy))


# ---- Damaged, full, read-only, taken -------------------------------------------------------------


def torn(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def altered(raw: bytes) -> bytes:
    return raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:]


@pytest.mark.parametrize("damage", [torn, altered, lambda raw: b"", lambda raw: pickle.dumps(raw)])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(
    tmp_path: Path, capsys, damage: Callable[[bytes], bytes]
) -> None:
    uninterrupted = everything(tmp_path)
    before, last = sorted(tmp_path.glob("step-*"))
    last.write_bytes(damage(last.read_bytes()))
    assert same(everything(tmp_path), uninterrupted)
    said = capsys.readouterr().out
    assert f"{last} is damaged: it is set aside as {last.name}.damaged" in said
    assert f"Going on from step {STEPS - 1}, as {before} has it." in said
    assert last.with_name(f"{last.name}.damaged").is_file()
    for path in tmp_path.glob("step-*.safetensors"):
        path.write_bytes(b"all of them")
    assert same(everything(tmp_path), uninterrupted)


def test_a_full_disk_costs_the_checkpoint_but_not_the_training(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    left = iter(range(5))

    def full(descriptor: int) -> None:
        if next(left, None) is None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert same(everything(tmp_path), everything(None))
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("No checkpoint at step 5 ([Errno 28] No space left on device: ")
    assert line.endswith("; the training goes on without.")
    names = sorted(path.name[:14] for path in tmp_path.glob("[!.]*"))
    assert names == ["step-000000003", "step-000000004"]


def test_a_folder_that_cannot_be_written_is_refused_before_the_training(
    tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"checkpoint=.*file/x is of no use: .*Not a directory"):
        everything(tmp_path / "file" / "x")

    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", "there")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(ValueError, match="is of no use: .*Permission denied: 'there'"):
        everything(tmp_path)
    with pytest.raises(TypeError, match="checkpoint=3 must be a path"):
        everything(3)  # type: ignore[arg-type]


def test_a_second_process_on_one_training_is_refused(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(ValueError, match="another process is train"):
        everything(tmp_path)
    everything(tmp_path)  # it is free again


def test_another_training_is_refused_and_left_alone(tmp_path: Path) -> None:
    everything(tmp_path)
    kept = {path: path.read_bytes() for path in tmp_path.glob("step-*")}
    for options in ({"accept_loss": 0.1}, {"lr": 0.1}):
        with pytest.raises(ValueError, match="holds the checkpoints of another training"):
            everything(tmp_path, **options)
    assert {path: path.read_bytes() for path in tmp_path.glob("step-*")} == kept
    nets = [models.mlp((1, 4, 4), 3, (8,), seed=s) for s in range(2)]
    z = torch.zeros(50, 3)
    fit_many(nets, SPLIT, z, steps=3, T=2.0, alpha=0.5, checkpoint=tmp_path / "many")
    with pytest.raises(ValueError, match="of another training"):
        fit_many(nets, SPLIT, z, steps=3, T=4.0, alpha=0.5, checkpoint=tmp_path / "many")


def test_a_schedule_that_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    class Odd(lr_scheduler.LambdaLR):
        def state_dict(self) -> dict[str, Any]:
            return {"odd": object()}

    net = models.mlp((1, 4, 4), 3, (8,), seed=0)
    with pytest.raises(ValueError, match="a object cannot be written into a checkpoint"):
        training.fit(
            net, SPLIT, steps=1, schedule=lambda o: Odd(o, lambda _: 1.0), checkpoint=tmp_path
        )


# ---- The folder of a run -------------------------------------------------------------------------


def test_the_trainings_of_a_run_get_folders_of_their_own(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    uninterrupted = [*everything(None), *stacked(None), *everything(None)]
    monkeypatch.setenv("DISTILL_CHECKPOINTS", str(tmp_path))

    def run() -> list[Tensor]:
        monkeypatch.setattr(checkpoints, "_counted", iter(range(99)))  # as a new process counts
        return [*everything(None), *stacked(None), *everything(None)]

    assert same(run(), uninterrupted)
    folders = sorted(tmp_path.iterdir())
    assert [folder.name[:4] for folder in folders] == ["000-", "001-", "002-", "003-"]
    for folder in folders[:2]:  # the third was begun, the fourth not
        assert len(list(folder.glob("step-*"))) == 2
    sorted(folders[2].glob("step-*"))[-1].unlink()
    assert same(run(), uninterrupted)
    assert sorted(tmp_path.iterdir()) == folders
    assert capsys.readouterr().out == ""  # a lesson shows what it would have shown


def test_a_short_training_writes_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(checkpoints, "EVERY", 60.0)
    monkeypatch.setenv("DISTILL_CHECKPOINTS", str(tmp_path))
    everything(None)
    assert not list(tmp_path.rglob("step-*"))
