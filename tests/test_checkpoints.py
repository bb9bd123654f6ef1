"""Weights that are written come back to the bit, and a failure never costs what was there."""

from __future__ import annotations

import itertools
import math
import os
import pickle
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
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
    assert names(path.parent) == ["teacher.safetensors"]
    for spelling in (path, str(path), tmp_path / "new" / "teacher"):
        model = net(seed=2)
        assert checkpoints.load(model, spelling) == {"seed": 1, "accuracy": 0.98}
        assert torch.equal(weights(model), weights(net(seed=1)))
        assert checkpoints.notes(spelling) == {"seed": 1, "accuracy": 0.98}


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
    assert names(tmp_path) == ["student_T0.1.safetensors", "student_T0.5.safetensors"]
    assert checkpoints.load(net(), tmp_path / "student_T0.1") == {"T": 0.1}


def test_a_second_save_replaces_the_first(tmp_path: Path) -> None:
    checkpoints.save(net(seed=1), tmp_path / "m", seed=1, more="text")
    checkpoints.save(net(seed=2), tmp_path / "m", seed=2)
    model = net()
    assert checkpoints.load(model, tmp_path / "m") == {"seed": 2}
    assert torch.equal(weights(model), weights(net(seed=2)))


def test_weights_without_notes_are_welcome(tmp_path: Path) -> None:
    save_file(net(seed=1).state_dict(), tmp_path / "m.safetensors")  # by whoever
    model = net()
    assert checkpoints.load(model, tmp_path / "m") == {}
    assert torch.equal(weights(model), weights(net(seed=1)))


def test_other_files_of_that_name_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("a learner's own")
    checkpoints.save(net(), tmp_path / "mine", seed=1)
    assert (tmp_path / "mine.json").read_text() == "a learner's own"
    assert checkpoints.load(net(), tmp_path / "mine") == {"seed": 1}


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

    def fail(*args: object, **more: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("safetensors.torch.save", fail)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(net(seed=2), tmp_path / "m", seed=2)
    assert names(tmp_path) == ["m.safetensors"]
    assert checkpoints.load(net(), tmp_path / "m") == {"seed": 1}


def test_many_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    nets = [net(seed) for seed in range(16)]

    def write(seed: int) -> None:
        checkpoints.save(nets[seed], tmp_path / "m", seed=seed)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))
    found = net(seed=99)
    seed = checkpoints.load(found, tmp_path / "m")["seed"]
    assert torch.equal(weights(found), weights(nets[seed]))
    assert names(tmp_path) == ["m.safetensors"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process that starts at once")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_notes_belong_to_their_weights_whenever_the_writer_is_killed(tmp_path: Path) -> None:
    nets = [net(seed) for seed in range(8)]
    path = checkpoints.save(nets[0], tmp_path / "m", seed=0)
    found, seen = net(), set()
    for kill in range(25):
        before = path.stat().st_ino
        child = os.fork()
        if child == 0:
            for seed in itertools.cycle(range(8)):
                checkpoints.save(nets[seed], tmp_path / "m", seed=seed)
        deadline = time.monotonic() + 30
        while path.stat().st_ino == before and time.monotonic() < deadline:
            time.sleep(0.001)  # until it has written once
        time.sleep(0.001 * kill)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        seed = checkpoints.load(found, tmp_path / "m")["seed"]
        assert torch.equal(weights(found), weights(nets[seed]))
        seen.add(seed)
    assert len(seen) > 1  # children did write


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


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "3"])
def test_damaged_notes_are_named_and_change_nothing(tmp_path: Path, text: str) -> None:
    save_file(net(seed=1).state_dict(), tmp_path / "m.safetensors", metadata={"notes": text})
    model = net(seed=2)
    with pytest.raises(ValueError, match=r"m\.safetensors is damaged \(.*\); save the model again"):
        checkpoints.load(model, tmp_path / "m")
    assert torch.equal(weights(model), weights(net(seed=2)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.float16])
def test_weights_of_another_type_are_refused_and_change_nothing(tmp_path: Path, dtype) -> None:
    state = {name: t.to(dtype) for name, t in net(seed=1).state_dict().items()}
    save_file(state, tmp_path / "m.safetensors")
    model = net(seed=2)
    expected = f"does not fit this model: 1.bias is {dtype} in the file and torch.float32 in the m"
    with pytest.raises(ValueError, match=expected):
        checkpoints.load(model, tmp_path / "m")
    assert torch.equal(weights(model), weights(net(seed=2)))
    wide = net().to(torch.float64)
    if dtype == torch.float64:
        assert checkpoints.load(wide, tmp_path / "m") == {}
        assert torch.equal(weights(wide), weights(net(seed=1)))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_net_that_diverged_is_neither_saved_nor_loaded(tmp_path: Path, value: float) -> None:
    broken = net(seed=1)
    with torch.no_grad():
        broken[3].weight[0, 0] = value
    with pytest.raises(ValueError, match="model holds NaN or infinite numbers in 3.weight: that n"):
        checkpoints.save(broken, tmp_path / "m")
    assert names(tmp_path) == []
    save_file(broken.state_dict(), tmp_path / "m.safetensors")
    model = net(seed=2)
    with pytest.raises(ValueError, match=r"m\.safetensors holds NaN or infinite .* in 3\.weight"):
        checkpoints.load(model, tmp_path / "m")
    assert torch.equal(weights(model), weights(net(seed=2)))


def test_what_is_no_net_or_no_path(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="model is str; give a net"):
        checkpoints.save("net", tmp_path / "m")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model is the class Linear; give a net"):
        checkpoints.load(nn.Linear, tmp_path / "m")  # type: ignore[arg-type]
    for call in (checkpoints.notes, lambda path: checkpoints.save(net(), path)):
        with pytest.raises(TypeError, match="path=None must be a path, such as 'runs/teacher'"):
            call(None)  # type: ignore[arg-type]


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
