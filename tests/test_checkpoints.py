"""Weights that are written come back to the bit, and a failure never costs what was there."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from distill_lessons import checkpoints, models


def net(seed: int = 0, hidden: tuple[int, ...] = (16,)) -> nn.Sequential:
    return models.mlp((1, 4, 4), 3, hidden, seed=seed)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([t.detach().double().flatten() for t in model.state_dict().values()])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---- Round trip ----------------------------------------------------------------------------------


def test_weights_and_notes_come_back(tmp_path: Path) -> None:
    path = checkpoints.save(net(seed=1), tmp_path / "new" / "teacher", seed=1, accuracy=0.98)
    assert path == tmp_path / "new" / "teacher.safetensors"
    assert names(path.parent) == ["teacher.json", "teacher.safetensors"]
    for spelling in (path, str(path), tmp_path / "new" / "teacher"):
        model = net(seed=2)
        assert checkpoints.load(model, spelling) == {"seed": 1, "accuracy": 0.98}
        assert torch.equal(weights(model), weights(net(seed=1)))


def test_buffers_and_shared_weights_come_back(tmp_path: Path) -> None:
    def build() -> nn.Sequential:
        first, second = nn.Linear(4, 4), nn.Linear(4, 4)
        second.weight = first.weight
        return nn.Sequential(first, nn.BatchNorm1d(4), second)

    model, other = build(), build()
    model(torch.rand(8, 4))  # moves the running mean
    checkpoints.load(other, checkpoints.save(model, tmp_path / "tied"))
    assert torch.equal(weights(model), weights(other))
    assert other[0].weight is other[2].weight


def test_a_number_in_the_name_is_no_suffix(tmp_path: Path) -> None:
    for T in (0.1, 0.5):
        checkpoints.save(net(), tmp_path / f"student_T{T}", T=T)
    assert names(tmp_path) == sorted(
        f"student_T{T}{suffix}" for T in (0.1, 0.5) for suffix in (".json", ".safetensors")
    )
    assert checkpoints.load(net(), tmp_path / "student_T0.1") == {"T": 0.1}


def test_a_second_save_replaces_the_first(tmp_path: Path) -> None:
    checkpoints.save(net(seed=1), tmp_path / "m", seed=1, more="text")
    checkpoints.save(net(seed=2), tmp_path / "m", seed=2)
    model = net()
    assert checkpoints.load(model, tmp_path / "m") == {"seed": 2}
    assert torch.equal(weights(model), weights(net(seed=2)))


def test_weights_without_notes_are_welcome(tmp_path: Path) -> None:
    path = checkpoints.save(net(), tmp_path / "m", seed=1)
    path.with_suffix(".json").unlink()
    assert checkpoints.load(net(), path) == {}


# ---- Atomic --------------------------------------------------------------------------------------


@contextmanager
def full_disk(after: int) -> Iterator[None]:
    """Let no file grow beyond `after` bytes, as on a full disk."""
    resource = pytest.importorskip("resource", reason="this system cannot limit file sizes")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_while_writing_leaves_the_old_files(tmp_path: Path) -> None:
    path = checkpoints.save(net(seed=1), tmp_path / "m", seed=1)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    assert path.stat().st_size > 500
    with full_disk(after=500), pytest.raises(OSError, match="too large"):
        checkpoints.save(net(seed=2), tmp_path / "m", seed=2)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_weights_that_cannot_be_packed_leave_the_old_files(tmp_path: Path, monkeypatch) -> None:
    checkpoints.save(net(seed=1), tmp_path / "m", seed=1)

    def fail(*args: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("safetensors.torch.save", fail)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(net(seed=2), tmp_path / "m", seed=2)
    assert names(tmp_path) == ["m.json", "m.safetensors"]
    assert checkpoints.load(net(), tmp_path / "m") == {"seed": 1}


def test_many_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    nets = [net(seed) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda model: checkpoints.save(model, tmp_path / "m"), nets))
    found = net(seed=99)
    checkpoints.load(found, tmp_path / "m")
    assert any(torch.equal(weights(found), weights(model)) for model in nets)
    assert names(tmp_path) == ["m.json", "m.safetensors"]


# ---- Bad input -----------------------------------------------------------------------------------


def test_notes_that_json_cannot_hold_write_nothing(tmp_path: Path) -> None:
    for note in (torch.zeros(2), float("nan"), {1, 2}):
        with pytest.raises(ValueError, match=r"^notes=.*accuracy.* cannot be written as JSON"):
            checkpoints.save(net(), tmp_path / "sub" / "m", accuracy=note)
    assert names(tmp_path) == []


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"m\.safetensors does not exist; save a model"):
        checkpoints.load(net(), tmp_path / "m")


@pytest.mark.parametrize("keep", [0, 7, 200, -1])
def test_damaged_file_is_named_and_changes_nothing(tmp_path: Path, keep: int) -> None:
    path = checkpoints.save(net(seed=1), tmp_path / "m")
    path.write_bytes(path.read_bytes()[:keep])
    model = net(seed=2)
    with pytest.raises(ValueError, match=r"m\.safetensors is damaged \(.*\); save the model again"):
        checkpoints.load(model, path)
    assert torch.equal(weights(model), weights(net(seed=2)))


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "3", b"\xff"])
def test_damaged_notes_are_named_and_change_nothing(tmp_path: Path, text: str | bytes) -> None:
    path = checkpoints.save(net(seed=1), tmp_path / "m")
    path.with_suffix(".json").write_bytes(text if isinstance(text, bytes) else text.encode())
    model = net(seed=2)
    with pytest.raises(ValueError, match=r"m\.json is damaged; delete it to load the weights"):
        checkpoints.load(model, path)
    assert torch.equal(weights(model), weights(net(seed=2)))


MISFITS = {
    "narrower": ((8,), r"1.bias is \(16,\) in the file and \(8,\) in the model"),
    "deeper": ((16, 3), r"5.bias is missing in the file and \(3,\) in the model"),
    "shallower": ((), r"1.bias is \(16,\) in the file and \(3,\) in the model"),
}


@pytest.mark.parametrize(("hidden", "expected"), MISFITS.values(), ids=MISFITS)
def test_weights_of_another_shape_are_refused_and_change_nothing(
    tmp_path: Path, hidden: tuple[int, ...], expected: str
) -> None:
    path = checkpoints.save(net(seed=1), tmp_path / "m")
    model = net(seed=2, hidden=hidden)
    with pytest.raises(ValueError, match=rf"m\.safetensors does not fit this model: {expected}; b"):
        checkpoints.load(model, path)
    assert torch.equal(weights(model), weights(net(seed=2, hidden=hidden)))


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('the file was unpickled')",)


@pytest.mark.parametrize("write", [pickle.dumps, None], ids=["pickle", "torch.save"])
def test_nothing_is_unpickled(tmp_path: Path, write) -> None:
    path = tmp_path / "m.safetensors"
    if write is None:
        torch.save(Malicious(), path)
    else:
        path.write_bytes(write(Malicious()))
    with pytest.raises(ValueError, match=r"m\.safetensors is damaged"):
        checkpoints.load(net(), path)


def test_notes_are_json_that_people_can_read(tmp_path: Path) -> None:
    path = checkpoints.save(net(), tmp_path / "m", seed=1, data="digits")
    text = path.with_suffix(".json").read_text()
    assert json.loads(text) == {"data": "digits", "seed": 1}
    assert '\n  "seed": 1\n' in text
