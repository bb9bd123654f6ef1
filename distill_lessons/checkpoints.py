"""Weights on disk: one safetensors file with notes in its header, whole or not there.

Nothing is ever unpickled: a file from a stranger can hold wrong numbers, not code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons import files
from distill_lessons.tensors import check_type


def save(model: nn.Module, path: str | Path, **notes: Any) -> Path:
    """Write the weights of a model, and notes about it, as one safetensors file.

    The file is written under a temporary name and renamed when it is whole, so that weights and
    notes always belong together and a failure leaves an older file as it was.

    Args:
        model: any net.
        path: where the weights go; ``.safetensors`` is added to a name that does not end in it.
        **notes: anything that JSON can hold, such as seed, data set and accuracy.

    Returns:
        The path of the file.

    Raises:
        TypeError: if `model` is not a net, or `path` is not a path.
        ValueError: if a note cannot be written as JSON, or a weight is NaN or infinite; then
            nothing is written.
    """
    from safetensors.torch import save as to_bytes

    check_type("model", model, nn.Module, "a net")
    weights = _with_ending(path)
    try:
        text = json.dumps(notes, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"notes={notes!r} cannot be written as JSON: {error}.") from error
    # Copied, because safetensors refuses two names of one tensor, as tied layers have them.
    state = {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}
    _check_finite("model", state)
    weights.parent.mkdir(parents=True, exist_ok=True)
    files.write(weights, to_bytes(state, metadata={"notes": text}))
    return weights


def load(model: nn.Module, path: str | Path) -> dict[str, Any]:
    """Read weights into a model of the same shape, and return the notes saved with them.

    If an error is raised the model is as it was.

    Raises:
        FileNotFoundError: if there is no such file.
        TypeError: if `model` is not a net, or `path` is not a path.
        ValueError: if the file is damaged, its weights do not fit the model, or one is NaN or
            infinite.
    """
    check_type("model", model, nn.Module, "a net")
    weights = _with_ending(path)
    state, found = _read(weights)
    _check_fit(weights, state, model.state_dict())  # torch would copy what fits, then raise
    _check_finite(str(weights), state)
    model.load_state_dict(state)
    return found


def notes(path: str | Path) -> dict[str, Any]:
    """Return the notes of a file: they may say which model to build for its weights.

    Raises:
        FileNotFoundError: if there is no such file.
        TypeError: if `path` is not a path.
        ValueError: if the file is damaged.
    """
    return _read(_with_ending(path))[1]


def _with_ending(path: str | Path) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path={path!r} must be a path, such as 'runs/teacher'.")
    # Not `with_suffix`: of "student_T0.5" it would make "student_T0.safetensors".
    path = Path(path)
    return path if path.suffix == ".safetensors" else path.with_name(f"{path.name}.safetensors")


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; save a model there first.")
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            text = (file.metadata() or {}).get("notes", "{}")
        found = json.loads(text)
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}); save the model again.") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} is damaged (its notes are {text}); save the model again.")
    return state, found


def _check_fit(weights: Path, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    def shape(tensors: Mapping[str, Tensor], name: str) -> str:
        return str(tuple(tensors[name].shape)) if name in tensors else "missing"

    def dtype(tensors: Mapping[str, Tensor], name: str) -> str:
        return str(tensors[name].dtype)

    for name in sorted(state.keys() | wanted.keys()):
        for described in (shape, dtype):
            there, here = described(state, name), described(wanted, name)
            if there != here:
                raise ValueError(
                    f"{weights} does not fit this model: {name} is {there} in the file and {here} "
                    "in the model; build the model it was saved from."
                )


def _check_finite(where: str, state: Mapping[str, Tensor]) -> None:
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(
                f"{where} holds NaN or infinite numbers in {name}: that net diverged; train it "
                "again with a lower learning rate."
            )
