"""Trainings that survive a kill: all that decides the next step, in one file, whole or not there.

A checkpoint is a safetensors file: tensors, and JSON in its header for the rest. Its name ends in a
hash of its content, so that a file cut short or altered is recognised; the one before it is kept
for that. Nothing is ever unpickled: a file from a stranger can hold wrong numbers, not code.

`training.fit` and `fast.stacking.fit_many` say at each step where they are, and a `Keeper` decides
whether it is time to write. Knows nothing about losses or the loop.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from distill_lessons import files, settings
from distill_lessons.data import Split

# Seconds between two checkpoints: what a kill costs at most. A shorter training writes none.
EVERY = 30.0
# The newest, and the one before it should that be damaged.
KEPT = 2
# Seconds to wait for another process: a kernel outlives its killed parent by a moment.
PATIENCE = 5.0

_counted = itertools.count()


@dataclass
class Keeper:
    """What a training tells where it is; without a folder it does nothing. See `keeping`."""

    tensors: Callable[[], Mapping[str, Tensor]]
    optimizer: Optimizer
    scheduler: LRScheduler | None
    generators: Sequence[torch.Generator]
    about: str = ""
    folder: Path | None = None
    asked: bool = False  # for a folder of its own, rather than the run's
    last: float = 0.0
    written: bool = False
    complained: bool = False

    def restore(self) -> dict[str, Any]:
        """Put everything back to where it was at the newest checkpoint that is whole.

        Returns:
            What was given to `save` with it; ``{}`` if there is none, and nothing is changed.

        Raises:
            ValueError: if the checkpoints are those of another training.
        """
        if self.folder is None:
            return {}
        for path in _checkpoints(self.folder):
            if (found := _read(path)) is None:
                continue
            content, notes = found
            if notes["about"] != self.about:
                raise ValueError(
                    f"{self.folder} holds the checkpoints of another training: its net, its data "
                    "or an argument differs. Give another folder, or delete that one."
                )
            state = {key: _unpacked(value, content) for key, value in notes.items()}
            with torch.no_grad():
                for name, tensor in self.tensors().items():
                    tensor.copy_(state["tensors"][name])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.scheduler is not None:
                self.scheduler.load_state_dict(state["scheduler"])
            for generator, drawn in zip(self.generators, state["generators"], strict=True):
                generator.set_state(drawn)
            self.written = True
            place: dict[str, Any] = state["place"]
            if self.asked:
                word = "Over at" if place["over"] else "Going on from"
                print(f"{word} step {place['step']}, as {path} has it.")
            return place
        return {}

    def save(
        self, step: int, orders: Sequence[Tensor], *, over: bool = False, **place: Any
    ) -> None:
        """Write a checkpoint if it is time to; a disk that refuses costs no more than that.

        Args:
            step: how many steps are done.
            orders: what the states of the first generators were when the epoch began: they draw
                its order once more.
            over: True if the training is over. It is written at once, unless the training was so
                short that nothing has been written before and nobody asked for it.
            **place: whatever else says where the training is: tensors, and what JSON can hold.
        """
        if self.folder is None or (over and not (self.written or self.asked)):
            return
        if not over and time.monotonic() < self.last + EVERY:
            return
        drawn = [*orders, *(g.get_state() for g in self.generators[len(orders) :])]
        state = {
            "about": self.about,
            "tensors": self.tensors(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "generators": drawn,
            "place": place | {"step": step, "over": over},
        }
        try:
            _write(self.folder, step, state)
            self.written = True
        except OSError as error:
            if not self.complained:
                print(f"No checkpoint at step {step} ({error}); the training goes on without.")
            self.complained = True
        self.last = time.monotonic()


@contextmanager
def keeping(
    checkpoint: str | Path | None,
    tensors: Callable[[], Mapping[str, Tensor]],
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
    generators: Sequence[torch.Generator],
    about: Sequence[Any],
) -> Iterator[Keeper]:
    """Yield the keeper of one training's checkpoints, and hold its folder until it is over.

    Args:
        checkpoint: the folder; None for the one of ``DISTILL_CHECKPOINTS``, in which every training
            of a process gets a folder of its own, or for no checkpoints if that is not set.
        tensors: returns weights and buffers, by name.
        optimizer: what changes them.
        scheduler: its schedule, None for none.
        generators: those that the training draws from, that of the order of the examples first.
        about: what else tells this training from others: data, numbers, text.

    Raises:
        TypeError: if `checkpoint` is not a path.
        ValueError: if the folder of `checkpoint` cannot be written, another process is on it, or
            the schedule has a state that JSON cannot hold.
    """
    kept = Keeper(tensors, optimizer, scheduler, generators, asked=checkpoint is not None)
    kept.last = time.monotonic()
    root = settings.load().checkpoints if checkpoint is None else folder_in(checkpoint)
    with ExitStack() as stack:
        if root is not None:
            try:
                rates = None if scheduler is None else scheduler.state_dict()
                kept.about = _hash_of(tensors(), optimizer.state_dict(), rates, *about)
                # Counted, since two trainings may differ in nothing but their loss.
                name = f"{next(_counted):03d}-{kept.about}" if checkpoint is None else ""
                stack.enter_context(_alone(root / name))
                kept.folder = root / name
            except (ValueError, OSError) as error:
                if checkpoint is not None:
                    raise ValueError(f"checkpoint={checkpoint!s} is of no use: {error}") from error
                print(f"No checkpoints of this training: {error}")
        yield kept


def folder_in(checkpoint: str | Path, *parts: str) -> Path:
    """Return the folder that an argument `checkpoint` names, or one below it.

    Raises:
        TypeError: if it is not a path.
    """
    if not isinstance(checkpoint, str | os.PathLike):
        raise TypeError(f"checkpoint={checkpoint!r} must be a path, such as 'runs/teacher'.")
    return Path(checkpoint, *parts)


def state_of(*modules: nn.Module) -> dict[str, Tensor]:
    """Return all weights and buffers of modules by name, those too that a state_dict leaves out."""
    return {
        f"{i}.{name}": tensor
        for i, module in enumerate(modules)
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
    }


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; what a killed one left unfinished there is removed."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise ValueError(f"another process is training in {folder}; wait until it ends.") from None
    except NotImplementedError:  # a file system without locks
        yield
        return
    try:
        for left in folder.glob(".*.part"):
            left.unlink()
        yield
    finally:
        lock.release()


def _checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, the newest first."""
    return sorted(folder.glob("step-*.safetensors"), reverse=True)


def _write(folder: Path, step: int, state: Mapping[str, Any]) -> None:
    from safetensors.torch import save

    content: dict[str, Tensor] = {}
    notes = json.dumps({key: _packed(value, content) for key, value in state.items()})
    raw = save(content, metadata={"notes": notes})
    files.write(folder / f"step-{step:09d}-{_digest(raw)}.safetensors", raw)
    for old in _checkpoints(folder)[KEPT:]:
        old.unlink()


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Return the tensors and the notes of a checkpoint; one that is damaged is set aside."""
    from safetensors.torch import load

    raw = path.read_bytes()
    if not path.stem.endswith(f"-{_digest(raw)}"):
        aside = path.with_name(f"{path.name}.damaged")
        with suppress(OSError):
            path.replace(aside)
        print(f"{path} is damaged: it is set aside as {aside.name}, and the one before is used.")
        return None
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    return load(raw), json.loads(header["__metadata__"]["notes"])


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:16]


def _packed(value: Any, content: dict[str, Tensor]) -> Any:
    """Return what JSON can hold in place of `value`, and move its tensors to `content`.

    Raises:
        ValueError: if it holds anything else.
    """
    if isinstance(value, Tensor):
        name = f"{len(content)}"
        # Cloned, because safetensors refuses two names of one memory, as tied layers have them.
        content[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, Mapping):  # as pairs, since a key may be a number
        return {"dict": [[_packed(k, content), _packed(v, content)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_packed(v, content) for v in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"a {type(value).__name__} cannot be written into a checkpoint.")


def _unpacked(value: Any, content: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    [(kind, inner)] = value.items()
    if kind == "tensor":
        return content[inner]
    if kind == "dict":
        return {_unpacked(k, content): _unpacked(v, content) for k, v in inner}
    parts = [_unpacked(v, content) for v in inner]
    return tuple(parts) if kind == "tuple" else parts


def _hash_of(*values: Any) -> str:
    """Return a hash of tensors, text and numbers, of splits, and of lists and dicts of them."""
    content: dict[str, Tensor] = {}
    plain = [vars(value) if isinstance(value, Split) else value for value in values]
    found = hashlib.sha256(json.dumps(_packed(plain, content)).encode())
    for tensor in content.values():
        found.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:12]
